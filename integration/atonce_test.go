package integration

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestExclusiveCreateSeesWhatTheOtherPartyHasJustMade creates, with O_EXCL or by
// RENAME_NOREPLACE, names that were looked up right before the other party took them.
func TestExclusiveCreateSeesWhatTheOtherPartyHasJustMade(t *testing.T) {
	t.Parallel()
	for _, policy := range []string{"full", "dropbox"} {
		t.Run(policy, func(t *testing.T) {
			t.Parallel()
			x := newExchange(t, policy)
			m := x.mount(client)
			m.write(delivery+"source", []byte("ours"))
			for i := range 20 {
				key := fmt.Sprintf("%slock%d", delivery, i)
				if _, err := os.Stat(m.path(key)); !errors.Is(err, unix.ENOENT) {
					t.Fatalf("stat = %v, want ENOENT", err)
				}
				x.put(owner, key, []byte("theirs"), true)
				f, err := os.OpenFile(m.path(key), os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644)
				if err == nil {
					f.Close()
				}
				wantErrno(t, "open with O_EXCL of "+key, err, unix.EEXIST)
			}
			const key = delivery + "target"
			if _, err := os.Stat(m.path(key)); !errors.Is(err, unix.ENOENT) {
				t.Fatalf("stat = %v, want ENOENT", err)
			}
			x.put(owner, key, []byte("theirs"), true)
			m.write(delivery+"source", []byte("ours again"))
			err := unix.Renameat2(unix.AT_FDCWD, m.path(delivery+"source"), unix.AT_FDCWD,
				m.path(key), unix.RENAME_NOREPLACE)
			wantErrno(t, "rename with RENAME_NOREPLACE", err, unix.EEXIST)
			if names := m.names("Delivery"); slices.ContainsFunc(names,
				func(n string) bool { return len(n) > len("lock10") }) {
				t.Errorf("Delivery has %q, want no conflict copies", names)
			}
		})
	}
}

// TestExclusiveCreateOfARemovedName does not take for the other party's what is being
// removed here.
func TestExclusiveCreateOfARemovedName(t *testing.T) {
	t.Parallel()
	m := newExchange(t, "full").mount(client)
	for i := range 10 {
		key := fmt.Sprintf("%slock%d", delivery, i)
		m.deliver(key, []byte("ours"))
		if err := os.Remove(m.path(key)); err != nil {
			t.Fatal(err)
		}
		f, err := os.OpenFile(m.path(key), os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644)
		if err != nil {
			t.Fatalf("open with O_EXCL: %v", err)
		}
		f.Close()
	}
}

// TestRewoundDirectoryShowsWhatWasMadeSinceItWasOpened reads a directory that was opened,
// and rewound, before anything was read of it, and after.
func TestRewoundDirectoryShowsWhatWasMadeSinceItWasOpened(t *testing.T) {
	t.Parallel()
	m := newExchange(t, "full").mount(client)
	m.write(delivery+"old", []byte("x"))
	fd, err := unix.Open(m.path("Delivery"), unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	want := []string{"old"}
	for i := range 4 {
		name := fmt.Sprintf("new%d", i)
		m.write(delivery+name, []byte("x"))
		want = append(want, name)
		if i == 2 {
			if err := os.Remove(m.path(delivery + "new1")); err != nil {
				t.Fatal(err)
			}
			want = slices.DeleteFunc(want, func(n string) bool { return n == "new1" })
		}
		if _, err := unix.Seek(fd, 0, 0); err != nil {
			t.Fatal(err)
		}
		var got []string
		buf := make([]byte, 4096)
		for {
			n, err := unix.ReadDirent(fd, buf)
			if err != nil {
				t.Fatal(err)
			}
			if n == 0 {
				break
			}
			_, _, got = unix.ParseDirent(buf[:n], -1, got)
		}
		slices.Sort(got)
		slices.Sort(want)
		if !slices.Equal(got, want) {
			t.Errorf("after %s was made, the directory has %q, want %q", name, got, want)
		}
	}
}

// TestRenameOverAFileIsAtomicForReaders opens a file again and again while another process
// renames new ones over it.
func TestRenameOverAFileIsAtomicForReaders(t *testing.T) {
	t.Parallel()
	needTools(t, "python3")
	m := newExchange(t, "full").mount(client)
	key := delivery + "settings"
	m.write(key, []byte("settings of an earlier time\n"))
	cmd := exec.Command("python3", "-c", `
import os, sys
for i in range(2000):
    with open(sys.argv[1] + ".new", "w") as f:
        f.write("settings %d\n" % i)
    os.rename(sys.argv[1] + ".new", sys.argv[1])
`, m.path(key))
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	defer cmd.Process.Kill()
	opens, absent := 0, 0
	for {
		select {
		case err := <-ended:
			if err != nil {
				t.Fatal(err)
			}
			if absent > 0 || opens < 100 {
				t.Errorf("%d of %d opens found no file, want none of 100 or more", absent, opens)
			}
			return
		default:
		}
		opens++
		switch data, err := os.ReadFile(m.path(key)); {
		case errors.Is(err, unix.ENOENT):
			absent++
		case err != nil:
			t.Errorf("read: %v", err)
			time.Sleep(time.Millisecond)
		case len(data) == 0:
			t.Error("read nothing of a file that is never empty")
		}
	}
}
