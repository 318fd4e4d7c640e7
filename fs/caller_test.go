package fs

import (
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

// TestHasOpen looks at this process, with more descriptors than one read of /proc lists.
func TestHasOpen(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("there is no /proc")
	}
	dir := t.TempDir()
	for range 500 {
		f, err := os.Create(filepath.Join(dir, "other"))
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
	}
	last, err := os.Create(filepath.Join(dir, "this"))
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Base(dir) + "/this"
	if this, some := hasOpen(os.Getpid(), path); !this || !some {
		t.Errorf("hasOpen(%q) = %v, %v while it is open", path, this, some)
	}
	last.Close() // as is seen in the list that is open already
	for _, path := range []string{path, "his", "no such"} {
		if this, some := hasOpen(os.Getpid(), path); this || !some {
			t.Errorf("hasOpen(%q) = %v, %v", path, this, some)
		}
	}
	if stat, err := statOf(os.Getpid()); err != nil || endedBySignal(stat) || len(strings.Fields(stat)) < 52 {
		t.Errorf("statOf(this process) = %q, %v", stat, err)
	}
}

// TestHasOpenOfOthers: what was kept of one process is not told of another.
func TestHasOpenOfOthers(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("there is no /proc")
	}
	mine, err := os.Create(filepath.Join(t.TempDir(), "mine"))
	if err != nil {
		t.Fatal(err)
	}
	defer mine.Close()
	path := filepath.Base(filepath.Dir(mine.Name())) + "/mine"
	other := exec.Command("cat")
	in, err := other.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := other.Start(); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if this, some := hasOpen(os.Getpid(), path); !this || !some {
			t.Errorf("hasOpen(this process) = %v, %v", this, some)
		}
		if this, some := hasOpen(other.Process.Pid, path); this || !some {
			t.Errorf("hasOpen(another process) = %v, %v", this, some)
		}
	}
	in.Close()
	if err := other.Wait(); err != nil {
		t.Fatal(err)
	}
	if this, some := hasOpen(other.Process.Pid, path); this || some {
		t.Errorf("hasOpen(a process that has ended) = %v, %v", this, some)
	}
}

func TestEndedBySignal(t *testing.T) {
	// The fields behind the name: state, and then numbers, of which the flags are
	// the seventh and the exit code the last.
	stat := func(name, flags, code string) string {
		fields := strings.Split("R 1 1 1 0 -1 FLAGS"+strings.Repeat(" 0", 42)+" CODE", " ")
		return "123 (" + name + ") " + strings.NewReplacer("FLAGS", flags, "CODE", code).Replace(strings.Join(fields, " "))
	}
	for _, c := range []struct {
		name, flags, code string
		want              bool
	}{
		{"cp", "4194308", "9", true},
		{"cp", "4194308", "2", true},
		{"cp", "4194304", "0", false},
		{"cp", "4194308", "256", false}, // exit(1)
		{"cp", "4194304", "9", false},   // not ending
		{"a) R 9 (b", "4194308", "15", true},
	} {
		if got := endedBySignal(stat(c.name, c.flags, c.code)); got != c.want {
			t.Errorf("endedBySignal(%s, flags %s, code %s) = %v, want %v", c.name, c.flags, c.code, got, c.want)
		}
	}
	for _, stat := range []string{"", "1 (x", "1 (x) R 1 2"} {
		if endedBySignal(stat) {
			t.Errorf("endedBySignal(%q) = true", stat)
		}
	}
}
