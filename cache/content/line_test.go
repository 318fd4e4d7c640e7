package content

import (
	"context"
	"io"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/s3share/s3share/cache/content/prefetch"
)

// line is a source behind a line of this rate, in bytes a second, that all requests
// share, a little of each in turn.
func line(src Source, latency time.Duration, rate int64) Source {
	const packet = 16 << 10
	var mu sync.Mutex
	free := time.Time{} // when the line is
	return paced(src, latency, func(ctx context.Context, b io.Reader) func([]byte) (int, error) {
		return func(p []byte) (int, error) {
			p = p[:min(len(p), packet)]
			mu.Lock()
			now := time.Now()
			if free.Before(now) {
				free = now
			}
			free = free.Add(time.Duration(int64(len(p)) * int64(time.Second) / rate))
			wait := free.Sub(now)
			mu.Unlock()
			if err := sleep(ctx, wait); err != nil {
				return 0, err
			}
			return b.Read(p)
		}
	})
}

// TestSlowLine reads forward over a slow line, as a player does. What is fetched ahead
// is what the line brings in some seconds: it takes nothing from what is read next, and
// little is in vain when the program stops.
func TestSlowLine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const rate, size = 2 << 20, 64 << 20
		src := new(bucket)
		c := newCache(t, line(src, 20*time.Millisecond, rate), Config{})
		r := c.Open(object("a", size))
		defer r.Close()
		begun := time.Now()
		var longest time.Duration
		var ahead int64
		p := make([]byte, blockSize)
		for off := int64(0); off < size/2; off += blockSize {
			asked := time.Now()
			if _, err := r.ReadAt(t.Context(), p, off); err != nil {
				t.Fatal(err)
			}
			longest = max(longest, time.Since(asked))
			ahead = max(ahead, c.Stats().Fetched-off)
		}
		if took, most := time.Since(begun), time.Second*size/2/rate*5/4; took > most {
			t.Errorf("half of it took %v, want %v at most: the other half came as well", took, most)
		}
		if longest > 2*time.Second {
			t.Errorf("a read took %v", longest)
		}
		if most := int64(prefetch.MaxAheadSeconds*rate + 4*prefetch.MinWindow); ahead > most {
			t.Errorf("%d bytes were ahead, want %d at most", ahead, most)
		}
	})
}

// TestSlowLineIsNotForTheWhole: where all of an object would take minutes, many random
// reads are given up for no more than a moment.
func TestSlowLineIsNotForTheWhole(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const rate, size, reads = 1 << 20, 40 << 20, 200
		src := new(bucket)
		c := newCache(t, line(src, 100*time.Millisecond, rate), Config{})
		r := c.Open(object("a", size))
		defer r.Close()
		for i := range int64(reads) {
			check(t, r, (i*7%reads)*size/reads+1000, 4096)
		}
		synctest.Wait()
		if got, most := src.bytes.Load(),
			int64(reads*4096+4*prefetch.MaxAheadSeconds*rate); got > most {
			t.Errorf("%d bytes fetched for %d reads of 4 KiB, want %d at most", got, reads, most)
		}
	})
}
