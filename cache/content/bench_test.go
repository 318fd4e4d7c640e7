package content

import (
	"fmt"
	"io"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// BenchmarkSequential reads 256 MiB with each of its readers, in steps of one
// block: from the source, and from a disk cache that holds it.
func BenchmarkSequential(b *testing.B) {
	const size = 256 << 20
	for _, disk := range []bool{false, true} {
		for _, readers := range []int{1, 8} {
			from := "source"
			if disk {
				from = "disk"
			}
			b.Run(fmt.Sprintf("%s/readers=%d", from, readers), func(b *testing.B) {
				src := new(bucket)
				var cfg Config
				if disk {
					cfg.Dir = b.TempDir()
					c := newCache(b, src, cfg)
					readAll(b, c, readers, size)
					for kept := int64(0); kept < int64(readers)*size; kept = c.Stats().ToDisk {
						readAll(b, c, readers, size)
					}
					c.Close()
					src.gets.Store(0)
				}
				b.SetBytes(int64(readers) * size)
				b.ResetTimer()
				start := cpu(b)
				for range b.N {
					c := newCache(b, src, cfg)
					readAll(b, c, readers, size)
					b.StopTimer()
					c.Close()
					b.StartTimer()
				}
				b.ReportMetric((cpu(b)-start)/float64(b.N)/float64(readers)*(1<<30)/size,
					"cpu-s/GiB")
				b.ReportMetric(float64(src.gets.Load())/float64(b.N), "gets/op")
			})
		}
	}
}

// cpu is the processor time this process has used, in seconds.
func cpu(b *testing.B) float64 {
	var u unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano()).Seconds()
}

// readAll has readers read size bytes each.
func readAll(tb testing.TB, c *Cache, readers int, size int64) {
	var g sync.WaitGroup
	for i := range readers {
		r := c.Open(object(fmt.Sprint(i), size))
		g.Go(func() {
			defer r.Close()
			p := make([]byte, blockSize)
			for off := int64(0); ; off += blockSize {
				if _, err := r.ReadAt(tb.Context(), p, off); err == io.EOF {
					return
				} else if err != nil {
					tb.Error(err)
					return
				}
			}
		})
	}
	g.Wait()
}
