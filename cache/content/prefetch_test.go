package content

import (
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/s3share/s3share/cache/content/prefetch"
	"github.com/s3share/s3share/s3backend"
)

// A long sequential read takes few large requests, and as many at a time as a far
// source needs: more than memory would hold if each held all of its bytes at once.
func TestRequestsAreLarge(t *testing.T) {
	for _, tt := range []struct {
		name    string
		size    int64
		latency time.Duration
		rate    int64
		gets    int64 // at most
		most    int64 // at a time, at least
	}{
		{"far", 128 << 20, 20 * time.Millisecond, 80 << 20, 128<<20/prefetch.MaxRequest + 14, 10},
		{"near", shorter(128 << 20), 100 * time.Microsecond, 4 << 30, 128<<20/prefetch.MaxRequestNear + 18, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := new(bucket)
				c := newCache(t, slow(b, tt.latency, tt.rate), Config{})
				r := c.Open(object("a", tt.size))
				defer r.Close()
				checkAll(t, r, 1<<20)
				if got := b.gets.Load(); got > tt.gets {
					t.Errorf("%d requests for %d MiB, want at most %d", got, tt.size>>20, tt.gets)
				}
				if got := b.bytes.Load(); got != tt.size {
					t.Errorf("%d bytes fetched, want %d: nothing twice", got, tt.size)
				}
				if got := b.most.Load(); got < tt.most {
					t.Errorf("%d requests at a time, want at least %d", got, tt.most)
				}
			})
		})
	}
}

// Requests whose reader has paused are given up after a while; when it reads on,
// it gets the right bytes.
func TestPausedReader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := new(bucket)
		c := newCache(t, slow(b, 20*time.Millisecond, 80<<20), Config{Memory: 8 << 20})
		r := c.Open(object("a", 64<<20))
		defer r.Close()
		for off := int64(0); off < 24<<20; off += 1 << 20 {
			check(t, r, off, 1<<20)
		}
		time.Sleep(10 * time.Minute)
		if now := b.now.Load(); now != 0 {
			t.Errorf("%d requests under way while the reader pauses, want none", now)
		}
		for off := int64(24 << 20); off < 64<<20; off += 1 << 20 {
			check(t, r, off, 1<<20)
		}
	})
}

// A paused reader's requests do not keep the only stream from who waits.
func TestPausedReaderLeavesItsStream(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCache(t, slow(new(bucket), 20*time.Millisecond, 80<<20),
			Config{Memory: 4 << 20, Streams: 1})
		r := c.Open(object("a", 64<<20))
		defer r.Close()
		for off := int64(0); off < 16<<20; off += 1 << 20 {
			check(t, r, off, 1<<20)
		}
		synctest.Wait()
		start := time.Now()
		other := c.Open(object("b", 4<<20))
		defer other.Close()
		check(t, other, 1<<20, 100)
		if took := time.Since(start); took >= maxSlotWait {
			t.Errorf("took %v, want less than %v", took, maxSlotWait)
		}
	})
}

func TestPrefetch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := new(bucket)
		c := newCache(t, slow(b, 20*time.Millisecond, 80<<20), Config{Memory: 8 << 20, Streams: 16})
		obj := object("a", 300_000)
		if got := c.Prefetch(obj); got != Started {
			t.Errorf("Prefetch = %v, want Started", got)
		}
		if got := c.Prefetch(obj); got != Cached {
			t.Errorf("Prefetch of what is on its way = %v, want Cached", got)
		}
		time.Sleep(time.Second / 2)
		r := c.Open(obj)
		if ok, err := r.Revalidate(t.Context(), time.Second); !ok || err != nil {
			t.Errorf("Revalidate = %v, %v, want that what was prefetched has validated it", ok, err)
		}
		checkAll(t, r, 100_000)
		time.Sleep(time.Second)
		if ok, err := r.Revalidate(t.Context(), time.Second); ok || err != nil {
			t.Errorf("Revalidate = %v, %v, want nothing of what is here and old", ok, err)
		}
		r.Close()
		if got := b.gets.Load(); got != 1 {
			t.Errorf("%d requests, want 1", got)
		}
		for i := range 16 {
			want := Started
			if i == 15 {
				want = Refused // a stream is for who waits
			}
			if got := c.Prefetch(object(string(rune('b'+i)), 1000)); got != want {
				t.Errorf("Prefetch number %d = %v, want %v", i, got, want)
			}
		}
		if got := c.Prefetch(object("large", MaxPrefetch+1)); got != Refused {
			t.Errorf("Prefetch of too large an object = %v, want Refused", got)
		}
	})
}

// TestRevalidate takes the request that reading begins with, and ends it where reading
// begins elsewhere.
func TestRevalidate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := new(bucket)
		var answer atomic.Value
		src := source(func(ctx context.Context, obj s3backend.Object,
			off, n int64) (io.ReadCloser, error) {
			if err, _ := answer.Load().(error); err != nil {
				return nil, err
			}
			return b.Get(ctx, obj, off, n)
		})
		c := newCache(t, slow(src, 20*time.Millisecond, 1<<20), Config{})
		prove := func(key string, size int64) (*Reader, bool, error) {
			r := c.Open(object(key, size))
			start := time.Now()
			ok, err := r.Revalidate(t.Context(), time.Second)
			if took := time.Since(start); took > 20*time.Millisecond {
				t.Errorf("Revalidate took %v, want one round trip", took)
			}
			return r, ok, err
		}
		r, ok, err := prove("a", 64<<20)
		if !ok || err != nil {
			t.Errorf("Revalidate = %v, %v", ok, err)
		}
		check(t, r, 0, 1000)
		if got := b.gets.Load(); got != 1 {
			t.Errorf("%d requests for the begin, want 1", got)
		}
		r.Close()

		r, ok, err = prove("b", 64<<20)
		if !ok || err != nil {
			t.Errorf("Revalidate = %v, %v", ok, err)
		}
		check(t, r, 32<<20, 1000)
		synctest.Wait()
		if now := b.now.Load(); now != 0 {
			t.Errorf("%d requests go on while nobody reads, want none", now)
		}
		r.Close()

		answer.Store(error(s3backend.Stale))
		r, ok, err = prove("c", 1000)
		if ok || !errors.Is(err, s3backend.Stale) {
			t.Errorf("Revalidate of what was replaced = %v, %v, want Stale", ok, err)
		}
		r.Close()
	})
}

// TestForwardSeeksKeepWhatWasFetched: a reader that skips forward within its window reads what was
// fetched ahead, which is fetched once, and skips no request of it.
func TestForwardSeeksKeepWhatWasFetched(t *testing.T) {
	for seed := range uint64(2) {
		if testing.Short() && seed > 0 {
			continue
		}
		synctest.Test(t, func(t *testing.T) {
			const size = 256 << 20
			src := new(bucket)
			c := newCache(t, far(src, 20*time.Millisecond, 80<<20), Config{})
			r := c.Open(object("a", size))
			defer r.Close()
			off := int64(0)
			for ; off < 32<<20; off += blockSize { // until the window is large
				check(t, r, off, blockSize)
			}
			steps := rand.New(rand.NewPCG(seed, 1))
			for reads := 0; off < size-64<<10; reads++ {
				check(t, r, off, 64<<10)
				off += 64<<10 + steps.Int64N(1<<20)
			}
			if got := src.bytes.Load(); got > size {
				t.Errorf("%d bytes were fetched of %d", got, int64(size))
			}
			if got := src.gets.Load(); got > 80 {
				t.Errorf("%d requests, want 80 at most: as many as without seeks", got)
			}
		})
	}
}
