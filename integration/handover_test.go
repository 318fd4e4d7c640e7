package integration

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// eject undoes the mount as a file manager does: by the kernel, while the daemon delivers.
func (m *mount) eject() {
	m.t.Helper()
	m.done = true
	// A child that another test starts has this process's files open until it runs its program.
	await(m.t, "the mount to be in use by nobody", func() bool {
		err := unix.Unmount(m.dir, 0)
		if err == unix.EPERM {
			err = exec.Command("fusermount3", "-u", m.dir).Run()
		}
		return err == nil
	})
}

// load writes files that take long at the mount's limit, and returns what they hold.
func (m *mount) load(round int) map[string][]byte {
	m.t.Helper()
	want := map[string][]byte{}
	for i := range 30 {
		want[fmt.Sprintf("%ssmall-%d-%d.txt", delivery, round, i)] = fmt.Appendf(nil,
			"%d %d", round, i)
	}
	want[fmt.Sprintf("%slarge-%d.bin", delivery,
		round)] = bytes.Repeat([]byte{byte(round), 1, 2, 3}, 5<<20)
	for key, content := range want {
		m.write(key, content)
	}
	return want
}

// holdsExactly fails unless the bucket comes to hold these objects, and no other.
func (x *exchange) holdsExactly(m *mount, want map[string][]byte) {
	x.t.Helper()
	if out, err := m.run("limit", "none", m.dir); err != nil {
		x.t.Fatalf("limit: %v\n%s", err, out)
	}
	if out, err := m.run("wait", m.dir); err != nil {
		x.t.Errorf("wait: %v\n%s", err, out)
	}
	x.holds(want)
}

// holds fails unless the bucket holds these objects, and no other.
func (x *exchange) holds(want map[string][]byte) {
	x.t.Helper()
	for key, content := range want {
		if got, err := x.get(owner, key); err != nil || !bytes.Equal(got, content) {
			x.t.Errorf("%s has %d bytes that differ, or %v", key, len(got), err)
		}
	}
	var others []string // conflict copies, and what is half-done
	for key := range x.list() {
		if _, ok := want[key]; !ok && !strings.HasSuffix(key, "/") {
			others = append(others, key)
		}
	}
	if len(others) > 0 {
		x.t.Errorf("the bucket has %v as well", others)
	}
}

// TestMountTakesOver mounts again at once after an eject: the daemon that still delivers hands
// over, and the new one goes on. Whoever waits for the old one is told.
func TestMountTakesOver(t *testing.T) {
	t.Parallel()
	x := newExchange(t, "article")
	m := x.mount(client, "--limit-upload", "2M")
	want := m.load(1)
	m.eject()
	waiting := make(chan string, 1)
	go func(m *mount) {
		out, _ := m.run("unmount", m.dir)
		waiting <- out
	}(m)
	await(t, "somebody to wait for the unmount",
		func() bool { return strings.Contains(m.log.String(), "an unmount is asked for") })
	next := m.revive(t)
	select {
	case <-m.ended:
	case <-time.After(patience):
		t.Fatal("the first daemon lives on")
	}
	if m.err != nil {
		t.Errorf(
			"the daemon that has handed over ended with %v, which a service manager takes for a failure", m.err)
	}
	if out := <-waiting; !strings.Contains(out,
		"a new mount has taken over what was not delivered yet") {
		t.Errorf("who waited was told %q", out)
	}
	maps.Copy(want, next.load(2))
	x.holdsExactly(next, want)
}

// TestTakeoverKilled kills one of the two daemons at any moment of a takeover.
func TestTakeoverKilled(t *testing.T) {
	t.Parallel()
	seed := uint64(time.Now().UnixNano())
	rnd := rand.New(rand.NewPCG(15, seed))
	t.Logf("seed %d", seed)
	x := newExchange(t, "article")
	m := x.mount(client, "--limit-upload", "2M")
	want := map[string][]byte{}
	for round := range soaking(6, 60) {
		maps.Copy(want, m.load(round))
		m.eject()
		other := exec.Command(s3shareBin, m.cmd.Args[1:]...)
		other.Env = m.env
		if err := other.Start(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Duration(rnd.Int64N(int64(200 * time.Millisecond)))) // any moment
		if rnd.IntN(2) == 0 {
			_ = m.cmd.Process.Kill()
			await(t, "the new mount to serve",
				func() bool { _, err := m.owed(); return err == nil && m.mounted() })
		}
		_ = other.Process.Kill()
		_ = other.Wait()
		m.undoDead()
		m = m.revive(t)
	}
	x.holdsExactly(m, want)
}

// TestTakeoverThatFails ejects, and has the next mount fail once it has taken over: the daemon of
// before goes on delivering, commands find it, and it hands over again.
func TestTakeoverThatFails(t *testing.T) {
	t.Parallel()
	for name, with := range map[string][]string{
		"cache directory": {"--cache-dir", "/dev/null/cache"},
		"memory":          {"--memory", "1"},
		"other bucket":    {"--bucket", "another"},
		"killed":          nil,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			x := newExchange(t, "article")
			m := x.mount(client, "--limit-upload", "100K")
			want := m.load(1)
			var before []*mount
			for round := range 2 {
				m.eject()
				other := exec.Command(s3shareBin,
					slices.Insert(slices.Clone(m.cmd.Args[1:]), len(m.cmd.Args)-2, with...)...)
				other.Env = m.env
				if err := other.Start(); err != nil {
					t.Fatal(err)
				}
				handed := func() bool {
					return strings.Count(m.log.String(),
						"a new mount asks for the outbox") > 2*round
				}
				if with == nil {
					await(t, "the daemon to be asked", handed)
					_ = other.Process.Kill()
				}
				if err := other.Wait(); err == nil {
					t.Fatal("the mount that is to fail serves")
				}
				m.undoDead()
				if !handed() {
					t.Error("the mount that has failed did not take over")
				}
				await(t, "the first daemon to deliver again, or the killed one to have served",
					func() bool {
						return m.delivers() || with == nil && m.dead()
					})
				before = append(before, m)
				m = m.revive(t)
			}
			for _, b := range before {
				await(t, "the daemons that have handed over to end", b.dead)
			}
			x.holdsExactly(m, want)
		})
	}
}

// TestTakeoverThatFailsUnderAServiceManager has the next mount fail after a handover, under a
// service manager: it hears that this process is stopping when that has delivered all, and not at
// the handover, after which systemd would kill within 90 s.
func TestTakeoverThatFailsUnderAServiceManager(t *testing.T) {
	t.Parallel()
	x := newExchange(t, "article")
	m := x.place(t, client, "--limit-upload", "100K")
	s := underServiceManager(t, m, "WATCHDOG_USEC=200000")
	s.hears("READY=1")
	want := m.load(1)
	m.eject()
	s.hears("STATUS=unmounted.*")
	other := exec.Command(s3shareBin,
		slices.Insert(slices.Clone(m.cmd.Args[1:]), len(m.cmd.Args)-2, "--memory", "1")...)
	other.Env = m.env
	if out, err := other.CombinedOutput(); err == nil {
		t.Fatalf("the mount that is to fail serves\n%s", out)
	}
	await(t, "the first daemon to deliver again", m.delivers)
	if err := m.cmd.Process.Signal(unix.SIGHUP); err != nil {
		t.Fatal(err)
	}
	s.hears(`RELOADING=1\nMONOTONIC_USEC=\d+\n`)
	s.hears("READY=1")
	s.hears("WATCHDOG=1")
	if out, err := m.run("limit", "none", m.dir); err != nil {
		t.Fatalf("limit: %v\n%s", err, out)
	}
	s.hears("STOPPING=1")
	<-m.ended
	m.done = true
	x.holds(want)
}

// delivers reports whether this very daemon has something to deliver, and says so.
func (m *mount) delivers() bool {
	var all []struct {
		PID  int        `json:"pid"`
		Owed []owedFile `json:"owed"`
	}
	out, err := m.run("status", "--json", m.dir)
	return err == nil && json.Unmarshal([]byte(out), &all) == nil && len(all) == 1 &&
		all[0].PID == m.cmd.Process.Pid && len(all[0].Owed) > 0
}

// mounted reports whether the kernel has the mount.
func (m *mount) mounted() bool {
	var here, above unix.Stat_t
	return unix.Lstat(m.dir, &here) == nil &&
		unix.Lstat(m.dir+"/..", &above) == nil && here.Dev != above.Dev
}

// undoDead undoes a mount whose process was killed, if there is one.
func (m *mount) undoDead() {
	if err := unix.Unmount(m.dir, unix.MNT_DETACH); err == unix.EPERM {
		_ = exec.Command("fusermount3", "-uzq", m.dir).Run()
	}
}
