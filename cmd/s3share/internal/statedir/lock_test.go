package statedir

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/s3share/s3share/cache/jsonbytes"
	"github.com/s3share/s3share/cmd/s3share/internal/hint"
)

func TestLockState(t *testing.T) {
	dir := t.TempDir()
	lock, err := Lock(dir, LockInfo{Dir: "/mnt/one"})
	if err != nil {
		t.Fatal(err)
	}
	_, err = Lock(dir, LockInfo{Dir: "/mnt/two"})
	want := fmt.Sprintf(
		"the state directory %s is in use by another daemon (pid %d, mounted on /mnt/one)",
		dir, os.Getpid())
	if err == nil || err.Error() != want {
		t.Errorf("locked twice: %v, want %s", err, want)
	}
	if _, hint := hint.ExitCode(err); !strings.Contains(hint, "s3share unmount /mnt/one") {
		t.Errorf("the hint %q does not name the other mount", hint)
	}
	if err := lock.Close(); err != nil {
		t.Fatal(err)
	}
	again, err := Lock(dir, LockInfo{Dir: "/mnt/two"})
	if err != nil {
		t.Fatalf("not free after it was given back: %v", err)
	}
	again.Close()
}

// TestServedOutlastsProcesses counts the mounts that have served, whatever became of them.
func TestServedOutlastsProcesses(t *testing.T) {
	dir := t.TempDir()
	want := 0
	for _, c := range []struct {
		mountpoint      string // "" for s3share recover
		serves, cleanly bool
	}{
		{"/mnt", true, true}, {"/mnt", false, true}, {"/mnt", true, false}, {"", false, true}, {"/a longer mountpoint", true, true}, {"/", false, false}, {"/", true, true},
	} {
		lock, err := Lock(dir, LockInfo{Dir: jsonbytes.String(c.mountpoint)})
		if err != nil {
			t.Fatal(err)
		}
		if c.serves {
			want++
			if got, err := NoteServes(lock); got != want || err != nil {
				t.Errorf("%+v: NoteServes = %d, %v, want %d", c, got, err, want)
			}
		}
		if c.cleanly {
			if err := NoteEnd(lock); err != nil {
				t.Error(err)
			}
		}
		if err := lock.Close(); err != nil {
			t.Fatal(err)
		}
		if got, err := ReadLock(dir); got.Served != want ||
			string(got.Dir) != c.mountpoint || err != nil {
			t.Errorf("%+v: the lock file has %+v, %v, want %d served", c, got, err, want)
		}
	}
}
