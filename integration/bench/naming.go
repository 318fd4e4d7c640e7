package main

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/s3share/s3share/integration/bench/memserver"
)

// lists does `ls -l` in a folder of count small files.
func lists(name, what string, count int) *workload {
	return &workload{
		name: name, what: what,
		fills: []memserver.Fill{{Key: "f%05d", Count: count, Size: 16, Seed: seedSmall}},
		app: func(a *app) error {
			out, err := command("ls", "-l", a.dir)
			if err != nil {
				return err
			}
			var right int
			for line := range bytes.Lines(out) {
				if f := bytes.Fields(line); len(f) == 9 && string(f[4]) == "16" {
					right++
				}
			}
			if right != count {
				return fmt.Errorf("ls: %d of %d files with their size", right, count)
			}
			return nil
		},
		limit: func(c *s3Client, a *app) error {
			n, err := c.list()
			if err == nil && n != count {
				err = fmt.Errorf("%d of %d files", n, count)
			}
			return err
		},
	}
}

func naming() []*workload {
	thousands := lists("ls_10k", "ls -l in a folder of 10,000 files", 10_000)
	more := lists("ls_100k", "ls -l in a folder of 100,000 files", 100_000)
	million := lists("ls_1m", "ls -l in a folder of 1,000,000 files", 1_000_000)
	million.extra = true
	return []*workload{
		thousands, again(thousands, "ls_10k_warm",
			"ls -l in a folder of 10,000 files a second time"),
		more, again(more, "ls_100k_warm", "ls -l in a folder of 100,000 files a second time"),
		million,
		{
			name: "find_tree", what: "find 10,000 files in 200 folders",
			fills: func() []memserver.Fill {
				var out []memserver.Fill
				for d := range 200 {
					out = append(out, memserver.Fill{Key: fmt.Sprintf("d%03d/f", d) + "%d",
						Count: 50, Size: 16, Seed: seedSmall})
				}
				return out
			}(),
			app: func(a *app) error {
				out, err := command("find", a.dir, "-type", "f")
				if n := bytes.Count(out, []byte("\n")); err == nil && n != 10_000 {
					err = fmt.Errorf("find: %d of 10,000 files", n)
				}
				return err
			},
			limit: func(c *s3Client, a *app) error {
				_, err := c.list()
				return err
			},
		},
		{
			name:  "stat_storm",
			what:  "stat 10,000 files and 2,000 names that are not there, without a listing",
			fills: []memserver.Fill{{Key: "f%05d", Count: 10_000, Size: 16, Seed: seedSmall}},
			app: func(a *app) error {
				for i := range 12_000 {
					st, err := os.Stat(a.path(smallName(i)))
					switch {
					case i < 10_000 && err != nil:
						return err
					case i < 10_000 && st.Size() != 16:
						return fmt.Errorf("%s has %d bytes", st.Name(), st.Size())
					case i >= 10_000 && !errors.Is(err, fs.ErrNotExist):
						return fmt.Errorf("stat of a file that is not there: %w", err)
					}
				}
				return nil
			},
			limit: func(c *s3Client, a *app) error {
				_, err := c.list()
				return err
			},
		},
	}
}
