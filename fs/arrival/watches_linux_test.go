package arrival

import (
	"fmt"
	"maps"
	"slices"
	"testing"

	"golang.org/x/sys/unix"
)

// TestWatches finds the watch of a directory among the descriptors of this process, and not once it
// has ended.
func TestWatches(t *testing.T) {
	dir := t.TempDir()
	var st unix.Stat_t
	if err := unix.Stat(dir, &st); err != nil {
		t.Fatal(err)
	}
	device := fmt.Sprintf("%d:%d", unix.Major(st.Dev), unix.Minor(st.Dev))
	fd, err := unix.InotifyInit1(unix.IN_CLOEXEC)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := unix.InotifyAddWatch(fd, dir, unix.IN_CREATE); err != nil {
		t.Fatal(err)
	}
	for _, want := range []bool{true, false} {
		found, err := Watches(device)
		if err != nil {
			t.Fatal(err)
		}
		if found[st.Ino] != want {
			t.Errorf("inode %d is watched: %v, want %v", st.Ino, found[st.Ino], want)
		}
		if want {
			unix.Close(fd)
		}
	}
}

// TestParseWatches reads what kernels write of inotify and fanotify.
func TestParseWatches(t *testing.T) {
	const info = `pos:	0
flags:	02004000
mnt_id:	15
inotify wd:3 ino:9e7e sdev:800013 mask:800afce ignored_mask:0 fhandle-bytes:8 fhandle-type:1 f_handle:7e9e0000640d1b6d
inotify wd:2 ino:2f0 sdev:39 mask:3c0 ignored_mask:0
fanotify flags:10 event-flags:0
fanotify mnt_id:12 mflags:40 mask:38 ignored_mask:40000000
fanotify ino:4f969 sdev:39 mflags:0 mask:3b ignored_mask:40000000 fhandle-bytes:8
inotify wd:x ino: sdev:39
`
	sdev, err := sdevOf("0:57")
	if err != nil || sdev != "39" {
		t.Fatalf("device 0:57 is %q, %v", sdev, err)
	}
	if sdev, _ := sdevOf("8:19"); sdev != "800013" {
		t.Errorf("device 8:19 is %q", sdev)
	}
	found := map[uint64]bool{}
	parseWatches([]byte(info), sdev, found)
	if got := slices.Sorted(maps.Keys(found)); !slices.Equal(got, []uint64{0x2f0, 0x4f969}) {
		t.Errorf("%x", got)
	}
	if _, err := sdevOf("x"); err == nil {
		t.Error("x is a device")
	}
}
