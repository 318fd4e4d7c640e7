package content

import (
	"testing"
	"testing/synctest"
	"time"
)

// near is a source close by, of which one connection brings as much as a mount takes.
func near(src Source) Source { return far(src, 200*time.Microsecond, 1<<30) }

// pass is what the kernel takes to pass on a block.
const pass = 100 * time.Microsecond

// readOn reads r's blocks from off up to end.
func readOn(t *testing.T, r *Reader, off, end int64) {
	t.Helper()
	for ; off < end; off += blockSize {
		check(t, r, off, blockSize)
		time.Sleep(pass)
	}
}

// TestStream reads a large object with few requests, within the memory and at the
// speed of the connection.
func TestStream(t *testing.T) {
	size := shorter(1 << 30)
	synctest.Test(t, func(t *testing.T) {
		src := new(bucket)
		c := newCache(t, near(src), Config{Memory: 32 << 20})
		r := c.Open(object("k", size))
		defer r.Close()
		begun := time.Now()
		readOn(t, r, 0, size)
		if took := time.Since(begun); took > time.Duration(
			size/blockSize)*180*time.Microsecond+25*time.Millisecond {
			t.Errorf("it took %v", took)
		}
		if gets, bytes := src.gets.Load(), src.bytes.Load(); gets > 5 || bytes != size {
			t.Errorf("%d requests of %d bytes, want 5 at most, of %d", gets, bytes, size)
		}
		if s := c.Stats(); s.Memory > 32<<20 {
			t.Errorf("%d bytes in memory", s.Memory)
		}
	})
}

// TestLongFetchIsHeld has a long fetch be ahead of a reader that takes its time by no more than
// its share, and end with the reader.
func TestLongFetchIsHeld(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := new(bucket)
		c := newCache(t, near(src), Config{Memory: 32 << 20})
		r := c.Open(object("k", 1<<30))
		readOn(t, r, 0, 10<<20)
		time.Sleep(time.Second)
		if got := c.Stats().Fetched; got > 40<<20 {
			t.Errorf("%d MiB were fetched for a reader of 10", got>>20)
		}
		r.Close()
		synctest.Wait()
		if n := src.now.Load(); n != 0 {
			t.Errorf("%d requests go on without a reader", n)
		}
	})
}

// TestLongFetchIsPassed reads far ahead of a long fetch without waiting for it, at one place and
// on from there, and then goes on where the long fetch is.
func TestLongFetchIsPassed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := new(bucket)
		c := newCache(t, near(src), Config{Memory: 32 << 20})
		r := c.Open(object("k", 1<<30))
		defer r.Close()
		readOn(t, r, 0, 64<<20)
		for _, tt := range []struct {
			what     string
			off, end int64
			requests int64
		}{
			{"one block", 300 << 20, 300<<20 + blockSize, 1},
			{"many in order", 400 << 20, 464 << 20, 8},
			{"where it was", 64 << 20, 128 << 20, 3},
		} {
			begun, gets := time.Now(), src.gets.Load()
			readOn(t, r, tt.off, tt.end)
			if took, most := time.Since(begun), time.Duration(
				(tt.end-tt.off)/blockSize)*200*time.Microsecond+10*time.Millisecond; took > most {
				t.Errorf("%s: took %v, want %v at most", tt.what, took, most)
			}
			if n := src.gets.Load() - gets; n > tt.requests {
				t.Errorf("%s: %d requests, want %d at most", tt.what, n, tt.requests)
			}
		}
	})
}

// TestStreamSlows goes on with many requests where the connection becomes slow in the
// midst of a long fetch.
func TestStreamSlows(t *testing.T) {
	size := shorter(1 << 30)
	synctest.Test(t, func(t *testing.T) {
		src := new(bucket)
		fast, slowly := near(src), far(src, 20*time.Millisecond, 40<<20)
		begun := time.Now()
		c := newCache(t, changing(fast, slowly, 100*time.Millisecond), Config{})
		r := c.Open(object("k", size))
		defer r.Close()
		readOn(t, r, 0, size)
		// One connection takes 23 s, and 4 s for a quarter.
		if took, most := time.Since(begun),
			1700*time.Millisecond+time.Duration(size/blockSize)*400*time.Microsecond; took > most {
			t.Errorf("it took %v, want %v at most", took, most)
		}
	})
}
