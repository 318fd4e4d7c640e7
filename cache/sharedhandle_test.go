package cache

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/s3share/s3share/cache/buckettest"
	"github.com/s3share/s3share/cache/outbox"
	"github.com/s3share/s3share/s3backend"
)

// sharedFile is a file on a handle that two processes share: one writes, while the other
// closes its descriptor.
type sharedFile struct {
	key  string
	old  bool // S3 holds it already
	h    *Handle
	want []byte // once all of its changes have returned
	ends string // how the last process ends with it
}

// TestCloseWhileAnotherProcessWrites closes descriptors of a handle while changes are made
// through others, and recovers from what is on the disk then: a file that counts as
// complete has all that a change returned for, and one that was closed at last is
// complete.
func TestCloseWhileAnotherProcessWrites(t *testing.T) {
	const files = 1000
	rnd := rand.New(rand.NewPCG(1, 8))
	dir, b := t.TempDir(), buckettest.New()
	offline := buckettest.Wrap(b, func(_ context.Context, op, key string, send func() error) error {
		if op == buckettest.Put {
			return &s3backend.Error{Op: op, Key: key, Kind: s3backend.Busy}
		}
		return send()
	})
	var all []*sharedFile
	for i := range files {
		f := &sharedFile{key: fmt.Sprintf("Delivery/%d", i), old: rnd.IntN(4) == 0}
		if f.old {
			f.want = letters(rnd, rnd.IntN(5000))
			b.Store(f.key, bytes.Clone(f.want), nil)
		}
		all = append(all, f)
	}
	c, err := New(offline, Config{Folders: []string{"Delivery"},
		StateDir: filepath.Join(dir, "state"), Memory: 16 << 20})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	for _, f := range all {
		f.begin(t, c, rnd)
		f.race(t, rnd)
		switch f.ends = []string{"", "flush", "release"}[rnd.IntN(3)]; f.ends {
		case "flush":
			if err := f.h.Flush(t.Context(), Closing{Last: true}); err != nil {
				t.Fatal(err)
			}
		case "release":
			f.h.Release()
		}
	}
	if err := os.CopyFS(filepath.Join(dir, "killed"),
		os.DirFS(filepath.Join(dir, "state"))); err != nil {
		t.Fatal(err)
	}
	for _, f := range all {
		if f.ends != "release" {
			f.h.Release()
		}
	}
	complete := judgeShared(t, all, b, filepath.Join(dir, "killed"))
	t.Logf("%d of %d files were complete when the process ended", complete, files)
}

// begin opens a new file, or one that S3 holds, and writes its head.
func (f *sharedFile) begin(t *testing.T, c *Cache, rnd *rand.Rand) {
	var err error
	if f.old {
		f.h, err = c.Open(t.Context(), f.key, OpenMode{Write: true})
	} else {
		f.h, err = c.Create(t.Context(), f.key, nil, true, OpenMode{})
	}
	if err != nil {
		t.Fatal(err)
	}
	f.change(t, rnd)
}

// race makes changes while another process closes its descriptors.
func (f *sharedFile) race(t *testing.T, rnd *rand.Rand) {
	changes := 1 + rnd.IntN(4)
	var closing sync.WaitGroup
	written := make(chan struct{})
	begun := make(chan struct{})
	closing.Go(func() {
		close(begun)
		for {
			if err := f.h.Flush(t.Context(), Closing{Last: true}); err != nil {
				t.Errorf("Flush: %v", err)
			}
			select {
			case <-written:
				return
			default:
			}
		}
	})
	<-begun
	for range changes {
		f.change(t, rnd)
	}
	close(written)
	closing.Wait()
	// What was closed last is not what was changed last, in half of the cases.
	if rnd.IntN(2) == 0 {
		f.change(t, rnd)
	}
}

// change makes one change, and notes what the file holds then.
func (f *sharedFile) change(t *testing.T, rnd *rand.Rand) {
	var err error
	size := len(f.want)
	switch what := rnd.IntN(12); {
	case what < 8:
		n, off := 1+rnd.IntN(2000), size
		if rnd.IntN(50) == 0 {
			n = 80_000 // outgrows the file that small ones share
		}
		if rnd.IntN(3) == 0 {
			off = rnd.IntN(size + 100)
		}
		data := letters(rnd, n)
		f.resize(max(size, off+n))
		copy(f.want[off:], data)
		_, err = f.h.WriteAt(t.Context(), data, int64(off))
	case what < 10:
		n := rnd.IntN(size + 100)
		f.resize(n)
		err = f.h.Truncate(t.Context(), int64(n))
	case what < 11:
		n := size + rnd.IntN(1000)
		f.resize(n)
		err = f.h.Allocate(t.Context(), int64(n))
	default:
		off := rnd.IntN(size + 1)
		n := rnd.IntN(size - off + 1)
		clear(f.want[off : off+n])
		err = f.h.Punch(t.Context(), int64(off), int64(n))
	}
	if err != nil {
		t.Fatal(err)
	}
}

func (f *sharedFile) resize(n int) {
	f.want = append(f.want, make([]byte, max(0, n-len(f.want)))...)[:n]
}

func letters(rnd *rand.Rand, n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = 'a' + byte(rnd.IntN(26))
	}
	return b
}

// keptBytes reads what is kept of a file.
func keptBytes(ctx context.Context, c *Cache, key string) ([]byte, error) {
	h, err := c.Open(ctx, key, OpenMode{})
	if err != nil {
		return nil, err
	}
	defer h.Release()
	return io.ReadAll(io.NewSectionReader(readerAt(func(p []byte, off int64) (int, error) {
		return h.ReadAt(ctx, p, off)
	}), 0, 1<<30))
}

// readerAt is an [io.ReaderAt].
type readerAt func(p []byte, off int64) (int, error)

func (f readerAt) ReadAt(p []byte, off int64) (int, error) { return f(p, off) }

// judgeShared delivers what another process finds, and returns how many files counted as
// complete.
func judgeShared(t *testing.T, all []*sharedFile, b *buckettest.Bucket,
	state string) (complete int) {
	c, err := New(b, Config{Folders: []string{"Delivery"}, StateDir: state, Memory: 16 << 20})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	var left *outbox.LeftError
	if err := c.deliveries.Drain(t.Context()); err != nil && !errors.As(err, &left) {
		t.Fatal(err)
	}
	interrupted := map[string]bool{}
	if left != nil {
		for _, st := range left.Left {
			if st.State != outbox.Interrupted {
				t.Errorf("%s is %s: %s", st.Key, st.State, st.Reason)
			}
			interrupted[st.Key] = true
		}
	}
	for _, f := range all {
		got, there := b.Data(f.key)
		switch {
		case interrupted[f.key]:
			if f.ends != "" {
				t.Errorf("%s was closed at last (%s), and counts as interrupted", f.key, f.ends)
			}
			if got, err := keptBytes(t.Context(), c, f.key); err != nil ||
				!bytes.Equal(got, f.want) {
				t.Errorf("%s is kept with %d bytes, %v, want the %d that were written",
					f.key, len(got), err, len(f.want))
			}
		case !there:
			t.Errorf("%s is gone", f.key)
		default:
			complete++
			if !bytes.Equal(got, f.want) {
				t.Errorf(
					"%s was delivered with %d bytes which were closed as something else, of %d bytes", f.key, len(got), len(f.want))
			}
		}
	}
	return complete
}
