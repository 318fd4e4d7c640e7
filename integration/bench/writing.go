package main

import (
	"fmt"
	"io"
	"os"

	"golang.org/x/sync/errgroup"

	"github.com/s3share/s3share/integration/bench/memserver"
)

// writeNew makes a new file and closes it.
func writeNew(path string, write func(io.Writer) error) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return err
	}
	if err := write(f); err != nil {
		f.Close() // the first error says it
		return err
	}
	return f.Close()
}

// wantPatterns are files of size bytes, by number.
func wantPatterns(n int, size int64) []memserver.Entry {
	var out []memserver.Entry
	e := entry("", func(w io.Writer) error { return pattern(w, size, mib) })
	for i := range n {
		e.Key = folder + "/" + bigName(i)
		out = append(out, e)
	}
	return out
}

func bigName(i int) string { return fmt.Sprintf("big%d.bin", i) }

// bigWrites writes n files of size bytes at once, in writes of bs.
func bigWrites(name, what string, n int, size int64, bs int) *workload {
	return &workload{
		name: name, what: what, bytes: int64(n) * size, fuse: true,
		app: func(a *app) error {
			var g errgroup.Group
			for i := range n {
				g.Go(func() error {
					return writeNew(a.path(bigName(i)),
						func(w io.Writer) error { return pattern(w, size, bs) })
				})
			}
			return g.Wait()
		},
		limit: func(c *s3Client, a *app) error {
			var g errgroup.Group
			for i := range n {
				g.Go(func() error { return c.putParts(bigName(i), size, inFlight/n) })
			}
			return g.Wait()
		},
		want: func(string) ([]memserver.Entry, error) { return wantPatterns(n, size), nil },
	}
}

func writing() []*workload {
	tls := bigWrites("write_1g_tls",
		"write one file of 1 GiB, 1 MiB a write, to a bucket behind TLS", 1, gib, mib)
	tls.tls, tls.fuse = true, false
	return []*workload{
		bigWrites("write_1g", "write one file of 1 GiB, 1 MiB a write", 1, gib, mib),
		bigWrites("write_1g_128k", "the same, 128 KiB a write", 1, gib, 128<<10),
		bigWrites("write_4x256", "write four files of 256 MiB at once", 4, 256*mib, mib),
		tls,
	}
}
