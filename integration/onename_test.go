package integration

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// controlFiles are files and directories whose names have control characters, and others
// that XML cannot carry.
func controlFiles() map[string]string {
	files := map[string]string{
		"Icon\r": "icon", "two\nlines": "lines", "\n": "newline", "tab\there": "tab", "dir\r/in\n": "below", "dir\r/deep\x01/\x7f": "deeper",
		"\ufffe": "no character", "\uffff": "none either", "\ufffd": "replaced", "\u0085next": "next line", "\u2028": "separator", "crlf\r\n": "both",
	}
	for c := 1; c < 0x20; c++ {
		files[fmt.Sprintf("c%cx", c)] = fmt.Sprintf("of %#x", c)
	}
	return files
}

// TestRsyncDeleteKeepsControlCharacters has rsync, which removes at the target what is not in the
// source, leave alone the names with control characters that it has made.
func TestRsyncDeleteKeepsControlCharacters(t *testing.T) {
	t.Parallel()
	needTools(t, "rsync")
	x := newExchange(t, "full")
	m := x.mount(client)
	source := t.TempDir()
	files := controlFiles()
	for name, content := range files {
		path := filepath.Join(source, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	const rsync = `rsync -a --no-o --no-g --delete-after "$1/" "$2"`
	for _, round := range []string{"the first copy", "the second", "one after a remount"} {
		if round == "one after a remount" {
			m.unmount()
			m = x.mount(client)
		}
		shell(t, rsync, source, m.path("Delivery"))
		if out, err := m.run("wait", "--timeout", patience.String(), m.dir); err != nil {
			t.Fatalf("wait after %s: %v\n%s", round, err, out)
		}
		for name, content := range files {
			if got, err := os.ReadFile(m.path(delivery + name)); err != nil ||
				string(got) != content {
				t.Errorf("after %s %q holds %q, %v, want %q", round, name, got, err, content)
			}
		}
		if got, want := sumsBelow(t, m.path("Delivery")), sumsBelow(t,
			source); !maps.Equal(got, want) {
			t.Errorf("after %s the mount shows %q, want %q", round, slices.Sorted(maps.Keys(got)),
				slices.Sorted(maps.Keys(want)))
		}
		x.sameAtServer(delivery, source)
	}
}

// TestControlCharactersOfTheOtherParty reads, edits, renames and removes what the other
// party has put under keys with control characters.
func TestControlCharactersOfTheOtherParty(t *testing.T) {
	t.Parallel()
	x := newExchange(t, "full")
	files := controlFiles()
	for name, content := range files {
		x.put(owner, delivery+name, []byte(content), true)
	}
	m := x.mount(client)
	if got := slices.Sorted(maps.Keys(sumsBelow(t, m.path("Delivery")))); !slices.Equal(got,
		slices.Sorted(maps.Keys(files))) {
		t.Errorf("the mount shows %q, want %q", got, slices.Sorted(maps.Keys(files)))
	}
	for name, content := range files {
		path := m.path(delivery + name)
		if got, err := os.ReadFile(path); err != nil || string(got) != content {
			t.Errorf("%q holds %q, %v, want %q", name, got, err, content)
		}
		if err := os.WriteFile(path, []byte(content+" edited"), 0o644); err != nil {
			t.Errorf("writing to %q: %v", name, err)
		}
		m.awaitDelivered(delivery + name)
		if err := os.Rename(path, path+"\x02new"); err != nil {
			t.Errorf("renaming %q: %v", name, err)
		}
	}
	if err := os.Rename(m.path(delivery+"dir\r"), m.path(delivery+"moved\n")); err != nil {
		t.Error(err)
	}
	for name, content := range files {
		name = strings.Replace(name, "dir\r/", "moved\n/", 1) + "\x02new"
		x.awaitObject(delivery+name, []byte(content+" edited"))
	}
	for _, name := range m.names("Delivery") {
		if err := os.RemoveAll(m.path(delivery + name)); err != nil {
			t.Errorf("removing %q: %v", name, err)
		}
	}
	m.unmount()
	for key := range x.list() {
		if key != delivery {
			t.Errorf("%q is left", key)
		}
	}
}

// TestLargeFilesWithControlCharacters sends a file in parts, whose replies name the key.
func TestLargeFilesWithControlCharacters(t *testing.T) {
	t.Parallel()
	x := newExchange(t, "full")
	m := x.mount(client)
	content := randomBytes(17 << 20)
	for _, name := range []string{"Icon\r", "\x01", "\ufffe"} {
		m.write(delivery+name, content)
		x.awaitObject(delivery+name, content)
	}
	m.unmount()
}

// TestNamesThatNoKeyCanHave makes files and directories of such names in each way.
func TestNamesThatNoKeyCanHave(t *testing.T) {
	t.Parallel()
	x := newExchange(t, "full")
	m := x.mount(client)
	m.deliver(delivery+"f", []byte("f"))
	if err := os.Mkdir(m.path(delivery+"d"), 0o755); err != nil {
		t.Fatal(err)
	}
	m.deliver(delivery+"d/x", []byte("x"))
	for name, want := range map[string]unix.Errno{
		"caf\xe9": unix.EILSEQ, "\xff": unix.EILSEQ, "a\xc3": unix.EILSEQ, "\xed\xa0\x80": unix.EILSEQ, "\xf4\x90\x80\x80": unix.EILSEQ, "caf\xe9.part": unix.EILSEQ, "caf␛E9": unix.EILSEQ,
		"Icon␛0D": unix.EINVAL, "x␛41": unix.EINVAL, "␛": unix.EINVAL, "␛2E": unix.EINVAL, "f␛": unix.EINVAL, "d␛": unix.EINVAL, "50␛": unix.EINVAL, "a␛~0123456789abcdef": unix.EINVAL,
	} {
		for _, dir := range []string{delivery, delivery + "d/"} {
			path := m.path(dir + name)
			create := func(flags int) func() error {
				return func() error {
					fd, err := unix.Open(path,
						unix.O_WRONLY|unix.O_CREAT|unix.O_CLOEXEC|flags, 0o644)
					if err == nil {
						unix.Close(fd)
					}
					return err
				}
			}
			for call, do := range map[string]func() error{
				"open":                create(0),
				"open with O_EXCL":    create(unix.O_EXCL),
				"open with O_TRUNC":   create(unix.O_TRUNC),
				"mkdir":               func() error { return unix.Mkdir(path, 0o755) },
				"mknod":               func() error { return unix.Mknod(path, unix.S_IFREG|0o644, 0) },
				"rename":              func() error { return unix.Rename(m.path(delivery+"f"), path) },
				"rename of directory": func() error { return unix.Rename(m.path(delivery+"d"), m.path(delivery+name)) },
				"renameat2": func() error {
					return unix.Renameat2(unix.AT_FDCWD, m.path(delivery+"f"), unix.AT_FDCWD,
						path, unix.RENAME_NOREPLACE)
				},
			} {
				got := uninterruptedly(do)
				if got != want {
					t.Errorf("%s of %q: %v, want %v", call, dir+name, got, want)
				}
			}
			if _, err := os.Lstat(path); !errors.Is(err, os.ErrNotExist) {
				t.Errorf("lstat of %q: %v, want ENOENT", dir+name, err)
			}
		}
	}
	m.unmount()
	keys := x.list()
	delete(keys, delivery)
	delete(keys, delivery+"d/")
	if got := slices.Sorted(maps.Keys(keys)); !slices.Equal(got,
		[]string{delivery + "d/x", delivery + "f"}) {
		t.Errorf("S3 has %q, want f and d/x alone", got)
	}
}
