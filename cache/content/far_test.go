package content

import (
	"context"
	"fmt"
	"io"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/s3share/s3share/s3backend"
)

// far is a source with a latency, and a rate for each connection in bytes a second.
// What is not read as it comes waits in a buffer, as it does in a socket's.
func far(src Source, latency time.Duration, rate float64) Source {
	const buffer = 1 << 20
	return paced(src, latency, func(ctx context.Context, b io.Reader) func([]byte) (int, error) {
		last, have := time.Now(), 0.0
		come := func() {
			now := time.Now()
			have = min(buffer, have+now.Sub(last).Seconds()*rate)
			last = now
		}
		return func(p []byte) (int, error) {
			p = p[:min(len(p), blockSize)]
			come()
			if lack := float64(len(p)) - have; lack > 0 {
				if err := sleep(ctx, time.Duration(lack/rate*1e9)); err != nil {
					return 0, err
				}
				come()
			}
			m, err := b.Read(p)
			have -= float64(m)
			return m, err
		}
	})
}

// TestFarRead holds reading from afar to what the memory allows, with 20 ms a request:
// 80 MiB/s a connection, as S3 is from a good line, and a slow one. The time is the
// bubble's own.
func TestFarRead(t *testing.T) {
	for _, tt := range []struct {
		readers int
		size    int64
		rate    float64
		within  time.Duration
		gets    int64
	}{
		{1, 1 << 30, 80 << 20, 1350 * time.Millisecond, 140},
		{8, 256 << 20, 80 << 20, 1900 * time.Millisecond, 360},
		{1, 256 << 20, 1 << 19, 45 * time.Second, 130}, // requests are as long as the line is fast
	} {
		if testing.Short() && tt.size == 1<<30 {
			continue // several readers show more to the race detector
		}
		synctest.Test(t, func(t *testing.T) {
			src := new(bucket)
			c := newCache(t, far(src, 20*time.Millisecond, tt.rate), Config{})
			begun := time.Now()
			var g sync.WaitGroup
			for i := range tt.readers {
				r := c.Open(object(fmt.Sprint(i), tt.size))
				g.Go(func() {
					defer r.Close()
					p := make([]byte, blockSize)
					for off := int64(0); off < tt.size; off += blockSize {
						if _, err := r.ReadAt(t.Context(), p, off); err != nil {
							t.Error(err)
							return
						}
						// The kernel takes 2 GiB/s in all.
						time.Sleep(time.Duration(tt.readers) * 60 * time.Microsecond)
					}
				})
			}
			g.Wait()
			took, gets := time.Since(begun), src.gets.Load()
			t.Logf("%d readers: %v, %d requests, %d at a time",
				tt.readers, took, gets, src.most.Load())
			if took > tt.within || gets > tt.gets {
				t.Errorf("%d readers of %d MiB took %v and %d requests, want %v and %d at most",
					tt.readers, tt.size>>20, took, gets, tt.within, tt.gets)
			}
		})
	}
}

// changing is a source that becomes another after a while, its bodies too.
func changing(before, after Source, in time.Duration) Source {
	begun := time.Now()
	changed := func() bool { return time.Since(begun) >= in }
	return source(func(ctx context.Context, obj s3backend.Object,
		off, n int64) (io.ReadCloser, error) {
		if changed() {
			return after.Get(ctx, obj, off, n)
		}
		b, err := before.Get(ctx, obj, off, n)
		if err != nil {
			return nil, err
		}
		var then io.ReadCloser
		at := off
		return readFunc{b, func(p []byte) (m int, err error) {
			if changed() && then == nil {
				if then, err = after.Get(ctx, obj, at, off+n-at); err != nil {
					return 0, err
				}
				defer then.Close()
			}
			if then != nil {
				m, err = then.Read(p)
			} else {
				m, err = b.Read(p)
			}
			at += int64(m)
			return m, err
		}}, nil
	})
}
