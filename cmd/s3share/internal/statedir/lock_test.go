package statedir

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/s3share/s3share/cmd/s3share/internal/hint"
)

func TestLockState(t *testing.T) {
	dir := t.TempDir()
	lock, err := Lock(dir, LockInfo{Dir: "/mnt/one"})
	if err != nil {
		t.Fatal(err)
	}
	_, err = Lock(dir, LockInfo{Dir: "/mnt/two"})
	want := fmt.Sprintf("the state directory %s is in use by another daemon (pid %d, mounted on /mnt/one)", dir, os.Getpid())
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
