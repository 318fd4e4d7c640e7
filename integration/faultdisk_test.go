package integration

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sys/unix"
)

// faultDisk is a disk whose operations fail by rule, served by a process of its own.
type faultDisk struct {
	t       *testing.T
	dir     string // where it is mounted
	backing string // what it shows

	// mu guards the fields below.
	mu    sync.Mutex
	rules io.WriteCloser
	said  *bufio.Reader
}

// diskRule is a rule of faultdisk, which says what its fields are.
type diskRule struct {
	Ops   string     `json:"ops,omitempty"`
	Path  string     `json:"path,omitempty"`
	Errno unix.Errno `json:"errno"`
	Short bool       `json:"short,omitempty"`
	Skip  int        `json:"skip,omitempty"`
	Times int        `json:"times,omitempty"`
}

var buildFaultDisk = sync.OnceValues(func() (string, error) {
	return program(builds, "FAULTDISK_BIN", "..", "./integration/faultdisk")
})

// newFaultDisk mounts a disk without faults. It is gone when the test ends.
func newFaultDisk(t *testing.T) *faultDisk {
	t.Helper()
	needFuse(t)
	path, err := buildFaultDisk()
	if err != nil {
		t.Fatal(err)
	}
	base, err := os.MkdirTemp("", "s3d-")
	if err != nil {
		t.Fatal(err)
	}
	d := &faultDisk{t: t, dir: filepath.Join(base, "disk"), backing: filepath.Join(base, "backing")}
	for _, dir := range []string{d.dir, d.backing} {
		if err := os.Mkdir(dir, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.Command(path, d.backing, d.dir)
	cmd.Stderr = os.Stderr
	if d.rules, err = cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	d.said = bufio.NewReader(out)
	t.Cleanup(func() {
		d.rules.Close()
		if err := cmd.Wait(); err != nil {
			t.Errorf("faultdisk: %v", err)
		}
		if err := os.RemoveAll(base); err != nil {
			t.Error(err)
		}
	})
	if line, err := d.said.ReadString('\n'); err != nil {
		t.Fatalf("faultdisk said %q: %v", line, err)
	}
	return d
}

// set replaces the rules, and returns how many operations have failed so far.
func (d *faultDisk) set(rules ...diskRule) int {
	b, err := json.Marshal(append([]diskRule{}, rules...))
	if err != nil {
		panic(err)
	}
	return d.ask(string(b))
}

// count is how many operations have failed so far.
func (d *faultDisk) count() int { return d.ask("") }

func (d *faultDisk) ask(line string) int {
	d.mu.Lock()
	defer d.mu.Unlock()
	_, err := fmt.Fprintln(d.rules, line)
	var said string
	if err == nil {
		said, err = d.said.ReadString('\n')
	}
	n, errNumber := strconv.Atoi(strings.TrimSpace(said))
	if err != nil || errNumber != nil {
		d.t.Errorf("faultdisk said %q: %v", said, err)
	}
	return n
}

// TestFaultDisk has each operation fail, once, and succeed otherwise.
func TestFaultDisk(t *testing.T) {
	t.Parallel()
	d := newFaultDisk(t)
	at := func(name string) string { return filepath.Join(d.dir, name) }
	open, err := os.OpenFile(at("open"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer open.Close()
	self, err := os.Open(d.dir)
	if err != nil {
		t.Fatal(err)
	}
	defer self.Close()
	made := 0
	failed := 0
	for _, c := range []struct {
		op string
		do func() error
	}{
		{"create", func() error {
			made++
			f, err := os.Create(at(fmt.Sprint("new", made)))
			if err == nil {
				f.Close()
			}
			return err
		}},
		{"write", func() error { _, err := open.WriteAt([]byte("0123456789"), 0); return err }},
		{"read", func() error {
			if err := unix.Fadvise(int(open.Fd()), 0, 0, unix.FADV_DONTNEED); err != nil {
				return err
			}
			_, err := open.ReadAt(make([]byte, 10), 0)
			return err
		}},
		{"truncate", func() error { return open.Truncate(10) }},
		{"allocate", func() error { return unix.Fallocate(int(open.Fd()), 0, 0, 20) }},
		{"fsync", open.Sync},
		{"fsyncdir", self.Sync},
		{"mkdir", func() error { return os.Mkdir(at("dir"), 0o700) }},
		{"rename", func() error { return os.Rename(at("dir"), at("dir2")) }},
		{"rmdir", func() error { return unix.Rmdir(at("dir2")) }},
		// Its creation was refused the first time.
		{"unlink", func() error { return unix.Unlink(at("new2")) }},
	} {
		times := 1
		if c.op == "read" {
			times = 2 // the kernel reads ahead, and reads again when that has failed
		}
		d.set(diskRule{Ops: c.op, Errno: unix.ENOSPC, Times: times})
		wantErrno(t, c.op, c.do(), unix.ENOSPC)
		if err := c.do(); err != nil {
			t.Errorf("%s after the fault: %v", c.op, err)
		}
		failed += times
		if n := d.count(); n != failed {
			t.Errorf("%s: %d operations have failed, want %d", c.op, n, failed)
		}
	}
	d.set(diskRule{Ops: "write", Path: "open", Short: true, Errno: unix.ENOSPC, Times: 1})
	n, err := unix.Pwrite(int(open.Fd()), make([]byte, 100), 0)
	if n != 50 || err != nil {
		t.Errorf("a short write = %d, %v, want 50", n, err)
	}
	d.set(diskRule{Path: "elsewhere", Errno: unix.EIO})
	if _, err := open.WriteAt([]byte("x"), 0); err != nil {
		t.Errorf("a write that no rule matches: %v", err)
	}
}
