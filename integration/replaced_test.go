package integration

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// fill is content of which every byte tells its version.
func fill(version byte, n int) []byte { return bytes.Repeat([]byte{version}, n) }

// TestReplaced has the other party replace an object, or remove it, while it is
// open here. Whoever reads gets bytes of the version that was opened, or ESTALE;
// the next open gets what S3 holds.
func TestReplaced(t *testing.T) {
	t.Parallel()
	const size = 12 * mib
	old := fill('1', size)
	for _, c := range []struct {
		name  string
		after []byte // nil if it is removed
	}{
		{"same size", fill('2', size)},
		{"shorter", fill('2', 5000)},
		{"longer", fill('2', size+5000)},
		{"removed", nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			x := newExchange(t, "full")
			// Too little memory to keep the old version.
			m := x.mount(owner, "--memory", "8MiB", "--cache-size", "0")
			const key = delivery + "file"
			x.put(client, key, old, true)
			m.awaitName(key, true)
			first, err := os.Open(m.path(key))
			if err != nil {
				t.Fatal(err)
			}
			defer first.Close()
			head := make([]byte, 100_000)
			if _, err := first.ReadAt(head, 0); err != nil || !bytes.Equal(head, old[:len(head)]) {
				t.Fatalf("read of the first version: %s, %v", brief(head), err)
			}
			if c.after == nil {
				x.remove(key)
				m.awaitName(key, false)
			} else {
				x.put(client, key, c.after, true)
				m.awaitContent(key, c.after)
			}
			check := func(f *os.File, want []byte) {
				t.Helper()
				got, err := readAll(f)
				if err != nil && !errors.Is(err, unix.ESTALE) {
					t.Errorf("%v, want ESTALE or the bytes", err)
				}
				if err == nil && len(got) != len(want) ||
					!bytes.Equal(got, want[:min(len(got), len(want))]) {
					t.Errorf(
						"%d bytes, of them %d of the old version and %d of the new, want %d of %q alone",
						len(got), bytes.Count(got, []byte("1")), bytes.Count(got,
							[]byte("2")), len(want), want[:1])
				}
			}
			check(first, old)
			check(first, old) // also from the kernel's pages
			if c.after == nil {
				return
			}
			second, err := os.Open(m.path(key))
			if err != nil {
				t.Fatal(err)
			}
			defer second.Close()
			check(second, c.after)
			check(first, old)
			check(second, c.after)
		})
	}
}

// TestOpenedAfterAReplacement opens what the other party has replaced by a version of
// another size, while the kernel still has the size of the one before: what is read is
// the new version, to its end.
func TestOpenedAfterAReplacement(t *testing.T) {
	t.Parallel()
	x := newExchange(t, "full")
	m := x.mount(owner)
	const key = delivery + "file"
	x.put(client, key, fill('0', 50_000), true)
	m.awaitName(key, true)
	for i, size := range []int{200_000, 10_000, 300_000} {
		want := fill(byte('1'+i), size)
		if _, err := os.Stat(m.path(key)); err != nil {
			t.Fatal(err)
		}
		x.put(client, key, want, true)
		// After this time, no open may lead to the version before.
		time.Sleep(1200 * time.Millisecond)
		if _, err := os.Stat(m.path(key)); err != nil { // by the listing, which may be older
			t.Fatal(err)
		}
		got, err := os.ReadFile(m.path(key))
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s, %v; want %s", brief(got), err, brief(want))
		}
	}
}

func readAll(f *os.File) ([]byte, error) {
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return nil, err
	}
	return io.ReadAll(f)
}

// TestConflict has both parties change a file: S3 keeps what came first under
// the name, and the other version is delivered beside it.
func TestConflict(t *testing.T) {
	t.Parallel()
	base := randomBytes(10_000)
	large := randomBytes(20 * mib)
	theirs := randomBytes(12_345)
	patch := func(b []byte) []byte { return slices.Concat([]byte("ours"), b[4:]) }
	for _, c := range []struct {
		name   string
		base   []byte // nil if the name is new
		change func(t *testing.T, path string)
		ours   []byte
	}{
		{"both edit", base, editHead, patch(base)},
		{"both edit a large file", large, editHead, patch(large)},
		{"both replace", base, replaceAll, []byte("ours")},
		{"both create", nil, replaceAll, []byte("ours")},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			x := newExchange(t, "article")
			m := x.mount(client)
			const key = delivery + "plan.txt"
			if c.base != nil {
				x.put(owner, key, c.base, true)
				m.awaitContent(key, c.base)
			}
			f, err := os.OpenFile(m.path(key), os.O_RDWR|os.O_CREATE, 0o644)
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			c.change(t, m.path(key))
			x.put(owner, key, theirs, false)
			if err := f.Close(); err != nil {
				t.Fatal(err)
			}
			m.unmount()
			all := x.list()
			var beside string
			for k := range all {
				if strings.HasPrefix(k, delivery+"plan (conflict ") &&
					strings.HasSuffix(k, ").txt") {
					beside = k
				}
			}
			if beside == "" || len(all) != 2 {
				t.Fatalf("the bucket holds %v, want a conflict copy beside plan.txt", all)
			}
			if got, err := x.get(owner, key); err != nil || !bytes.Equal(got, theirs) {
				t.Errorf("%s holds %s, %v; want the other party's", key, brief(got), err)
			}
			if got, err := x.get(owner, beside); err != nil || !bytes.Equal(got, c.ours) {
				t.Errorf("%s holds %s, %v; want ours", beside, brief(got), err)
			}
		})
	}
}

func editHead(t *testing.T, path string) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteAt([]byte("ours"), 0); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
}

func replaceAll(t *testing.T, path string) {
	t.Helper()
	if err := os.WriteFile(path, []byte("ours"), 0o644); err != nil {
		t.Fatal(err)
	}
}

// TestBothMounts lets both parties edit one file through their mounts at once:
// no edit is lost.
func TestBothMounts(t *testing.T) {
	t.Parallel()
	x := newExchange(t, "full")
	a, b := x.mount(owner), x.mount(client)
	const key = delivery + "notes.txt"
	a.deliver(key, []byte("base\n"))
	b.awaitContent(key, []byte("base\n"))
	var open []*os.File
	for _, m := range []*mount{a, b} {
		f, err := os.OpenFile(m.path(key), os.O_APPEND|os.O_WRONLY, 0)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		open = append(open, f)
	}
	for i, f := range open {
		_, err := fmt.Fprintln(f, i)
		if err := errors.Join(err, f.Close()); err != nil {
			t.Fatal(err)
		}
	}
	a.unmount()
	b.unmount()
	var got []string
	for key := range x.list() {
		content, err := x.get(owner, key)
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, string(content))
	}
	slices.Sort(got)
	if want := []string{"base\n0\n", "base\n1\n"}; !slices.Equal(got, want) {
		t.Errorf("S3 holds %q, want %q", got, want)
	}
}
