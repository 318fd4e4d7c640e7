package integration

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	mathrand "math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/s3"
	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"
)

const allEvents = unix.IN_CREATE | unix.IN_OPEN | unix.IN_MODIFY | unix.IN_CLOSE_WRITE | unix.IN_ATTRIB | unix.IN_DELETE | unix.IN_MOVE

// arrivals is what status says of the announcements.
type arrivals struct {
	Watched   int   `json:"watched"`
	Announced int64 `json:"announced"`
	Failed    int64 `json:"failed"`
	Skipped   int64 `json:"skipped"`
}

func (m *mount) arrivals() arrivals {
	m.t.Helper()
	out, err := m.run("status", "--json", m.dir)
	var st []struct{ Arrivals *arrivals }
	if err == nil {
		err = json.Unmarshal([]byte(out), &st)
	}
	if err != nil || len(st) != 1 || st[0].Arrivals == nil {
		m.t.Fatalf("status --json says nothing of arrivals: %v\n%s", err, out)
	}
	return *st[0].Arrivals
}

// awaitWatched waits until the mount knows that so many directories are watched.
func (m *mount) awaitWatched(n int) {
	m.t.Helper()
	await(m.t, fmt.Sprintf("%d watched directories", n),
		func() bool { return m.arrivals().Watched == n })
}

// TestArrivalsWakeWatchers has the other party make, change and remove files in a directory that
// inotify watches: each change makes the events that it would have made on a local disk, once.
func TestArrivalsWakeWatchers(t *testing.T) {
	t.Parallel()
	x := newExchange(t, "full")
	for i := range 20 {
		x.put(owner, fmt.Sprintf("%sold-%02d", delivery, i), []byte("before"), true)
	}
	x.put(owner, delivery+"leaves/last", []byte("x"), true)
	m := x.mount(client)
	w := watchDir(t, m.path(delivery), allEvents)
	m.awaitWatched(1)
	if names := m.names(delivery); len(names) != 21 {
		t.Fatalf("%q", names)
	}
	want := map[string][]string{}
	for i := range 100 {
		name := fmt.Sprintf("new-%03d", i)
		x.put(owner, delivery+name, fmt.Appendf(nil, "content %d", i), true)
		want[name] = []string{"CREATE", "OPEN", "CLOSE_WRITE"}
	}
	for i := range 10 {
		name := fmt.Sprintf("old-%02d", i)
		x.put(owner, delivery+name, fmt.Appendf(nil, "after %d", i), true)
		want[name] = []string{"OPEN", "MODIFY", "CLOSE_WRITE"}
	}
	for i := 10; i < 20; i++ {
		name := fmt.Sprintf("old-%02d", i)
		x.remove(delivery + name)
		want[name] = []string{"DELETE"}
	}
	x.remove(delivery + "leaves/last")
	want["leaves"] = []string{"DELETE|ISDIR"}
	x.put(owner, delivery+"made/first", []byte("x"), true)
	want["made"] = []string{"CREATE|ISDIR"}
	seen := func() (missing, wrong []string) {
		for name, events := range want {
			switch got := w.of(name); {
			case len(got) < len(events):
				missing = append(missing, name)
			case !slices.Equal(got, events):
				wrong = append(wrong, fmt.Sprintf("%s: %q", name, got))
			}
		}
		return missing, wrong
	}
	await(t, "the events", func() bool { missing, _ := seen(); return len(missing) == 0 })
	// A second look at all of it announces nothing twice.
	m.names(delivery)
	time.Sleep(3 * time.Second)
	if _, wrong := seen(); len(wrong) > 0 {
		t.Errorf("events:\n%s", strings.Join(wrong, "\n"))
	}
	w.mu.Lock()
	for name := range w.events {
		if want[name] == nil && name != "" { // "" is the directory itself, that was listed
			t.Errorf("%s: %q, though nothing has happened to it", name, w.events[name])
		}
	}
	w.mu.Unlock()
	for name := range want {
		_, err := os.Stat(m.path(delivery + name))
		if gone := os.IsNotExist(err); gone != strings.HasPrefix(want[name][0], "DELETE") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if got := string(m.read(delivery + "new-007")); got != "content 7" {
		t.Errorf("new-007 holds %q", got)
	}
	if got := string(m.read(delivery + "old-07")); got != "after 7" {
		t.Errorf("old-07 holds %q", got)
	}
	if st := m.arrivals(); st.Failed > 0 || st.Announced != int64(len(want)) {
		t.Errorf("status says %+v of %d changes", st, len(want))
	}
}

// TestArrivalsWhereNobodyMayWrite is in a folder in which the policy grants this party no put, by
// a user without root: each change makes its events, and nobody but the helper is shown that the
// folder may be written.
func TestArrivalsWhereNobodyMayWrite(t *testing.T) {
	t.Parallel()
	needRoot(t)
	needTools(t, "fusermount3")
	const nobody = 65534 // fusermount3 wants a user that has a name
	x := newExchange(t, "folders")
	for i := range 20 {
		x.put(owner, fmt.Sprintf("%sold-%02d", submissions, i), []byte("before"), true)
	}
	if info, err := os.Stat("/dev/fuse"); err != nil || info.Mode().Perm()&0o6 != 0o6 {
		missing(t, "/dev/fuse for all users", fmt.Sprint(info.Mode()))
	}
	m := x.place(t, client)
	base := filepath.Dir(m.dir)
	top := commonDir(t)
	programs := map[string]string{s3shareBin: "s3share", "/proc/self/exe": "watcher"}
	for from, to := range programs {
		programs[from] = copyProgram(t, from, filepath.Join(top, to))
	}
	for _, dir := range []string{base, m.dir, filepath.Join(base, "run")} {
		if err := os.Chown(dir, nobody, nobody); err != nil {
			t.Fatal(err)
		}
	}
	user := &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	run := func(args ...string) {
		t.Helper()
		cmd := exec.Command(programs[s3shareBin], args...)
		cmd.Dir, cmd.Env, cmd.SysProcAttr = "/", m.env, user
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%q: %v\n%s", args, err, out)
		}
	}
	run(slices.DeleteFunc(m.cmd.Args[1:], func(arg string) bool { return arg == "-f" })...)
	defer run("unmount", m.dir)
	cmd := exec.Command(programs["/proc/self/exe"])
	cmd.Env = []string{watchAs + "=" + m.path(strings.TrimSuffix(submissions, "/"))}
	cmd.SysProcAttr, cmd.Stderr = user, os.Stderr
	said := &output{filepath.Join(top, "said")}
	out, err := os.Create(said.path)
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	cmd.Stdout = out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	}()
	lines := func(prefix string) (all []string) {
		for line := range strings.Lines(said.String()) {
			if strings.HasPrefix(line, prefix) {
				all = append(all, strings.TrimSpace(line))
			}
		}
		return all
	}
	// The first that arrives once the mount knows of the watch; what arrives before may not be
	// told.
	await(t, "the watch to be known", func() bool {
		x.put(owner, submissions+"first", []byte(time.Now().String()), true)
		return len(lines("event first")) > 0
	})
	await(t, "the mode without a grant to put",
		func() bool { return slices.Contains(lines("mode"), "mode 40555") })
	var want []string
	for i := range 100 {
		name := fmt.Sprintf("new-%03d", i)
		x.put(owner, submissions+name, []byte(name), true)
		want = append(want, "event "+name+" CREATE", "event "+name+" OPEN",
			"event "+name+" CLOSE_WRITE")
	}
	for i := range 10 {
		name := fmt.Sprintf("old-%02d", i)
		x.put(owner, submissions+name, []byte("after"), true)
		want = append(want, "event "+name+" OPEN", "event "+name+" MODIFY",
			"event "+name+" CLOSE_WRITE")
	}
	for i := 10; i < 20; i++ {
		name := fmt.Sprintf("old-%02d", i)
		x.remove(submissions + name)
		want = append(want, "event "+name+" DELETE")
	}
	x.put(owner, submissions+"made/first", []byte("x"), true)
	want = append(want, "event made CREATE|ISDIR")
	slices.Sort(want)
	got := func() (all []string) {
		for _, line := range lines("event") {
			if !strings.HasPrefix(line, "event first") && !strings.HasPrefix(line, "event  ") {
				all = append(all, line)
			}
		}
		slices.Sort(all)
		return all
	}
	for deadline := time.Now().Add(patience); len(got()) < len(want) &&
		time.Now().Before(deadline); {
		time.Sleep(20 * time.Millisecond)
	}
	if now := got(); !slices.Equal(now, want) {
		t.Errorf("events:\n%s\nwant:\n%s", strings.Join(now, "\n"), strings.Join(want, "\n"))
	}
	if modes := lines("mode"); !slices.Equal(modes, []string{"mode 40755", "mode 40555"}) &&
		!slices.Equal(modes, []string{"mode 40555"}) {
		t.Errorf("the folder is shown with %q", modes)
	}
}

// TestArrivalsRaceWithPrograms has programs open, make, remove, rename and list the very names that
// the other party makes, changes and removes, in a directory that is watched. They get no error
// that they would not get without announcements.
func TestArrivalsRaceWithPrograms(t *testing.T) {
	t.Parallel()
	x := newExchange(t, "full")
	const names = 16
	rounds := int64(soaking(1500, 10_000))
	x.put(owner, delivery+"d/there", []byte("x"), true)
	m := x.mount(client)
	w := watchDir(t, m.path(delivery+"d"), allEvents)
	m.awaitWatched(1)
	name := func() string { return fmt.Sprintf("%sd/n%02d", delivery, mathrand.IntN(names)) }
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var others, programs sync.WaitGroup
	others.Go(func() {
		for ctx.Err() == nil {
			key := name()
			if mathrand.IntN(3) > 0 {
				x.put(owner, key, []byte(rand.Text()), true)
			} else { // it may be gone already
				_, _ = x.api[owner].DeleteObject(ctx,
					&s3.DeleteObjectInput{Bucket: &x.Bucket, Key: &key})
			}
		}
	})
	open := func(path string, flags int) error {
		fd, err := unix.Open(path, flags|unix.O_CLOEXEC, 0o644)
		if err != nil {
			return err
		}
		if flags&unix.O_ACCMODE == unix.O_RDONLY {
			_, err = unix.Pread(fd, make([]byte, 64), 0)
		}
		return errors.Join(err, unix.Close(fd))
	}
	calls := []struct {
		name string
		call func(path, other string) error
		may  []error
	}{
		{"stat", func(p, _ string) error { var st unix.Stat_t; return unix.Stat(p, &st) }, []error{unix.ENOENT}},
		{"open to read", func(p, _ string) error { return open(p, unix.O_RDONLY) }, []error{unix.ENOENT, unix.ESTALE}},
		{"create", func(p, _ string) error { return open(p, unix.O_WRONLY|unix.O_CREAT|unix.O_EXCL) }, []error{unix.EEXIST}},
		{"open or create", func(p, _ string) error { return open(p, unix.O_WRONLY|unix.O_CREAT) }, []error{unix.ENOENT, unix.ESTALE}},
		{"unlink", func(p, _ string) error { return unix.Unlink(p) }, []error{unix.ENOENT, unix.ESTALE}},
		{"rename", func(p, o string) error { return unix.Rename(p, o) }, []error{unix.ENOENT, unix.ESTALE}},
		{"list", func(p, _ string) error { _, err := os.ReadDir(filepath.Dir(p)); return err }, nil},
	}
	var done atomic.Int64
	for range 4 {
		programs.Go(func() {
			for done.Add(1) <= rounds && t.Context().Err() == nil {
				c := calls[mathrand.IntN(len(calls))]
				p, other := m.path(name()), m.path(name())
				err := c.call(p, other)
				// Of the signals by which Go has goroutines take turns.
				for errors.Is(err, unix.EINTR) {
					err = c.call(p, other)
				}
				if err != nil && !slices.ContainsFunc(c.may,
					func(may error) bool { return errors.Is(err, may) }) {
					t.Errorf("%s %s (%s): %v", c.name, filepath.Base(p), filepath.Base(other), err)
				}
			}
		})
	}
	programs.Wait()
	stop()
	others.Wait()
	if st := m.arrivals(); st.Announced == 0 {
		t.Errorf("nothing was announced: %+v", st)
	}
	// In the end all agree on what is there.
	await(t, "the mount to show what S3 holds", func() bool {
		// It fails where there are conflicts, which are delivered as well.
		_, _ = m.run("wait", m.dir)
		var held []string
		for key := range x.list() {
			if in, ok := strings.CutPrefix(key, delivery+"d/"); ok && in != "" {
				held = append(held, in)
			}
		}
		slices.Sort(held)
		return slices.Equal(held, m.names(delivery+"d"))
	})
	x.put(owner, delivery+"d/last", []byte("x"), true)
	await(t, "the last arrival", func() bool { return len(w.of("last")) == 3 })
}

// TestManyArrivals has thousands of files arrive at once: each is announced once.
func TestManyArrivals(t *testing.T) {
	x := newExchange(t, "full")
	files := soaking(2000, 10_000)
	m := x.mount(client)
	w := watchDir(t, m.path(delivery), unix.IN_CREATE)
	m.awaitWatched(1)
	var puts errgroup.Group
	puts.SetLimit(16)
	for i := range files {
		puts.Go(func() error {
			_, err := x.tryPut(owner, fmt.Sprintf("%s%05d", delivery, i), nil, true)
			return err
		})
	}
	if err := puts.Wait(); err != nil {
		t.Fatal(err)
	}
	await(t, "all arrivals", func() bool { _, names := w.count("CREATE"); return names == files })
	if times, _ := w.count("CREATE"); times != files {
		t.Errorf("%d events CREATE of %d files", times, files)
	}
	if st := m.arrivals(); st.Announced != int64(files) || st.Failed+st.Skipped > 0 {
		t.Errorf("%+v", st)
	}
	t.Logf("%d arrivals took %s of the processors' time", files,
		processorTime(t, m.cmd.Process.Pid))
}

// childrenOf returns the numbers of the processes that a process has started.
func childrenOf(t *testing.T, pid int) (all []string) {
	for _, thread := range threadsOf(t, pid) {
		children, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%s/children", pid, thread))
		if err != nil && !errors.Is(err, os.ErrNotExist) { // a thread that has ended
			t.Fatal(err)
		}
		all = append(all, strings.Fields(string(children))...)
	}
	return all
}

// processorTime returns how long the threads of a process and of its children have run.
func processorTime(t *testing.T, pid int) (all time.Duration) {
	for _, pid := range append(childrenOf(t, pid), strconv.Itoa(pid)) {
		b, err := os.ReadFile("/proc/" + pid + "/stat")
		if err != nil {
			t.Fatal(err)
		}
		// Fields 14 and 15 of proc_pid_stat(5), of which the second may have spaces and ends by the
		// last bracket; a tick is a hundredth of a second.
		fields := strings.Fields(string(b[bytes.LastIndexByte(b, ')')+1:]))
		for _, f := range fields[11:13] {
			ticks, err := strconv.Atoi(f)
			if err != nil {
				t.Fatal(err)
			}
			all += time.Duration(ticks) * 10 * time.Millisecond
		}
	}
	return all
}

// TestArrivalsCanBeOff has nobody be told.
func TestArrivalsCanBeOff(t *testing.T) {
	t.Parallel()
	x := newExchange(t, "full")
	m := x.mount(client, "-o", "arrivals=false")
	w := watchDir(t, m.path(delivery), allEvents)
	x.put(owner, delivery+"f", []byte("x"), true)
	m.awaitName(delivery+"f", true)
	if got := w.of("f"); slices.Contains(got, "CREATE") {
		t.Errorf("%q", got)
	}
	if out, err := m.run("status", "--json", m.dir); err != nil ||
		strings.Contains(out, `"arrivals"`) {
		t.Errorf("status: %v\n%s", err, out)
	}
}

// TestArrivalsEndWithTheMount has the helper be gone once the mount is undone, and a mount that is
// killed leave nothing behind.
func TestArrivalsEndWithTheMount(t *testing.T) {
	t.Parallel()
	x := newExchange(t, "full")
	for _, how := range []string{"unmount", "kill"} {
		m := x.mount(client)
		w := watchDir(t, m.path(delivery), unix.IN_CREATE)
		m.awaitWatched(1)
		x.put(owner, delivery+how, []byte("x"), true)
		await(t, "the arrival", func() bool { return len(w.of(how)) > 0 })
		all := childrenOf(t, m.cmd.Process.Pid)
		if len(all) == 0 {
			t.Fatal("the daemon has no helper")
		}
		for _, pid := range all {
			// It closes the directory once it has announced what there was.
			await(t, "the helper to close what it has open", func() bool {
				fds, _ := os.ReadDir("/proc/" + pid + "/fd")
				return !slices.ContainsFunc(fds, func(fd os.DirEntry) bool {
					to, _ := os.Readlink("/proc/" + pid + "/fd/" + fd.Name())
					return to == "/dev/fuse" || strings.HasPrefix(to, m.dir)
				})
			})
		}
		if how == "unmount" {
			m.unmount()
		} else {
			m.kill()
			m.bury()
		}
		for _, pid := range all {
			await(t, "the helper to end", func() bool {
				comm, err := os.ReadFile("/proc/" + pid + "/cmdline")
				return err != nil || !strings.Contains(string(comm), "announce-arrivals")
			})
		}
	}
}

func threadsOf(t *testing.T, pid int) (all []string) {
	t.Helper()
	entries, err := os.ReadDir(fmt.Sprintf("/proc/%d/task", pid))
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		all = append(all, e.Name())
	}
	return all
}
