//go:build linux

package crashdisk

import (
	"errors"
	"os"
	"slices"
	"strings"
	"testing"
)

// Start is [New] for a test. The disk is closed when the test ends. Where there can be
// none, the test is skipped, or fails if S3SHARE_NEED lists "disk".
func Start(t testing.TB, size int64, options string) *Disk {
	t.Helper()
	// Other than T.TempDir, it may be busy for a moment after the test.
	dir, err := os.MkdirTemp("", "s3c-")
	if err != nil {
		t.Fatal(err)
	}
	err = errors.New("only root can mount a disk")
	var d *Disk
	if os.Getuid() == 0 {
		d, err = New(dir, size, options)
	}
	if err != nil {
		_ = os.RemoveAll(dir)
		if slices.Contains(strings.Split(os.Getenv("S3SHARE_NEED"), ","), "disk") {
			t.Fatalf("a disk that records is needed: %v", err)
		}
		t.Skipf("no disk that records: %v", err)
	}
	t.Cleanup(func() {
		if err := errors.Join(d.Close(), os.RemoveAll(dir)); err != nil {
			t.Error(err)
		}
	})
	return d
}
