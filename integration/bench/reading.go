package main

import (
	"bytes"
	"fmt"
	"hash/crc32"
	"io"
	"math/rand/v2"
	"os"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/s3share/s3share/integration/bench/memserver"
)

// readAll reads a file from its begin to its end, bs bytes a read.
func (a *app) readAll(name string, bs int) error {
	f, err := os.Open(a.path(name))
	if err != nil {
		return err
	}
	defer f.Close()
	b := make([]byte, bs)
	var crc uint32
	for {
		n, err := f.Read(b)
		crc = crc32.Update(crc, castagnoli, b[:n])
		if err == io.EOF {
			a.tell(name, crc)
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// bigReads reads n files of size bytes at once, bs bytes a read.
func bigReads(name, what string, n int, size int64, bs int) *workload {
	w := &workload{
		name: name, what: what, bytes: int64(n) * size, reads: n, fuse: true,
		fills: []memserver.Fill{{Key: "big%d.bin", Count: n, Size: size, Pattern: true}},
	}
	w.app = func(a *app) error {
		var g errgroup.Group
		for i := range n {
			g.Go(func() error { return a.readAll(bigName(i), bs) })
		}
		return g.Wait()
	}
	w.limit = func(c *s3Client, a *app) error {
		var g errgroup.Group
		for i := range n {
			g.Go(func() error { return c.getParts(bigName(i), size, inFlight/n, a) })
		}
		return g.Wait()
	}
	return w
}

// again is w done a second time in the same mount.
func again(w *workload, name, what string) *workload {
	second := *w
	second.name, second.what, second.first, second.limit = name, what, w.app, nil
	return &second
}

// remounted is w done a second time in a new mount, with the caches of the first.
func remounted(w *workload, name, what string) *workload {
	second := again(w, name, what)
	second.remount, second.caching, second.fuse = true, true, false
	return second
}

func reading() []*workload {
	whole := bigReads("read_1g", "read one file of 1 GiB, 1 MiB a read", 1, gib, mib)
	pieces := bigReads("read_1g_128k", "the same, 128 KiB a read", 1, gib, 128<<10)
	many := bigReads("read_8x256", "read eight files of 256 MiB at once", 8, 256*mib, mib)
	tls := bigReads("read_1g_tls",
		"read one file of 1 GiB, 1 MiB a read, from a bucket behind TLS", 1, gib, mib)
	tls.tls, tls.fuse = true, false
	first := &workload{
		name: "ttfb_1g", what: "open a file of 1 GiB and read its first 4 KiB",
		fills: whole.fills,
		app: func(a *app) error {
			f, err := os.Open(a.path(bigName(0)))
			if err != nil {
				return err
			}
			defer f.Close()
			return checked(4<<10)(func(p []byte, off int64) error {
				_, err := f.ReadAt(p, off)
				return err
			}, 0)
		},
		limit: func(c *s3Client, a *app) error {
			return checked(4<<10)(func(p []byte, off int64) error {
				return c.get(bigName(0), off, p)
			}, 0)
		},
	}
	all := []*workload{
		whole, pieces, many,
		again(whole, "read_1g_warm", "read one file of 1 GiB a second time"),
		remounted(whole, "read_1g_remount",
			"read one file of 1 GiB again after a new mount, from the disk cache"),
	}
	for _, w := range []*workload{pieces, many} {
		warm, cold := again(w, w.name+"_warm", "once more"), remounted(w, w.name+"_remount",
			"once more after a new mount")
		warm.extra, cold.extra = true, true
		all = append(all, warm, cold)
	}
	return append(all, tls, first)
}

// checked returns a function that reads size bytes with read from an offset, a
// multiple of 4 KiB, and compares them with the pattern.
func checked(size int64) func(read func(p []byte, off int64) error, off int64) error {
	got, want := make([]byte, size), make([]byte, size)
	return func(read func(p []byte, off int64) error, off int64) error {
		if err := read(got, off); err != nil {
			return err
		}
		memserver.Pattern(want, off)
		if !bytes.Equal(got, want) {
			return fmt.Errorf("wrong bytes at %d", off)
		}
		return nil
	}
}

// randomReads does count reads of size bytes at random places of a file of 1 GiB,
// in streams at once.
func randomReads(name, what string, streams, count int, size int64) *workload {
	return randomReadsWhile(name, what, streams, size, int64(count)*size,
		func(_ time.Time, n int) bool {
			return n < count/streams
		})
}

// timedReads does such reads for so long: what counts is how many.
func timedReads(name, what string, streams int, size int64, long time.Duration) *workload {
	w := randomReadsWhile(name, what, streams, size, 0, func(begun time.Time, _ int) bool {
		return time.Since(begun) < long
	})
	w.extra, w.fuse = true, true
	return w
}

// randomReadsWhile reads as long as more is true of when a stream began and how often it has read.
func randomReadsWhile(name, what string, streams int, size, bytes int64,
	more func(begun time.Time, n int) bool) *workload {
	run := func(a *app, read func(p []byte, off int64) error) error {
		var g errgroup.Group
		for s := range streams {
			g.Go(func() error {
				r := rand.New(rand.NewPCG(uint64(s), uint64(size)))
				check := checked(size)
				begun, n := time.Now(), 0
				for ; more(begun, n); n++ {
					if err := check(read, r.Int64N((gib-size)/4096)*4096); err != nil {
						return err
					}
				}
				a.randomReads.Add(int64(n))
				return nil
			})
		}
		return g.Wait()
	}
	return &workload{
		name: name, what: what, bytes: bytes,
		fills: []memserver.Fill{{Key: "big%d.bin", Count: 1, Size: gib, Pattern: true}},
		app: func(a *app) error {
			f, err := os.Open(a.path(bigName(0)))
			if err != nil {
				return err
			}
			defer f.Close()
			return run(a, func(p []byte, off int64) error {
				_, err := f.ReadAt(p, off)
				return err
			})
		},
		limit: func(c *s3Client, a *app) error {
			return run(a, func(p []byte, off int64) error { return c.get(bigName(0), off, p) })
		},
	}
}

func random() []*workload {
	return []*workload{
		randomReads("rand_4k_1",
			"1,000 random reads of 4 KiB in a file of 1 GiB, one after the other", 1, 1000, 4<<10),
		randomReads("rand_4k_16", "1,600 of them, 16 at once", 16, 1600, 4<<10),
		randomReads("rand_128k_1",
			"400 random reads of 128 KiB, one after the other", 1, 400, 128<<10),
		randomReads("rand_128k_16", "1,600 random reads of 128 KiB, 16 at once", 16, 1600, 128<<10),
		timedReads("rand_4k_4s",
			"random reads of 4 KiB in a file of 1 GiB for 4 s, one after the other",
			1, 4<<10, 4*time.Second),
		timedReads("rand_4k_15s", "the same for 15 s", 1, 4<<10, 15*time.Second),
	}
}
