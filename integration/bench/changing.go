package main

import (
	"errors"
	"os"

	"github.com/s3share/s3share/integration/bench/memserver"
)

// edit opens an old file, changes it and closes it.
func edit(path string, flag int, change func(*os.File) error) error {
	f, err := os.OpenFile(path, flag, 0)
	if err != nil {
		return err
	}
	return errors.Join(change(f), f.Close())
}

func changing() []*workload {
	const size = 256 * mib
	old := []memserver.Fill{{Key: "old.bin", Count: 1, Size: size, Seed: seedBig}}
	const at = 100 * mib // where the overwrite goes
	return []*workload{
		{
			name: "rename_256m", what: "rename a file of 256 MiB", standard: true, fills: old,
			app:   func(a *app) error { return os.Rename(a.path("old.bin"), a.path("new.bin")) },
			limit: func(c *s3Client, a *app) error { return c.rename("old.bin", "new.bin") },
			want: func() []memserver.Entry {
				return []memserver.Entry{entryOf("new.bin", memserver.Random(size, seedBig))}
			},
		},
		{
			name: "append_1m_to_256m", what: "append 1 MiB to a file of 256 MiB", standard: true, fills: old,
			app: func(a *app) error {
				b := memserver.Random(mib, seedTail)
				return edit(a.path("old.bin"), os.O_WRONLY|os.O_APPEND, func(f *os.File) error {
					_, err := f.Write(b)
					return err
				})
			},
			limit: func(c *s3Client, a *app) error {
				return c.compose("old.bin", copied(0, size), body(memserver.Random(mib, seedTail)))
			},
			want: func() []memserver.Entry {
				return []memserver.Entry{entryOf("old.bin", memserver.Random(size, seedBig), memserver.Random(mib, seedTail))}
			},
		},
		{
			name: "overwrite_1m_of_256m", what: "overwrite 1 MiB in the midst of a file of 256 MiB", fills: old, changed: "old.bin",
			app: func(a *app) error {
				b := memserver.Random(mib, seedTail)
				return edit(a.path("old.bin"), os.O_RDWR, func(f *os.File) error {
					_, err := f.WriteAt(b, at)
					return err
				})
			},
			limit: func(c *s3Client, a *app) error {
				edge := make([]byte, 4*mib) // a part has at least 5 MiB
				if err := c.get("old.bin", at+mib, edge); err != nil {
					return err
				}
				return c.compose("old.bin", copied(0, at),
					body(append(memserver.Random(mib, seedTail), edge...)), copied(at+5*mib, size-at-5*mib))
			},
			want: func() []memserver.Entry {
				b := memserver.Random(size, seedBig)
				copy(b[at:], memserver.Random(mib, seedTail))
				return []memserver.Entry{entryOf("old.bin", b)}
			},
		},
	}
}
