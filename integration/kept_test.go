package integration

import (
	"bufio"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestStatusFindsEveryOutbox leaves files in an outbox in each way in which a mount ends,
// and wants every command to find them, without a request to S3 and without a change of
// what lies there.
func TestStatusFindsEveryOutbox(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		end  func(m *mount)
		says string // of the daemon
	}{
		{"killed, the mount is dead", func(m *mount) {
			_ = m.cmd.Process.Kill()
			<-m.ended
			m.done = true
		}, "its daemon has ended"},
		{"killed, the mount is undone", func(m *mount) { m.kill() }, "not mounted"},
		{"unmount --keep", func(m *mount) { m.abandon() }, "not mounted"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			direct := newExchange(t, "article")
			x, g := direct.through(t)
			m := x.mount(client)
			m.deliver(delivery+"delivered", []byte("delivered"))
			g.when(func(op string, w http.ResponseWriter, r *http.Request) bool {
				return op != "HeadObject" && op != "ListObjectsV2" && refuse(w, r, 503, "SlowDown")
			})
			half, err := os.Create(m.path(delivery + "half"))
			if err == nil {
				_, err = half.WriteString("half")
			}
			if err != nil {
				t.Fatal(err)
			}
			m.write(delivery+"small", []byte("small"))
			m.write(delivery+"large", randomBytes(300_000))
			m.write(delivery+"odd\t\n", []byte("odd"))
			m.write(delivery+"draft.part", []byte("private"))
			if c.name == "unmount --keep" {
				half.Close()
				_ = os.Remove(m.path(delivery + "half"))
			}
			c.end(m)
			half.Close()
			g.when(func(op string, _ http.ResponseWriter, _ *http.Request) bool {
				t.Errorf("%s was asked for", op)
				return false
			})
			before := m.stateFiles(t)

			for _, args := range [][]string{nil, {m.dir}, {m.path(delivery)}} {
				out := m.status(t, args...)
				if !containsAll(out, []string{m.dir, c.says, "small", "large", "odd",
					"waiting", "s3share recover --bucket " + x.Bucket, "draft.part", "private"}) ||
					containsAny(out, []string{"is delivered", "odd\t"}) {
					t.Errorf("status %q:\n%s", args, out)
				}
				if c.name != "unmount --keep" && !strings.Contains(out, "half") {
					t.Errorf("status %q does not list the file that was open:\n%s", args, out)
				}
			}
			out, err := m.run("status", "--json", m.dir)
			if err != nil ||
				!containsAll(out, []string{`"daemon": "ended"`, `"state": "sealed"`, m.state}) {
				t.Errorf("status --json: %v\n%s", err, out)
			}
			for _, args := range [][]string{{"wait", "--timeout", "100ms"}, {"wait", m.dir},
				{"wait", m.path(delivery + "small")}, {"wait", m.path(delivery + "odd\t\n")}} {
				out, err := m.run(args...)
				if exitCode(t, err) != 1 || !containsAll(out,
					[]string{"not delivered: ", "its daemon has ended", "s3share recover"}) {
					t.Errorf("%q: %v\n%s", args, err, out)
				}
			}
			for _, args := range [][]string{{"retry", m.dir}, {"retry", m.path(delivery + "small")},
				{"deliver", m.path(delivery + "small")}} {
				out, err := m.run(args...)
				if exitCode(t, err) != 1 ||
					!containsAll(out, []string{"its daemon has ended", "s3share recover"}) {
					t.Errorf("%q: %v\n%s", args, err, out)
				}
			}
			if out, err := m.run("why", m.path(delivery+"small")); err != nil || !containsAll(out,
				[]string{"small: waiting", "its daemon has ended", "s3share recover"}) {
				t.Errorf("why: %v\n%s", err, out)
			}
			for _, name := range []string{"delivered", "never"} {
				for _, command := range []string{"status", "why", "wait"} {
					out, err := m.run(command, m.path(delivery+name))
					if exitCode(t, err) != 1 || strings.Contains(out, name+" is delivered\n") {
						t.Errorf("%s of %s: %v\n%s", command, name, err, out)
					}
				}
			}
			if after := m.stateFiles(t); !slices.Equal(before, after) {
				t.Errorf("the state directory held\n%q\nand after the commands\n%q", before, after)
			}

			g.when(nil)
			if c.says == "its daemon has ended" {
				out, err := m.run("unmount", m.dir)
				if exitCode(t, err) != 1 || !containsAll(out, []string{"whose daemon was gone",
					"not delivered: ", "stays in the outbox", "s3share recover"}) {
					t.Errorf("unmount of the dead mount: %v\n%s", err, out)
				}
			}
			if out, err := m.recover(); err != nil && !strings.Contains(out, "half") {
				t.Errorf("recover: %v\n%s", err, out)
			}
			direct.awaitObject(delivery+"small", []byte("small"))
			if c.name == "unmount --keep" {
				if st := m.status(t); st != "" {
					t.Errorf("status once all is delivered:\n%s", st)
				}
				return
			}
			m = m.revive(t)
			if out, err := m.run("deliver", m.dir); err != nil {
				t.Errorf("deliver: %v\n%s", err, out)
			}
			m.awaitDelivered(delivery + "half")
		})
	}
}

// status is what s3share status says of this mount, "" for nothing. Root's status lists the mounts of
// other tests, too, whose daemons need not answer in this moment: then it ends with 1.
func (m *mount) status(t *testing.T, args ...string) (block string) {
	t.Helper()
	out, err := m.run(append([]string{"status"}, args...)...)
	for part := range strings.SplitSeq(out, "\n\n") {
		if strings.HasPrefix(part, m.dir+" (") {
			block = part
		}
	}
	if err != nil && (exitCode(t, err) != 1 || len(args) > 0 ||
		strings.Contains(out, "no daemon answers for the mount on "+m.dir+",")) {
		t.Errorf("status: %v\n%s", err, out)
	}
	return block
}

// stateFiles are the files in the state directory, with what is in them and when it was
// written.
func (m *mount) stateFiles(t *testing.T) []string {
	t.Helper()
	var all []string
	err := filepath.WalkDir(m.state, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		line := fmt.Sprintf("%s %v %d", path, info.ModTime(), info.Size())
		if err == nil && !d.IsDir() {
			var b []byte
			b, err = os.ReadFile(path)
			line += fmt.Sprintf(" %x", b)
		}
		all = append(all, line)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// TestDeadMountIsNotNothing kills a daemon that has delivered all: the dead mount is
// listed, and that nothing waits.
func TestDeadMountIsNotNothing(t *testing.T) {
	t.Parallel()
	x := newExchange(t, "article")
	m := x.mount(client)
	m.deliver(delivery+"a", []byte("a"))
	_ = m.cmd.Process.Kill()
	<-m.ended
	m.done = true
	if st := m.status(t); !containsAll(st, []string{"its daemon has ended",
		"nothing waits in its outbox", "s3share unmount " + m.dir}) {
		t.Errorf("status:\n%s", st)
	}
	for _, c := range []struct {
		args []string
		want answer
	}{
		{[]string{"wait", m.dir}, says0()},
		{[]string{"why", m.dir}, says0("nothing waits in its outbox")},
		{[]string{"retry", m.dir}, says1("its daemon has ended", "s3share unmount "+m.dir)},
		{[]string{"deliver", m.dir}, says1("its daemon has ended", "s3share unmount "+m.dir)},
		{[]string{"login", m.dir}, says1("no daemon answers")},
		{[]string{"status", m.path(delivery + "a")}, answer{1, []string{"it is not known whether ", "its daemon has ended, and nothing of it waits"}, nil}},
	} {
		out, err := m.run(c.args...)
		if code := exitCode(t, err); code != c.want.code || !containsAll(out, c.want.has) ||
			containsAny(out, c.want.not) {
			t.Errorf("%q ends with %d and says\n%swant %+v", c.args, code, out, c.want)
		}
	}
	if out, err := m.run("unmount", m.dir); err != nil ||
		!strings.Contains(out, "whose daemon was gone") {
		t.Errorf("unmount: %v\n%s", err, out)
	}
	if st := m.status(t); st != "" {
		t.Errorf("status afterwards:\n%s", st)
	}
}

// TestUnmountKeepEnds undoes a mount while S3 is gone, or refuses the credentials: it ends,
// says what is left, and status finds it.
func TestUnmountKeepEnds(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name  string
		fails func(w *wire, g *gateway)
		says  []string
	}{
		{"S3 is gone", func(w *wire, _ *gateway) { w.cut() }, []string{"nothing is delivered at present: nothing answers at "}},
		{"the line is dead", func(w *wire, _ *gateway) { w.spoil("timeout", "upstream", map[string]any{"timeout": 0}) }, []string{"no answer from "}},
		{"S3 fails", func(_ *wire, g *gateway) {
			g.when(func(_ string, w http.ResponseWriter, r *http.Request) bool {
				return refuse(w, r, 500, "InternalError")
			})
		}, []string{"nothing is delivered at present: ", "Internal"}},
		{"S3 throttles", func(_ *wire, g *gateway) {
			g.when(func(_ string, w http.ResponseWriter, r *http.Request) bool {
				return refuse(w, r, 503, "SlowDown")
			})
		}, []string{"nothing is delivered at present: ", "throttling"}},
		{"credentials expired", func(_ *wire, g *gateway) {
			g.when(func(_ string, w http.ResponseWriter, r *http.Request) bool {
				return refuse(w, r, 403, "ExpiredToken")
			})
		}, []string{"nothing is delivered at present: ", "refused the credentials: expired"}},
		{"one file is tried again for ever", func(_ *wire, g *gateway) {
			g.when(func(op string, w http.ResponseWriter, r *http.Request) bool {
				return op == "PutObject" && refuse(w, r, 409, "OperationAborted")
			})
		}, []string{"answered PutObject with OperationAborted"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			direct := newExchange(t, "article")
			behind, g := direct.through(t)
			x, w := behind.over(t)
			m := x.mount(client)
			f, err := os.Create(m.path(delivery + "a"))
			if err != nil {
				t.Fatal(err)
			}
			c.fails(w, g)
			if err := f.Close(); err != nil {
				t.Fatal(err)
			}
			began := time.Now()
			out, err := m.run("unmount", "--keep", m.dir)
			m.done = true
			if took := time.Since(began); took > 45*time.Second {
				t.Errorf("unmount --keep took %s", took)
			}
			if exitCode(t, err) != 1 || !containsAll(out, append(c.says,
				"not delivered: \""+delivery+"a\"", "is unmounted, but not all was delivered")) {
				t.Errorf("unmount --keep: %v\n%s", err, out)
			}
			<-m.ended
			if st := m.status(t); !containsAll(st, []string{"not mounted", delivery + "a"}) {
				t.Errorf("status:\n%s", st)
			}
			w.heal()
			g.when(nil)
			if out, err := m.recover(); err != nil {
				t.Errorf("recover: %v\n%s", err, out)
			}
			direct.awaitObject(delivery+"a", nil)
		})
	}
}

// TestInterruptedUnmountSaysHowThingsStand interrupts unmount while the mount serves, and
// while the rest is delivered of one that is undone.
func TestInterruptedUnmountSaysHowThingsStand(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		undone bool
		args   []string
	}{
		{"unmount", false, nil},
		{"unmount --keep", false, []string{"--keep"}},
		{"unmount of what is undone", true, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			direct := newExchange(t, "article")
			x, g := direct.through(t)
			m := x.mount(client)
			held := make(chan struct{})
			g.when(func(op string, _ http.ResponseWriter, r *http.Request) bool {
				if op == "PutObject" {
					select {
					case <-held:
					case <-r.Context().Done():
					}
				}
				return false
			})
			m.write(delivery+"a", []byte("a"))
			if c.undone {
				shell(t, `fusermount3 -u "$1" || umount "$1"`, m.dir)
			}
			cmd := exec.Command(s3shareBin,
				append(append([]string{"unmount"}, c.args...), m.dir)...)
			cmd.Env = m.env
			errs, err := cmd.StderrPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			lines := bufio.NewScanner(errs)
			await(t, "the daemon to be asked",
				func() bool { return strings.Contains(m.log.String(), "an unmount is asked for") })
			if err := cmd.Process.Signal(syscall.SIGINT); err != nil {
				t.Fatal(err)
			}
			var said strings.Builder
			for lines.Scan() {
				said.WriteString(lines.Text() + "\n")
			}
			code := exitCode(t, cmd.Wait())
			want := []string{"interrupted", "it stays mounted, and goes on delivering"}
			if c.undone {
				want = []string{m.dir + " is unmounted, but not all is delivered yet",
					"goes on delivering", "s3share status"}
			}
			if code != 1 || !containsAll(said.String(), want) {
				t.Errorf("it ended with %d and said\n%swant %q", code, &said, want)
			}
			if mounted := strings.Contains(shell(t, "cat /proc/self/mounts"),
				" "+m.dir+" "); mounted == c.undone {
				t.Errorf("mounted: %v", mounted)
			}
			out, err := m.run("status", m.dir)
			if draining := strings.Contains(out,
				"no longer mounted, still delivering"); err != nil || draining != c.undone {
				t.Errorf("status: %v\n%s", err, out)
			}
			close(held)
			if c.undone {
				m.done = true
				<-m.ended
			}
			direct.awaitObject(delivery+"a", []byte("a"))
		})
	}
}
