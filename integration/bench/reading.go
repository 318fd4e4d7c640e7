package main

import (
	"bytes"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"math/rand/v2"
	"os"

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

// bigReads reads n files of size bytes at once.
func bigReads(name string, standard bool, what string, n int, size int64, bs int) *workload {
	file := func(i int) string { return fmt.Sprintf("big%d.bin", i) }
	w := &workload{
		name: name, what: what, standard: standard, bytes: int64(n) * size, reads: n,
		fills: []memserver.Fill{{Key: "big%d.bin", Count: n, Size: size, Seed: seedBig}},
	}
	w.app = func(a *app) error {
		var g errgroup.Group
		for i := range n {
			g.Go(func() error { return a.readAll(file(i), bs) })
		}
		return g.Wait()
	}
	w.limit = func(c *s3Client, a *app) error {
		var g errgroup.Group
		for i := range n {
			g.Go(func() error { return c.getParts(file(i), size, a) })
		}
		return g.Wait()
	}
	return w
}

func reading() []*workload {
	warm := bigReads("read_1g_warm", true, "read it once more", 1, gib, mib)
	warm.warm, warm.limit = true, nil
	return []*workload{
		bigReads("read_1g", true, "read one file of 1 GiB, 1 MiB a read", 1, gib, mib),
		warm,
		bigReads("read_1g_128k", false, "the same cold, 128 KiB a read", 1, gib, 128<<10),
		bigReads("read_8x256", false, "read eight files of 256 MiB at once", 8, 256*mib, mib),
		{
			name: "ttfb_1g", what: "read the first 4 KiB of a file of 1 GiB",
			fills: []memserver.Fill{{Key: "big.bin", Count: 1, Size: gib, Seed: seedBig}},
			app: func(a *app) error {
				f, err := os.Open(a.path("big.bin"))
				if err != nil {
					return err
				}
				defer f.Close()
				b := make([]byte, 4<<10)
				if _, err = io.ReadFull(f, b); err == nil && !bytes.Equal(b, memserver.Random(int64(len(b)), seedBig)) {
					err = errors.New("wrong bytes")
				}
				return err
			},
			limit: func(c *s3Client, a *app) error {
				return c.get("big.bin", 0, make([]byte, 4<<10))
			},
		},
	}
}

// randomSize is the size of the file that random reads are from.
const randomSize = 256 * mib

// randomReads does count reads of size bytes at random places, in streams at once.
func randomReads(name, what string, streams, count int, size int64) *workload {
	run := func(a *app, read func(p []byte, off int64) error) error {
		var g errgroup.Group
		for s := range streams {
			g.Go(func() error {
				r := rand.New(rand.NewPCG(uint64(s), uint64(size)))
				p := make([]byte, size)
				for range count / streams {
					off := r.Int64N((randomSize-size)/4096) * 4096
					if err := read(p, off); err != nil {
						return err
					}
					if !bytes.Equal(p, a.data[off:off+size]) {
						return fmt.Errorf("wrong bytes at %d", off)
					}
				}
				return nil
			})
		}
		return g.Wait()
	}
	return &workload{
		name: name, what: what, bytes: int64(count) * size,
		fills: []memserver.Fill{{Key: "big.bin", Count: 1, Size: randomSize, Seed: seedBig}},
		prepare: func(a *app) error {
			a.data = memserver.Random(randomSize, seedBig)
			return nil
		},
		app: func(a *app) error {
			f, err := os.Open(a.path("big.bin"))
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
			return run(a, func(p []byte, off int64) error { return c.get("big.bin", off, p) })
		},
	}
}

func random() []*workload {
	return []*workload{
		randomReads("rand_4k_1", "1,000 random reads of 4 KiB in a file of 256 MiB, one after the other", 1, 1000, 4<<10),
		randomReads("rand_4k_16", "1,600 of them, 16 at once", 16, 1600, 4<<10),
		randomReads("rand_128k_1", "400 random reads of 128 KiB, one after the other", 1, 400, 128<<10),
		randomReads("rand_128k_16", "1,600 random reads of 128 KiB, 16 at once", 16, 1600, 128<<10),
	}
}
