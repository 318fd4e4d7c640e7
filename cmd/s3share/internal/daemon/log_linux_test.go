package daemon

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/s3share/s3share/cache/freespace"
)

// TestALogLeavesTheDiskItsFloor fills a disk up to its floor: lines that come then are
// counted, and the count is logged once there is room.
func TestALogLeavesTheDiskItsFloor(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("only root can mount a small disk")
	}
	dir := t.TempDir()
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "size=2m,mode=700"); err != nil {
		t.Skipf("mount a small disk: %v", err)
	}
	t.Cleanup(func() { _ = unix.Unmount(dir, 0) })
	path := filepath.Join(dir, "s3share.log")
	log, err := newLogFile(path)
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	line := append(bytes.Repeat([]byte("x"), 1<<10), '\n')
	for range 3 << 10 {
		if _, err := log.Write(line); err != nil {
			t.Fatal(err)
		}
	}
	total, free, err := freespace.Of(dir)
	if err != nil || free < freespace.Floor(total)-8<<10 {
		t.Errorf("%d of %d bytes are free, %v", free, total, err)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	written := bytes.Count(data, []byte("\n"))
	if err := os.Truncate(path, 0); err != nil {
		t.Fatal(err)
	}
	if _, err := log.Write([]byte("there is room\n")); err != nil {
		t.Fatal(err)
	}
	data, err = os.ReadFile(path)
	if want := fmt.Sprintf("lines=%d\nthere is room\n", 3<<10-written); err != nil ||
		!bytes.HasSuffix(bytes.TrimLeft(data, "\x00"), []byte(want)) {
		t.Errorf("the log ends with %q, want %q, %v", slices.Collect(bytes.Lines(data)), want, err)
	}
}
