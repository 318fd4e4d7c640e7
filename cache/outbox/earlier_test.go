package outbox

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"testing/synctest"

	"github.com/s3share/s3share/cache/buckettest"
)

// earlierVersion is the outbox of the version of November 2026, as it was when its process
// was killed while S3 gave no answer: seven files were closed, one of which was synced, one is
// 9 MiB with a hole, one is an edit of what S3 holds, and one was renamed; one was open. An
// object was being removed, another being renamed, and a directory had been made.
const earlierVersion = "testdata/earlier-version.tar.gz"

// earlierBoot stands in it for the boot in which it was used.
const earlierBoot = "6f1de1a5-0000-4000-8000-000000000001"

// TestEarlierVersionIsRecovered goes on with what an earlier version left, in the same
// boot of the machine and in a later one: all that was closed arrives in the first case,
// and nothing is lost in either.
func TestEarlierVersionIsRecovered(t *testing.T) {
	large := make([]byte, 9<<20+4)
	copy(large, "head")
	copy(large[9<<20:], "tail")
	closed := map[string]string{
		"Delivery/small.txt":  "closed\n",
		"Delivery/synced.txt": "closed and synced\n",
		"Delivery/café 😀.txt": "names\n",
		"Delivery/final.txt":  "renamed before it was sent\n",
		"Delivery/edited.txt": "an old text of the other party\nand a line of ours\n",
		"Delivery/empty":      "",
		"Delivery/large.bin":  string(large),
		"Delivery/half.txt":   "half of it", // it was not closed
		"Delivery/folder/":    "",
		"Delivery/there.txt":  "to be moved on the server\n",
	}
	for _, c := range []struct {
		name, boot  string
		interrupted []string
	}{
		{"the process was killed", earlierBoot, []string{"Delivery/half.txt"}},
		{"the machine was off", "another", []string{
			"Delivery/café 😀.txt", "Delivery/edited.txt", "Delivery/empty", "Delivery/final.txt",
			"Delivery/half.txt", "Delivery/large.bin", "Delivery/small.txt", "Delivery/synced.txt",
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			unpack(t, earlierVersion, dir)
			synctest.Test(t, func(t *testing.T) {
				b := buckettest.New()
				b.Store("Delivery/edited.txt", []byte("an old text of the other party\n"), nil)
				b.Store("Delivery/gone.txt", []byte("to be removed\n"), nil)
				b.Store("Delivery/moved.txt", []byte("to be moved on the server\n"), nil)
				r := newRig(t, b, filepath.Join(dir, "stage"), Config{}, nil)
				defer r.Close()
				r.boots.now = c.boot
				items := r.resume()
				synctest.Wait()
				var left *LeftError
				if err := r.Drain(t.Context()); !errors.As(err, &left) {
					t.Fatalf("Drain: %v, want what is interrupted", err)
				}
				_ = sleep(t.Context(), defaultSettle)
				synctest.Wait()
				var interrupted []string
				for _, st := range left.Left {
					interrupted = append(interrupted, st.Key)
					if st.State != Interrupted {
						t.Errorf("%s is %s: %s", st.Key, st.State, st.Reason)
					}
				}
				if slices.Sort(interrupted); !slices.Equal(interrupted, c.interrupted) {
					t.Errorf("interrupted: %q, want %q", interrupted, c.interrupted)
				}
				for key, want := range closed {
					got, there := b.Data(key)
					if slices.Contains(interrupted, key) {
						got, there = contentOf(t, items[key]), true
					}
					if !there || string(got) != want {
						t.Errorf("%s has %d bytes (%v), want %d", key, len(got), there, len(want))
					}
				}
				for _, key := range []string{"Delivery/gone.txt", "Delivery/moved.txt"} {
					if _, there := b.Data(key); there {
						t.Errorf("%s is there", key)
					}
				}
			})
		})
	}
}

// contentOf is all that an item holds.
func contentOf(t *testing.T, it *Item) []byte {
	t.Helper()
	if err := it.Open(); err != nil {
		t.Fatal(err)
	}
	defer it.Close()
	size, _, _, _ := it.Stat()
	data := make([]byte, size)
	if n, err := it.ReadAt(t.Context(), data, 0); err != nil && err != io.EOF || int64(n) < size {
		t.Fatalf("reading %q: %d of %d bytes, %v", it.Key(), n, size, err)
	}
	return data
}

// unpack writes the files of an archive below dir.
func unpack(t *testing.T, archive, dir string) {
	t.Helper()
	packed, err := os.ReadFile(archive)
	if err != nil {
		t.Fatal(err)
	}
	plain, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		t.Fatal(err)
	}
	for r := tar.NewReader(plain); ; {
		h, err := r.Next()
		if err == io.EOF {
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(dir, filepath.FromSlash(h.Name))
		if h.FileInfo().IsDir() {
			err = os.MkdirAll(path, 0o700)
		} else {
			var data []byte
			if data, err = io.ReadAll(r); err == nil {
				err = os.WriteFile(path, data, 0o600)
			}
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}
