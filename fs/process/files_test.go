//go:build linux

package process

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

func ptr(p *pidfdInfo) unsafe.Pointer { return unsafe.Pointer(p) }

// self is this process.
func self(t testing.TB) *Process {
	p := NewTable().Of(os.Getpid())
	t.Cleanup(p.Release)
	return p
}

// fileOf is an open file as it would be asked for.
func fileOf(t testing.TB, f *os.File) File {
	t.Helper()
	var st unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &st); err != nil {
		t.Fatal(err)
	}
	info, err := readProc(os.Getpid(), fmt.Sprintf("fdinfo/%d", f.Fd()))
	if err != nil {
		t.Fatal(err)
	}
	dev := deviceOf(os.Getpid(), parseFDInfo(info).mount)
	if dev == "" {
		t.Fatalf("no device in %q", info)
	}
	return File{Name: filepath.Base(f.Name()), Ino: st.Ino, Device: dev}
}

func open1(t testing.TB, path string, flags int) *os.File {
	t.Helper()
	f, err := os.OpenFile(path, flags, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

// TestOpen looks at this process, with more descriptors than one read of /proc lists.
func TestOpen(t *testing.T) {
	dir, p := t.TempDir(), self(t)
	for range 500 {
		open1(t, filepath.Join(dir, "other"), os.O_CREATE|os.O_RDWR)
	}
	f := open1(t, filepath.Join(dir, "this"), os.O_CREATE|os.O_WRONLY)
	file := fileOf(t, f)
	want := func(what string, f File, want Open) {
		t.Helper()
		if got := p.Open(f, 0); got != want {
			t.Errorf("%s: %+v, want %+v", what, got, want)
		}
	}
	want("open", file, Open{File: true})
	want("where the device is not known", File{Name: file.Name, Ino: file.Ino}, Open{File: true})
	want("another file of the name",
		File{Name: file.Name, Ino: file.Ino + 1, Device: file.Device}, Open{})
	want("the same number on another device",
		File{Name: file.Name, Ino: file.Ino, Device: "1:99999"}, Open{})
	want("another name", File{Name: "his", Ino: file.Ino, Device: file.Device}, Open{})
	if got := p.Open(file, 256); !got.Many {
		t.Errorf("of 256 descriptors at most: %+v", got)
	}
	if err := os.Remove(f.Name()); err != nil {
		t.Fatal(err)
	}
	want("removed", file, Open{File: true})
	f.Close() // as is seen in the list that is open already
	want("closed", file, Open{})
}

// TestOpenForReading: a descriptor that cannot write is no matter.
func TestOpenForReading(t *testing.T) {
	path := filepath.Join(t.TempDir(), "this")
	w, p := open1(t, path, os.O_CREATE|os.O_WRONLY), self(t)
	file := fileOf(t, w)
	w.Close()
	r := open1(t, path, os.O_RDONLY)
	if got := p.Open(file, 0); got.File {
		t.Errorf("open for reading: %+v", got)
	}
	r.Close()
	open1(t, path, os.O_RDWR|os.O_APPEND)
	if got := p.Open(file, 0); !got.File {
		t.Errorf("open for both: %+v", got)
	}
}

// TestOpenOfOthers: what was kept of one process is not told of another.
func TestOpenOfOthers(t *testing.T) {
	f := open1(t, filepath.Join(t.TempDir(), "mine"), os.O_CREATE|os.O_WRONLY)
	file, p := fileOf(t, f), self(t)
	cmd := exec.Command("cat")
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	other := NewTable().Of(cmd.Process.Pid)
	defer other.Release()
	for range 2 {
		if got := p.Open(file, 0); got != (Open{File: true}) {
			t.Errorf("this process: %+v", got)
		}
		if got := other.Open(file, 0); got != (Open{}) {
			t.Errorf("another process: %+v", got)
		}
	}
	in.Close()
	if err := cmd.Wait(); err != nil {
		t.Fatal(err)
	}
	if got := other.Open(file, 0); got != (Open{None: true}) {
		t.Errorf("a process that has ended: %+v", got)
	}
}

func TestEndsIn(t *testing.T) {
	for _, c := range []struct {
		link, name string
		want       bool
	}{
		{"/x/Delivery/q3.csv", "q3.csv", true},
		{"/q3.csv", "q3.csv", true},
		{"/x/q3.csv (deleted)", "q3.csv", true},
		{"/x/gone (deleted)", "gone (deleted)", true},
		{"/x/gone (deleted) (deleted)", "gone (deleted)", true},
		{"/x/aq3.csv", "q3.csv", false},
		{"q3.csv", "q3.csv", false},
		{"pipe:[1]", "q3.csv", false},
		{"/", "q3.csv", false},
		{"", "q3.csv", false},
	} {
		if got := endsIn([]byte(c.link), c.name); got != c.want {
			t.Errorf("endsIn(%q, %q) = %v", c.link, c.name, got)
		}
	}
}

// BenchmarkOpen is what a close costs a process that has so many files open, on a mount
// that does not wait for S3 (most 64), and on one that does (all).
func BenchmarkOpen(b *testing.B) {
	for _, n := range []int{1, 50, 8000} {
		for _, most := range []int{64, 0} {
			b.Run(fmt.Sprintf("%d files, most %d", n, most), func(b *testing.B) {
				dir, p := b.TempDir(), self(b)
				for range n {
					open1(b, filepath.Join(dir, "other"), os.O_CREATE|os.O_RDWR)
				}
				file := File{Name: "this", Ino: 1}
				for b.Loop() {
					p.Open(file, most)
				}
			})
		}
	}
}
