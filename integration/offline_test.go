package integration

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// offlineLimit bounds what is to take no longer than a second while S3 is known to be out of
// reach, on a busy machine.
const offlineLimit = 10 * time.Second

// setupLimit is the same for commands that ask S3 themselves: ten seconds, until it has not
// answered twice, and what else they do.
const setupLimit = 25 * time.Second

// keepLimit bounds unmount --keep, which ends ten seconds after S3 has gone.
const keepLimit = 45 * time.Second

// absence is a way in which S3 is out of reach.
type absence struct {
	name   string
	begin  func(w *wire, g *gateway)
	errno  unix.Errno // of what must have S3; 0 if it is not out of reach
	health string     // what the mount's root says then
	state  string     // of the connection, in status --json
	reason string     // why what is written waits
}

var absences = []absence{
	{"connection refused", func(w *wire, _ *gateway) { w.cut() }, unix.EIO, "offline since ", "offline", "nothing answers at http"},
	{"no answer", func(_ *wire, g *gateway) {
		g.when(func(_ string, _ http.ResponseWriter, r *http.Request) bool { return hold(r) })
	}, unix.EIO, "offline since ", "offline", "no answer from http"},
	{"login expired", func(_ *wire, g *gateway) {
		g.when(func(_ string, w http.ResponseWriter, r *http.Request) bool {
			return refuse(w, r, 403, "ExpiredToken")
		})
	}, unix.EACCES, "login expired since ", "login", "refused the credentials: expired"},
	{"slow line", func(w *wire, _ *gateway) {
		for _, stream := range []string{"upstream", "downstream"} {
			w.spoil("bandwidth", stream, map[string]any{"rate": 25}) // KiB/s
		}
	}, 0, "online", "online", ""},
}

// TestOffline has S3 go away in several ways, and does with a mount what people do. What is
// cached is shown; what is written waits; what must have S3 fails at once, with its reason. When
// S3 is back, all arrives, and nothing of the other party's is overwritten or removed.
func TestOffline(t *testing.T) {
	t.Parallel()
	for _, a := range absences {
		t.Run(a.name, func(t *testing.T) {
			t.Parallel()
			a.run(t)
		})
	}
}

// quick calls do, which must not take longer than limit.
func quick(t *testing.T, what string, limit time.Duration, do func() error) error {
	t.Helper()
	began := time.Now()
	err := do()
	if took := time.Since(began); took > limit {
		t.Errorf("%s took %s, want %s at most", what, took.Round(time.Second), limit)
	}
	return err
}

func (a absence) run(t *testing.T) {
	direct := newExchange(t, "full")
	behind, g := direct.through(t)
	x, w := behind.over(t)
	const (
		cached, unread    = delivery + "cached.txt", delivery + "unread.bin"
		edited, replaced  = delivery + "edited.txt", delivery + "replaced.txt"
		removed, newer    = delivery + "removed.txt", delivery + "newer.txt"
		moved             = delivery + "moved.txt"
		fresh, pending    = delivery + "fresh.txt", delivery + "pending.txt"
		meanwhile, unseen = delivery + "meanwhile.txt", submissions + "unseen.txt"
	)
	old := []byte("as it was\n")
	for _, key := range []string{cached, edited, replaced, removed, newer, moved, unseen} {
		direct.put(owner, key, old, true)
	}
	large := randomBytes(60_000)
	direct.put(owner, unread, large, true)
	m := x.mount(client)
	m.deliver(delivery+"first.txt", []byte("the policy lets it"))
	if err := os.Remove(m.path(delivery + "first.txt")); err != nil {
		t.Fatal(err)
	}
	m.awaitRest()
	before := m.names(delivery)
	for _, key := range []string{cached, edited, replaced} {
		if got := m.read(key); !bytes.Equal(got, old) {
			t.Fatalf("%s holds %s", key, brief(got))
		}
	}

	a.begin(w, g)
	direct.put(owner, replaced, []byte("the other party's"), true)
	direct.put(owner, newer, []byte("the other party's"), true)
	away := a.errno != 0
	// Of a large directory that was never listed nothing is known: the first request fails.
	err := quick(t, "the first listing",
		mostWait, func() error { _, err := os.ReadDir(m.path(submissions)); return err })
	a.wantErr(t, "the first listing", err)
	await(t, "the mount to tell its health", func() bool {
		health, _ := xattr(m.dir, "user.s3share.health")
		return strings.HasPrefix(health, a.health)
	})
	do := func(what string, call func() error) error {
		t.Helper()
		return quick(t, what, offlineLimit, call)
	}
	must := func(what string, call func() error) {
		t.Helper()
		if err := do(what, call); err != nil {
			t.Errorf("%s: %v", what, err)
		}
	}

	must("a listing", func() error {
		if got := m.names(delivery); away && !slices.Equal(got, before) {
			t.Errorf("it lists %q, want %q", got, before)
		}
		return nil
	})
	if health, err := xattr(m.path(delivery), "user.s3share.health"); err != nil ||
		!strings.HasPrefix(health, a.health) {
		t.Errorf("the health of a folder is %q, %v", health, err)
	}
	must("stat", func() error { _, err := os.Stat(m.path(cached)); return err })
	must("reading what is cached", func() error {
		got, err := os.ReadFile(m.path(cached))
		if err == nil && !bytes.Equal(got, old) {
			t.Errorf("it holds %s", brief(got))
		}
		return err
	})
	err = do("reading what is not cached", func() error {
		got, err := os.ReadFile(m.path(unread))
		if err == nil && !bytes.Equal(got, large) {
			t.Errorf("it holds %s", brief(got))
		}
		return err
	})
	a.wantErr(t, "reading what is not cached", err)
	err = do("listing what was never listed",
		func() error { _, err := os.ReadDir(m.path(submissions)); return err })
	a.wantErr(t, "listing what was never listed", err)

	must("creating a file",
		func() error { return os.WriteFile(m.path(fresh), []byte("new"), 0o644) })
	must("creating one with O_EXCL", func() error {
		f, err := os.OpenFile(m.path(pending), os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644)
		if err == nil {
			_, err = io.WriteString(f, "not sent yet")
			err = errors.Join(err, f.Close())
		}
		return err
	})
	must("renaming it", func() error { return os.Rename(m.path(pending), m.path(pending+".2")) })
	must("writing another",
		func() error { return os.WriteFile(m.path(delivery+"short"), []byte("x"), 0o644) })
	must("removing it", func() error { return os.Remove(m.path(delivery + "short")) })
	must("making a directory", func() error { return os.Mkdir(m.path(delivery+"Untitled"), 0o755) })
	must("renaming it",
		func() error { return os.Rename(m.path(delivery+"Untitled"), m.path(delivery+"dir")) })
	must("writing into it",
		func() error { return os.WriteFile(m.path(delivery+"dir/in"), []byte("below"), 0o644) })
	must("listing it", func() error { _, err := os.ReadDir(m.path(delivery + "dir")); return err })
	for _, key := range []string{edited, replaced} {
		must("appending to "+key, func() error {
			f, err := os.OpenFile(m.path(key), os.O_APPEND|os.O_WRONLY, 0)
			if err == nil {
				_, err = io.WriteString(f, "and ours\n")
				err = errors.Join(err, f.Close())
			}
			return err
		})
		want := "as it was\nand ours\n"
		if got := string(m.read(key)); away && got != want {
			t.Errorf("%s holds %q, want %q", key, got, want)
		}
	}
	for _, key := range []string{removed, newer} {
		if away { // else S3 is asked, and has the other party's newer version
			must("removing what S3 holds", func() error { return os.Remove(m.path(key)) })
			if _, err := os.Stat(m.path(key)); !os.IsNotExist(err) {
				t.Errorf("%s is still there: %v", key, err)
			}
		}
	}
	if err := do("renaming what S3 holds",
		func() error { return os.Rename(m.path(moved), m.path(moved+".2")) }); away {
		a.wantErr(t, "renaming what S3 holds", err)
		if got := m.read; !bytes.Equal(got(cached), old) {
			t.Error("it is not there any more")
		}
	}

	if away {
		for _, key := range []string{fresh, pending + ".2", edited} {
			if got := m.fileState(key); got != "sealed" {
				t.Errorf("%s is %q, want sealed", key, got)
			}
		}
		if direct.head(fresh) != nil {
			t.Error("it has arrived")
		}
		for _, key := range []string{fresh, edited, removed} {
			var out string
			must("why", func() (err error) { out, err = m.run("why", m.path(key)); return err })
			if !strings.Contains(out, "because: ") || !strings.Contains(out, a.reason) {
				t.Errorf("why %s says\n%s\nwant %q", key, out, a.reason)
			}
		}
		var out string
		err := quick(t, "doctor", setupLimit,
			func() (err error) { out, err = m.run("doctor", m.dir); return err })
		if exitCode(t, err) != 1 || !strings.Contains(out, a.reason) {
			t.Errorf("doctor: %v\n%s", err, out)
		}
		must("status", func() (err error) { out, err = m.run("status", m.dir); return err })
		if strings.Contains(out, "all is delivered") || !strings.Contains(out, "fresh.txt") {
			t.Errorf("status says\n%s", out)
		}
		if err := do("wait", func() (err error) {
			out, err = m.run("wait", "--timeout", "1s", m.dir)
			return err
		}); exitCode(t, err) != 1 {
			t.Errorf("wait: %v\n%s", err, out)
		}
		if err := do("status of what S3 holds", func() (err error) {
			out, err = m.run("status", m.path(cached))
			return err
		}); exitCode(t, err) != 1 || !strings.Contains(out, "not known") {
			t.Errorf("status of what cannot be asked now: %v\n%s", err, out)
		}
	}
	must("status --json", func() error {
		out, err := m.run("status", "--json", m.dir)
		var all []struct{ Connection struct{ State string } }
		if json.Unmarshal([]byte(out), &all) != nil || len(all) != 1 ||
			all[0].Connection.State != a.state {
			t.Errorf("status --json says\n%s\nwant the connection %q", out, a.state)
		}
		return err
	})

	direct.put(owner, meanwhile, old, true)
	g.when(nil)
	w.heal()
	for key, want := range map[string]string{
		fresh: "new", pending + ".2": "not sent yet", delivery +
			"dir/in": "below", edited: "as it was\nand ours\n",
	} {
		direct.awaitObject(key, []byte(want))
	}
	m.awaitName(meanwhile, true)
	if got := m.read(unread); !bytes.Equal(got, large) {
		t.Errorf("%s holds %s", unread, brief(got))
	}
	m.awaitRest()
	if health, err := xattr(m.dir, "user.s3share.health"); err != nil || health != "online" {
		t.Errorf("in the end its health is %q, %v", health, err)
	}
	if away {
		direct.awaitObject(replaced, []byte("the other party's"))
		beside := 0
		for key := range direct.list() {
			if strings.HasPrefix(key, delivery+"replaced (conflict ") {
				beside++
			}
		}
		if beside != 1 {
			t.Errorf("there are %d conflict copies of %s, want 1: %q",
				beside, replaced, keysOf(direct.list()))
		}
		if direct.head(removed) != nil {
			t.Errorf("%s was removed, and S3 still holds it", removed)
		}
		direct.awaitObject(newer, []byte("the other party's"))
	}
	m.unmount()
}

// wantErr fails the test unless err is why S3 cannot be asked.
func (a absence) wantErr(t *testing.T, what string, err error) {
	t.Helper()
	if a.errno == 0 && err != nil {
		t.Errorf("%s: %v", what, err)
	} else if a.errno != 0 {
		wantErrno(t, what, err, a.errno)
	}
}

// TestMountOffline mounts while S3 is out of reach: with what was seen last, if anything was.
func TestMountOffline(t *testing.T) {
	t.Parallel()
	for _, a := range absences {
		if a.errno == 0 {
			continue
		}
		t.Run(a.name, func(t *testing.T) {
			t.Parallel()
			direct := newExchange(t, "full")
			behind, g := direct.through(t)
			x, w := behind.over(t)
			const known, waiting, fresh = delivery + "sub/known.txt", delivery +
				"waiting.txt", delivery + "fresh.txt"
			direct.put(owner, known, []byte("as it was"), true)
			m := x.mount(client)
			if got := m.read(known); string(got) != "as it was" {
				t.Fatalf("it holds %s", brief(got))
			}
			before := m.names(delivery)
			m.unmount()

			a.begin(w, g)
			if never, err := x.tryMount(t, client); err == nil {
				t.Error("a mount that was never online has begun without a connection")
			} else {
				never.done = true
			}
			var n *mount
			if err := quick(t, "mount", mostWait,
				func() error { n = m.revive(t); return nil }); err != nil {
				t.Fatal(err)
			}
			if !strings.Contains(n.log.String(), "mounted without a connection: ") {
				t.Errorf("it says nothing of that:\n%s", n.log)
			}
			if health, err := xattr(n.dir, "user.s3share.health"); err != nil ||
				!strings.HasPrefix(health, a.health) {
				t.Errorf("its health is %q, %v", health, err)
			}
			if got := n.names(delivery); !slices.Equal(got, before) {
				t.Errorf("it lists %q, want %q", got, before)
			}
			if got := n.read(known); string(got) != "as it was" {
				t.Errorf("it holds %s", brief(got))
			}
			n.write(waiting, []byte("written meanwhile"))
			n.kill()
			n = n.revive(t)
			if got := n.read(waiting); string(got) != "written meanwhile" {
				t.Errorf("after a kill it holds %s", brief(got))
			}
			var out string
			err := quick(t, "unmount --keep", keepLimit,
				func() (err error) { out, err = n.run("unmount", "--keep", n.dir); return err })
			n.done = true
			if exitCode(t, err) != 1 ||
				!containsAll(out, []string{"not delivered: \"" + waiting + "\"", a.reason}) {
				t.Errorf("unmount --keep: %v\n%s", err, out)
			}
			<-n.ended
			if out, err := n.run("why", n.path(waiting)); err != nil ||
				!containsAll(out, []string{"its daemon has ended", a.reason}) {
				t.Errorf("why, after unmount --keep: %v\n%s", err, out)
			}
			err = quick(t, "recover", setupLimit,
				func() (err error) { out, err = n.recover(); return err })
			if exitCode(t, err) != 1 || !strings.Contains(out, a.reason) {
				t.Errorf("recover: %v\n%s", err, out)
			}
			n = n.revive(t)
			direct.put(owner, fresh, []byte("theirs"), true)
			g.when(nil)
			w.heal()
			out, err = n.run("retry", n.dir) // which need not wait for the next probe
			if health, xerr := xattr(n.dir, "user.s3share.health"); err != nil ||
				xerr != nil || health != "online" {
				t.Errorf("after retry: %v\n%s\nits health is %q, %v", err, out, health, xerr)
			}
			direct.awaitObject(waiting, []byte("written meanwhile"))
			n.awaitName(fresh, true)
			n.unmount()
		})
	}
}

// TestRightsOffline mounts while S3 is out of reach, where the policy grants no delete: what S3
// refused the mount before is refused at once.
func TestRightsOffline(t *testing.T) {
	t.Parallel()
	direct := newExchange(t, "article")
	x, w := direct.over(t)
	const file = delivery + "file.txt"
	m := x.mount(client)
	m.deliver(file, []byte("delivered"))
	wantErrno(t, "rm", os.Remove(m.path(file)), unix.EACCES)
	m.unmount()
	w.cut()
	n := m.revive(t)
	wantErrno(t, "rm without a connection", os.Remove(n.path(file)), unix.EACCES)
	if got := n.read(file); string(got) != "delivered" {
		t.Errorf("it holds %s", brief(got))
	}
	w.heal()
	n.unmount()
}
