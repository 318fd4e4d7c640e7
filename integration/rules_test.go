package integration

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"
)

// TestErrnos is what a program is told that asks for what an exchange is not.
func TestErrnos(t *testing.T) {
	t.Parallel()
	x := newExchange(t, "full")
	m := x.mount(owner)
	m.deliver(delivery+"file", []byte("content"))
	if err := os.Mkdir(m.path(delivery+"dir"), 0o755); err != nil {
		t.Fatal(err)
	}
	m.write(delivery+"dir/file", nil)
	p := m.path
	long := strings.Repeat("n", 256)
	// Four elements of 255 bytes pass each alone, not as one key of S3.
	element := strings.Repeat("d", 255)
	deep := delivery + element + "/" + element + "/" + element
	if err := os.MkdirAll(p(deep), 0o755); err != nil {
		t.Fatal(err)
	}
	create := func(path string) error {
		f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644)
		if err == nil {
			f.Close()
		}
		return err
	}
	for _, c := range []struct {
		call string
		err  error
		want unix.Errno
	}{
		{"create in the root", create(p("file")), unix.EPERM},
		{"mkdir in the root", os.Mkdir(p("Other"), 0o755), unix.EPERM},
		{"rmdir of a folder of the exchange", os.Remove(p("Delivery")), unix.EPERM},
		{"rename of a folder of the exchange", os.Rename(p("Delivery"), p("Other")), unix.EPERM},
		{"rename into the root", os.Rename(p(delivery+"file"), p("file")), unix.EPERM},
		{"symlink", os.Symlink("file", p(delivery+"link")), unix.EPERM},
		{"link", os.Link(p(delivery+"file"), p(delivery+"link")), unix.EPERM},
		{"mkfifo", unix.Mkfifo(p(delivery+"fifo"), 0o644), unix.EPERM},
		{"mknod of a device", unix.Mknod(p(delivery+"dev"), unix.S_IFCHR|0o644, int(unix.Mkdev(1, 3))), unix.EPERM},
		{"setxattr", unix.Setxattr(p(delivery+"file"), "user.x", []byte("y"), 0), unix.EOPNOTSUPP},
		{"removexattr", unix.Removexattr(p(delivery+"file"), "user.x"), unix.EOPNOTSUPP},
		{"chown to another", os.Chown(p(delivery+"file"), os.Getuid()+1, -1), unix.EPERM},
		{"chgrp to another", os.Chown(p(delivery+"file"), -1, os.Getgid()+1), unix.EPERM},
		{"create of what is there", create(p(delivery + "file")), unix.EEXIST},
		{"mkdir of what is there", os.Mkdir(p(delivery+"dir"), 0o755), unix.EEXIST},
		{"mkdir over a file", os.Mkdir(p(delivery+"file"), 0o755), unix.EEXIST},
		{"rmdir of a full folder", unix.Rmdir(p(delivery + "dir")), unix.ENOTEMPTY},
		{"rmdir of a file", unix.Rmdir(p(delivery + "file")), unix.ENOTDIR},
		{"unlink of a folder", unix.Unlink(p(delivery + "dir")), unix.EISDIR},
		{"rename of a file over a folder", unix.Rename(p(delivery+"file"), p(delivery+"dir")), unix.EISDIR},
		{"rename of a folder over a file", unix.Rename(p(delivery+"dir"), p(delivery+"file")), unix.ENOTDIR},
		{"rename of a folder over a full one", unix.Rename(p(deep), p(delivery+"dir")), unix.ENOTEMPTY},
		{"rename of a folder into itself", unix.Rename(p(delivery+"dir"), p(delivery+"dir/dir")), unix.EINVAL},
		{"rename without replacing", unix.Renameat2(unix.AT_FDCWD, p(delivery+"dir/file"), unix.AT_FDCWD, p(delivery+"file"), unix.RENAME_NOREPLACE), unix.EEXIST},
		{"rename that exchanges", unix.Renameat2(unix.AT_FDCWD, p(delivery+"dir/file"), unix.AT_FDCWD, p(delivery+"file"), unix.RENAME_EXCHANGE), unix.EINVAL},
		{"open of what is not there", second(os.Open(p(delivery + "nothing"))), unix.ENOENT},
		{"unlink of what is not there", os.Remove(p(delivery + "nothing")), unix.ENOENT},
		{"open below a file", second(os.Open(p(delivery + "file/below"))), unix.ENOTDIR},
		{"a name that is too long", create(p(delivery + long)), unix.ENAMETOOLONG},
		{"a folder's name that is too long", os.Mkdir(p(delivery+long), 0o755), unix.ENAMETOOLONG},
		{"a key that is too long", create(p(deep + "/" + element)), unix.ENAMETOOLONG},
		{"rename to a key that is too long", os.Rename(p(delivery+"file"), p(deep+"/"+element)), unix.ENAMETOOLONG},
		{"write to a folder", os.WriteFile(p(delivery+"dir"), nil, 0o644), unix.EISDIR},
	} {
		wantErrno(t, c.call, c.err, c.want)
	}
	if err := os.Chown(p(delivery+"file"), os.Getuid(), os.Getgid()); err != nil {
		t.Errorf("chown to the mount's own owner: %v", err)
	}
	if got := m.names(""); fmt.Sprint(got) != "[Delivery Submissions]" {
		t.Errorf("the root shows %q", got)
	}
	if got := m.read(delivery + "file"); string(got) != "content" {
		t.Errorf("in the end the file holds %q", got)
	}
}

func second(f *os.File, err error) error {
	if err == nil {
		f.Close()
	}
	return err
}

// TestReadOnly refuses each change of a mount that is for reading.
func TestReadOnly(t *testing.T) {
	t.Parallel()
	x := newExchange(t, "full")
	x.put(owner, delivery+"file", []byte("content"), true)
	for _, options := range [][]string{{"--read-only"}, {"-o", "ro"}} {
		t.Run(options[0], func(t *testing.T) {
			t.Parallel()
			m := x.in(t).mount(owner, options...)
			p := m.path
			if got := m.read(delivery + "file"); string(got) != "content" {
				t.Errorf("the file holds %q", got)
			}
			for _, c := range []struct {
				call string
				err  error
			}{
				{"create", os.WriteFile(p(delivery+"new"), nil, 0o644)},
				{"write", second(os.OpenFile(p(delivery+"file"), os.O_WRONLY, 0))},
				{"truncate", os.Truncate(p(delivery+"file"), 0)},
				{"mkdir", os.Mkdir(p(delivery+"dir"), 0o755)},
				{"unlink", os.Remove(p(delivery + "file"))},
				{"rename", os.Rename(p(delivery+"file"), p(delivery+"other"))},
				{"chmod", os.Chmod(p(delivery+"file"), 0o600)},
				{"utimes", os.Chtimes(p(delivery+"file"), time.Now(), time.Now())},
			} {
				wantErrno(t, c.call, c.err, unix.EROFS)
			}
		})
	}
}

// TestFolders shows other folders than the usual ones.
func TestFolders(t *testing.T) {
	t.Parallel()
	x := newExchange(t, "full")
	m := x.mount(owner, "--folder", "Inbox", "--folder", "Out box")
	if got := fmt.Sprintf("%q", m.names("")); got != `["Inbox" "Out box"]` {
		t.Errorf("the root shows %s", got)
	}
	m.deliver("Out box/file", []byte("x"))
	x.awaitObject("Out box/file", []byte("x"))
	_, err := os.Stat(m.path(delivery))
	wantErrno(t, "stat of a folder that was not named", err, unix.ENOENT)
}

// TestSync finds each file at the server as soon as close or fsync has returned.
func TestSync(t *testing.T) {
	t.Parallel()
	x := newExchange(t, "full")
	m := x.mount(client, "-o", "sync")
	for _, size := range []int{0, 100, 17 * mib} {
		key, content := fmt.Sprintf("%sclosed-%d", delivery, size), randomBytes(size)
		m.write(key, content)
		if got, err := x.get(owner, key); err != nil || !bytes.Equal(got, content) {
			t.Errorf("after the close %s holds %s, %v", key, brief(got), err)
		}
	}
	const key = delivery + "synced"
	f, err := os.Create(m.path(key))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for _, line := range []string{"one\n", "two\n"} {
		_, err := f.WriteString(line)
		if err := errors.Join(err, f.Sync()); err != nil {
			t.Fatal(err)
		}
		if got, err := x.get(owner, key); err != nil || !strings.HasSuffix(string(got), line) {
			t.Errorf("after the fsync it holds %q, %v", got, err)
		}
	}
	if err := os.WriteFile(m.path(delivery+"closed-100"), []byte("again"), 0o644); err != nil {
		t.Fatal(err)
	}
	if got, err := x.get(owner, delivery+"closed-100"); string(got) != "again" {
		t.Errorf("after the second close it holds %q, %v", got, err)
	}
	shell(t, `cp -a /bin/true "$1" && cmp /bin/true "$1"`, m.path(delivery+"true"))
	if x.head(delivery+"true") == nil {
		t.Error("cp has returned, and the file is not at S3")
	}
}

// TestAppenders has two processes append to one file.
func TestAppenders(t *testing.T) {
	t.Parallel()
	x := newExchange(t, "full")
	m := x.mount(client)
	const key, lines = delivery + "log", 300
	shell(t, `append() { for i in $(seq "$2"); do echo "$3 $i" >> "$1"; done; }
		append "$1" "$2" a & first=$!
		append "$1" "$2" b
		wait $first`, m.path(key), fmt.Sprint(lines))
	got := string(m.read(key))
	for _, who := range []string{"a", "b"} {
		at := -1
		for i := 1; i <= lines; i++ {
			next := strings.Index("\n"+got, fmt.Sprintf("\n%s %d\n", who, i))
			if next < 0 || next <= at {
				t.Fatalf("line %q is not behind the one before it in %s",
					fmt.Sprint(who, " ", i), brief([]byte(got)))
			}
			at = next
		}
	}
	if n := strings.Count(got, "\n"); n != 2*lines {
		t.Errorf("%d lines, want %d", n, 2*lines)
	}
	m.unmount()
	x.awaitObject(key, []byte(got))
}

// TestExclusive lets one of two programs create a file.
func TestExclusive(t *testing.T) {
	t.Parallel()
	m := newExchange(t, "full").mount(client)
	results := make(chan error, 8)
	for range cap(results) {
		go func() {
			f, err := os.OpenFile(m.path(delivery+"lock"), os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644)
			if err == nil {
				err = f.Close()
			}
			results <- err
		}()
	}
	made := 0
	for range cap(results) {
		switch err := <-results; {
		case err == nil:
			made++
		default:
			wantErrno(t, "open with O_EXCL", err, unix.EEXIST)
		}
	}
	if made != 1 {
		t.Errorf("%d of %d made it, want 1", made, cap(results))
	}
}

// TestAttributes shows what is kept of modes and times.
func TestAttributes(t *testing.T) {
	t.Parallel()
	x := newExchange(t, "full")
	m := x.mount(client)
	const key = delivery + "script.sh"
	then := time.Date(2001, 2, 3, 4, 5, 6, 789_000_000, time.UTC)
	m.write(key, []byte("#!/bin/sh\n"))
	if err := errors.Join(os.Chmod(m.path(key), 0o750),
		os.Chtimes(m.path(key), then, then)); err != nil {
		t.Fatal(err)
	}
	check := func(m *mount) {
		t.Helper()
		info, err := os.Stat(m.path(key))
		if err != nil {
			t.Fatal(err)
		}
		if got := info.Mode(); got != 0o750 {
			t.Errorf("the mode is %v, want 0750", got)
		}
		if got := info.ModTime(); !got.Equal(then) {
			t.Errorf("the time is %v, want %v", got, then)
		}
	}
	check(m)
	m.awaitDelivered(key)
	check(m)
	// As rclone writes times, in seconds, and s3fs modes, as stat(2) tells them.
	if got := x.head(key).Metadata; got["mtime"] != "981173106.789000000" ||
		got["mode"] != "33256" {
		t.Errorf("S3 was told of %v", got)
	}
	// They stay when the content changes, but the time goes on.
	f, err := os.OpenFile(m.path(key), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	_, err = f.WriteString("exit\n")
	if err := errors.Join(err, f.Close()); err != nil {
		t.Fatal(err)
	}
	m.awaitDelivered(key)
	info, err := os.Stat(m.path(key))
	if err != nil {
		t.Fatal(err)
	}
	if got := info.Mode(); got != 0o750 {
		t.Errorf("after an append the mode is %v, want 0750", got)
	}
	if got := info.ModTime(); time.Since(got) > patience {
		t.Errorf("after an append the time is %v", got)
	}
}

// TestXattrs reads what files tell of themselves.
func TestXattrs(t *testing.T) {
	t.Parallel()
	x := newExchange(t, "full")
	m := x.mount(client)
	const key = delivery + "file"
	m.deliver(key, []byte("content"))
	for name, want := range map[string]string{
		"user.s3share.key":   key,
		"user.s3share.etag":  x.list()[key],
		"user.s3share.state": "delivered",
	} {
		got, err := xattr(m.path(key), name)
		if got != want || err != nil {
			t.Errorf("%s = %q, %v, want %q", name, got, err, want)
		}
	}
	// A program that copies what is listed would copy these, or fail to.
	if n, err := unix.Listxattr(m.path(key), nil); n != 0 || err != nil {
		t.Errorf("listxattr = %d bytes, %v, want none", n, err)
	}
	_, err := xattr(m.path(key), "user.other")
	wantErrno(t, "getxattr of another one", err, unix.ENODATA)
	// A listing asks for labels and access lists only until it hears this.
	for _, path := range []string{m.path(key), m.path(delivery)} {
		for _, name := range []string{"security.selinux", "system.posix_acl_access"} {
			_, err = xattr(path, name)
			wantErrno(t, "getxattr "+name+" of "+path, err, unix.EOPNOTSUPP)
		}
	}
}

// TestStatfs tells a file manager how much can be dropped here.
func TestStatfs(t *testing.T) {
	t.Parallel()
	m := newExchange(t, "full").mount(client)
	var st unix.Statfs_t
	if err := unix.Statfs(m.dir, &st); err != nil {
		t.Fatal(err)
	}
	if st.Bavail == 0 || st.Bfree > st.Blocks || st.Namelen != 255 {
		t.Errorf("statfs = %+v", st)
	}
}

// TestSparse makes holes, and finds them.
func TestSparse(t *testing.T) {
	t.Parallel()
	x := newExchange(t, "full")
	m := x.mount(client)
	const key = delivery + "sparse"
	f, err := os.Create(m.path(key))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	want := make([]byte, 3*mib)
	for _, off := range []int{0, 2 * mib} {
		data := randomBytes(64 << 10)
		copy(want[off:], data)
		if _, err := f.WriteAt(data, int64(off)); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		call   string
		mode   uint32
		off, n int64
		size   int64
	}{
		{"allocate", 0, 0, 3 * mib, 3 * mib},
		{"allocate inside", 0, 0, mib, 3 * mib},
		{"keep size", unix.FALLOC_FL_KEEP_SIZE, 0, 9 * mib, 3 * mib},
		{"punch", unix.FALLOC_FL_PUNCH_HOLE | unix.FALLOC_FL_KEEP_SIZE, 2*mib + 4096, 8192, 3 * mib},
	} {
		if err := unix.Fallocate(int(f.Fd()), c.mode, c.off, c.n); err != nil {
			t.Errorf("%s: %v", c.call, err)
		}
		if info, err := f.Stat(); err != nil || info.Size() != c.size {
			t.Errorf("after %s the size is %d, %v, want %d", c.call, info.Size(), err, c.size)
		}
	}
	clear(want[2*mib+4096 : 2*mib+4096+8192])
	for _, c := range []struct {
		name string
		off  int64
		how  int
		want int64
	}{
		{"data at the start", 0, unix.SEEK_DATA, 0},
		{"the hole behind it", 0, unix.SEEK_HOLE, 64 << 10},
		{"data behind the hole", 64 << 10, unix.SEEK_DATA, 2 * mib},
		{"the hole at the end", 2*mib + 32<<10, unix.SEEK_HOLE, 2*mib + 64<<10},
	} {
		if got, err := unix.Seek(int(f.Fd()), c.off, c.how); err != nil || got != c.want {
			t.Errorf("%s is at %d, %v, want %d", c.name, got, err, c.want)
		}
	}
	_, err = unix.Seek(int(f.Fd()), 4*mib, unix.SEEK_DATA)
	wantErrno(t, "seek behind the end", err, unix.ENXIO)
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	if got := m.read(key); !bytes.Equal(got, want) {
		t.Errorf("the mount shows %s", brief(got))
	}
	x.awaitObject(key, want)
}

// TestUnlinkOpen reads and writes a file that has no name any more.
func TestUnlinkOpen(t *testing.T) {
	t.Parallel()
	x := newExchange(t, "full")
	m := x.mount(client)
	const key = delivery + "file"
	for _, delivered := range []bool{false, true} {
		content := randomBytes(100_000)
		m.write(key, content)
		if delivered {
			m.awaitDelivered(key)
		}
		f, err := os.OpenFile(m.path(key), os.O_RDWR, 0)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.Remove(m.path(key)); err != nil {
			t.Fatal(err)
		}
		if _, err := f.WriteAt([]byte("more"), 50_000); err != nil {
			t.Fatal(err)
		}
		copy(content[50_000:], "more")
		got := make([]byte, len(content))
		if _, err := f.ReadAt(got, 0); err != nil && !errors.Is(err, io.EOF) ||
			!bytes.Equal(got, content) {
			t.Errorf("without its name the file holds %s, %v", brief(got), err)
		}
		// A new file of the name is another one.
		m.write(key, []byte("new"))
		if _, err := f.ReadAt(got, 0); err != nil && !errors.Is(err, io.EOF) ||
			!bytes.Equal(got, content) {
			t.Errorf("beside a new file of its name it holds %s, %v", brief(got), err)
		}
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
		if got := m.read(key); string(got) != "new" {
			t.Errorf("the new file holds %q", got)
		}
		x.awaitObject(key, []byte("new"))
		if err := os.Remove(m.path(key)); err != nil {
			t.Fatal(err)
		}
		x.awaitGone(key)
	}
}

// TestRightAfterClose changes a file by its name right after its close, while the
// kernel may still be telling of that.
func TestRightAfterClose(t *testing.T) {
	t.Parallel()
	m := newExchange(t, "full").mount(client)
	const key = delivery + "file"
	now := time.Now()
	for i := range 300 {
		m.write(key, []byte("content"))
		var err error
		switch i % 3 {
		case 0:
			err = os.Truncate(m.path(key), 1)
		case 1:
			err = os.Chtimes(m.path(key), now, now)
		case 2:
			err = os.Chmod(m.path(key), 0o600)
		}
		if err != nil {
			t.Fatalf("round %d: %v", i, err)
		}
	}
}

// TestReadWhileDelivered opens files all the time while they are delivered: at no
// instant is one not there.
func TestReadWhileDelivered(t *testing.T) {
	t.Parallel()
	m := newExchange(t, "full").mount(client)
	var g errgroup.Group
	g.SetLimit(8)
	for i := range 100 {
		g.Go(func() error {
			key, want := fmt.Sprint(delivery, i), randomBytes(5000)
			if err := os.WriteFile(m.path(key), want, 0o644); err != nil {
				return err
			}
			for deadline := time.Now().Add(patience); m.fileState(key) != "delivered"; {
				if got, err := os.ReadFile(m.path(key)); err != nil || !bytes.Equal(got, want) {
					size := m.sees(key).size
					again, erragain := os.ReadFile(m.path(key))
					return fmt.Errorf(
						"%s holds %s, %v, want %s; then it has %d bytes, and holds %s, %v",
						key, brief(got), err, brief(want), size, brief(again), erragain)
				}
				if time.Now().After(deadline) {
					return fmt.Errorf("%s is not delivered after %s", key, patience)
				}
			}
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		t.Error(err)
	}
}

// TestFsyncOfADirectory: databases and backup programs fsync the directory when they
// have made, renamed or removed a file in it, on mounts of all kinds.
func TestFsyncOfADirectory(t *testing.T) {
	t.Parallel()
	for _, options := range [][]string{nil, {"-o", "sync"}, {"--read-only"}} {
		t.Run(strings.Join(options, " "), func(t *testing.T) {
			t.Parallel()
			m := newExchange(t, "full").mount(client, options...)
			readOnly := slices.Contains(options, "--read-only")
			m.syncDir("")
			m.syncDir("Delivery")
			shell(t, `sync "$1"`, m.path("Delivery"))
			if readOnly {
				return
			}
			for _, step := range []string{`mkdir d`, `: > d/a`,
				`mv d/a d/b`, `mv d e`, `rm e/b`, `: > e/a`} {
				shell(t, `cd "$1"; `+step, m.path("Delivery"))
				for _, dir := range m.names("Delivery") {
					m.syncDir("Delivery/" + dir)
				}
				m.syncDir("Delivery")
			}
		})
	}
}

// syncDir fails the test unless a directory can be fsynced.
func (m *mount) syncDir(dir string) {
	m.t.Helper()
	d, err := os.Open(m.path(dir))
	if err != nil {
		m.t.Fatal(err)
	}
	defer d.Close()
	if err := d.Sync(); err != nil {
		m.t.Errorf("fsync of %q: %v", dir, err)
	}
}

// TestKilledWriter has a program that writes killed by a signal: what it had
// written is kept here and told, and is not delivered.
func TestKilledWriter(t *testing.T) {
	t.Parallel()
	x := newExchange(t, "full")
	m := x.mount(client)
	const key = delivery + "cut-off"
	cmd := exec.Command("bash",
		"-c", `exec > "$1"; echo half; echo ready >&2; read -r never`, "bash", m.path(key))
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	defer stdin.Close()
	stderr, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(stderr, make([]byte, 6)); err != nil {
		t.Error(err)
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Error(err)
	}
	_ = cmd.Wait() // it was killed
	await(t, "the file to be interrupted", func() bool { return m.fileState(key) == "interrupted" })
	if got := m.read(key); string(got) != "half\n" {
		t.Errorf("here the file holds %q", got)
	}
	if x.head(key) != nil {
		t.Error("it was delivered")
	}
	m.abandon()
}
