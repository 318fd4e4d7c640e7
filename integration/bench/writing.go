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

// bigFiles writes n files of size bytes at once, in writes of bs.
func bigFiles(name string, standard bool, what string, n int, size int64, bs int) *workload {
	file := func(i int) string { return fmt.Sprintf("big%d.bin", i) }
	return &workload{
		name: name, what: what, standard: standard, bytes: int64(n) * size,
		app: func(a *app) error {
			var g errgroup.Group
			for i := range n {
				g.Go(func() error {
					return writeNew(a.path(file(i)), func(w io.Writer) error { return pattern(w, size, bs) })
				})
			}
			return g.Wait()
		},
		limit: func(c *s3Client, a *app) error {
			var g errgroup.Group
			for i := range n {
				g.Go(func() error { return c.putParts(file(i), size) })
			}
			return g.Wait()
		},
		want: func() []memserver.Entry {
			var out []memserver.Entry
			e := entry("", func(w io.Writer) error { return pattern(w, size, mib) })
			for i := range n {
				e.Key = folder + "/" + file(i)
				out = append(out, e)
			}
			return out
		},
	}
}

func writing() []*workload {
	return []*workload{
		bigFiles("write_1g", true, "write one file of 1 GiB, 1 MiB a write", 1, gib, mib),
		bigFiles("write_1g_128k", false, "the same, 128 KiB a write", 1, gib, 128<<10),
		bigFiles("write_4x256", false, "write four files of 256 MiB at once", 4, 256*mib, mib),
	}
}
