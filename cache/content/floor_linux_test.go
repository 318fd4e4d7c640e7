package content

import (
	"fmt"
	"os"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/s3share/s3share/cache/freespace"
)

// TestDiskCacheLeavesRoomForTheOutbox reads more than the disk holds, of large and of
// small versions: of the disk twice the outbox's floor stays free, whatever has to be
// evicted for it, and what was read last is there.
func TestDiskCacheLeavesRoomForTheOutbox(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("only root can mount a small disk")
	}
	for name, size := range map[string]int64{"large": 5 << 20,
		"a few blocks": 300 << 10, "small": 50 << 10} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "size=24m,mode=700"); err != nil {
				t.Skipf("mount a small disk: %v", err)
			}
			t.Cleanup(func() {
				if err := unix.Unmount(dir, 0); err != nil {
					t.Error(err)
				}
			})
			c := newCache(t, new(bucket), Config{Dir: dir})
			for i := range (40 << 20) / size {
				r := c.Open(object(fmt.Sprintf("f%d", i), size))
				checkAll(t, r, 1<<20)
				r.Close()
				if i%8 == 0 {
					settle(c)
				}
			}
			settle(c)
			total, free, err := freespace.Of(dir)
			if err != nil {
				t.Fatal(err)
			}
			const indexes = 256 << 10 // they are written after the blocks
			if min := 2*freespace.Floor(total) - indexes; free < min {
				t.Errorf("%d of %d bytes are free, want %d", free, total, min)
			}
			if got := c.Stats().Disk; got < total/4 {
				t.Errorf("%d bytes are cached on a disk of %d", got, total)
			}
			c.Close()
		})
	}
}
