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

// edited is the pattern of size bytes with b written over it at an offset.
func edited(size int64, b []byte, at int64) []byte {
	out := make([]byte, max(size, at+int64(len(b))))
	memserver.Pattern(out[:size], 0)
	copy(out[at:], b)
	return out
}

// wantOne is a folder of one file.
func wantOne(name string, b func() []byte) func(string) ([]memserver.Entry, error) {
	return func(string) ([]memserver.Entry, error) {
		return []memserver.Entry{entryOf(name, b())}, nil
	}
}

func changing() []*workload {
	const size = 256 * mib
	old := []memserver.Fill{{Key: "old.bin", Count: 1, Size: size, Pattern: true}}
	const at = 100 * mib // where the overwrite goes
	tail := func() []byte { return memserver.Random(mib, seedTail) }
	return []*workload{
		{
			name: "rename_256m", what: "rename a file of 256 MiB", fills: old,
			app:   func(a *app) error { return os.Rename(a.path("old.bin"), a.path("new.bin")) },
			limit: func(c *s3Client, a *app) error { return c.rename("old.bin", "new.bin") },
			want:  wantOne("new.bin", func() []byte { return edited(size, nil, 0) }),
		},
		{
			name: "append_1m_to_256m", what: "append 1 MiB to a file of 256 MiB", fills: old,
			app: func(a *app) error {
				return edit(a.path("old.bin"), os.O_WRONLY|os.O_APPEND, func(f *os.File) error {
					_, err := f.Write(tail())
					return err
				})
			},
			limit: func(c *s3Client, a *app) error {
				return c.compose("old.bin", inFlight, copied(0, size), body(tail()))
			},
			want: wantOne("old.bin", func() []byte { return edited(size, tail(), size) }),
		},
		{
			name: "overwrite_1m_of_256m", what: "overwrite 1 MiB in the midst of a file of 256 MiB",
			fills: old, changed: "old.bin",
			app: func(a *app) error {
				return edit(a.path("old.bin"), os.O_RDWR, func(f *os.File) error {
					_, err := f.WriteAt(tail(), at)
					return err
				})
			},
			limit: func(c *s3Client, a *app) error {
				edge := make([]byte, 4*mib) // a part has at least 5 MiB
				if err := c.get("old.bin", at+mib, edge); err != nil {
					return err
				}
				return c.compose("old.bin", inFlight, copied(0, at), body(append(tail(), edge...)),
					copied(at+5*mib, size-at-5*mib))
			},
			want: wantOne("old.bin", func() []byte { return edited(size, tail(), at) }),
		},
		{
			name: "rm_5000", what: "rm -rf a folder of 5,000 files",
			fills: []memserver.Fill{{Key: "tree/f%05d", Count: 5000, Size: 16, Seed: seedSmall}},
			app: func(a *app) error {
				_, err := command("rm", "-rf", a.path("tree"))
				return err
			},
			limit: func(c *s3Client, a *app) error { return c.removeAll("tree/") },
			want:  func(string) ([]memserver.Entry, error) { return []memserver.Entry{}, nil },
		},
	}
}
