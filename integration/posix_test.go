package integration

import (
	"encoding/binary"
	"io"
	"maps"
	"os"
	"slices"
	"strconv"
	"testing"

	"github.com/hanwen/go-fuse/v2/posixtest"
	"golang.org/x/sys/unix"
)

// posixLeftOut are the tests of POSIX that do not hold on a mount, and why.
var posixLeftOut = map[string]string{
	"SymlinkReadlink":     "symbolic links are refused: one that the other party made would lead out of the mount",
	"SetattrSymlink":      "symbolic links are refused",
	"OpenSymlinkRace":     "symbolic links are refused",
	"Link":                "S3 has no hard links",
	"LinkUnlinkRename":    "S3 has no hard links",
	"XAttr":               "extended attributes tell of S3 and cannot be set",
	"XAttrLarge":          "extended attributes tell of S3 and cannot be set",
	"Tmpfile":             "a file without a name has no key",
	"DirSeek":             "rewinding a folder reads it anew, as POSIX says, and what was delivered meanwhile is listed in another place; TestDirSeek does without the rewinding",
	"FcntlFlockLocksFile": "it expects a process to be stopped by its own lock, which POSIX says never happens; locks between processes are the kernel's",
}

// TestPosix is not parallel: its descriptors would pass to the programs that other
// tests start.
func TestPosix(t *testing.T) {
	m := newExchange(t, "full").mount(owner)
	for name := range posixLeftOut {
		if posixtest.All[name] == nil {
			t.Errorf("there is no test %s to leave out", name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(posixtest.All)) {
		t.Run(name, func(t *testing.T) {
			if why, ok := posixLeftOut[name]; ok {
				t.Skip(why)
			}
			dir := m.path(delivery + name)
			if err := os.Mkdir(dir, 0o755); err != nil {
				t.Fatal(err)
			}
			posixtest.All[name](t, dir)
		})
	}
}

// TestDirSeek reads a folder from each position that a first reading returned,
// while its files are on their way to S3.
func TestDirSeek(t *testing.T) {
	t.Parallel()
	m := newExchange(t, "full").mount(owner)
	for i := range 100 {
		m.write(delivery+strconv.Itoa(i), nil)
	}
	fd, err := unix.Open(m.path(delivery), unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	type entry struct {
		name string
		next int64
	}
	read := func() []entry {
		var all []entry
		b := make([]byte, 4096)
		n, err := unix.ReadDirent(fd, b)
		if err != nil {
			t.Fatal(err)
		}
		// Source: getdents64(2), struct linux_dirent64.
		for b = b[:n]; len(b) > 0; b = b[binary.NativeEndian.Uint16(b[16:]):] {
			all = append(all,
				entry{unix.ByteSliceToString(b[19:]), int64(binary.NativeEndian.Uint64(b[8:]))})
		}
		return all
	}
	var first []entry
	for part := read(); len(part) > 0; part = read() {
		first = append(first, part...)
	}
	if len(first) < 100 {
		t.Fatalf("%d entries, want at least 100", len(first))
	}
	for i := len(first) - 1; i > 0; i-- {
		if _, err := unix.Seek(fd, first[i-1].next, io.SeekStart); err != nil {
			t.Fatal(err)
		}
		if got := read(); len(got) == 0 || got[0] != first[i] {
			t.Errorf("at %d stands %v, want %v", first[i-1].next, got, first[i])
		}
	}
}
