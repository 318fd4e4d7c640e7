package main

import (
	"archive/tar"
	"bytes"
	"fmt"
	"hash/crc32"
	"io"
	"os/exec"
	"path/filepath"
	"strings"

	"golang.org/x/sync/errgroup"

	"github.com/s3share/s3share/integration/bench/memserver"
)

func smallName(i int) string { return fmt.Sprintf("f%05d", i) }

// creates makes count files of 4 KiB, streams at once.
func creates(name, what string, streams, count int) *workload {
	const size = 4 << 10
	each := func(n int, do func(i int) error) error {
		var g errgroup.Group
		g.SetLimit(n)
		for i := range count {
			g.Go(func() error { return do(i) })
		}
		return g.Wait()
	}
	return &workload{
		name: name, what: what, fuse: true,
		app: func(a *app) error {
			return each(streams, func(i int) error {
				b := memserver.Random(size, seedSmall+int64(i))
				return writeNew(a.path(smallName(i)), func(w io.Writer) error {
					_, err := w.Write(b)
					return err
				})
			})
		},
		limit: func(c *s3Client, a *app) error {
			return each(inFlight, func(i int) error {
				return c.put(smallName(i), memserver.Random(size, seedSmall+int64(i)))
			})
		},
		want: func(string) ([]memserver.Entry, error) {
			var out []memserver.Entry
			for i := range count {
				out = append(out, entryOf(smallName(i), memserver.Random(size, seedSmall+int64(i))))
			}
			return out, nil
		},
	}
}

// smallReads reads 2,000 files of 16 KiB in the order of their names.
func smallReads(name, what string, streams int) *workload {
	const count, size = 2000, 16 << 10
	return &workload{
		name: name, what: what, reads: count,
		fills: []memserver.Fill{{Key: "f%05d", Count: count, Size: size, Seed: seedSmall}},
		app: func(a *app) error {
			var g errgroup.Group
			g.SetLimit(streams)
			for i := range count {
				g.Go(func() error { return a.readAll(smallName(i), size) })
			}
			return g.Wait()
		},
		limit: func(c *s3Client, a *app) error {
			var g errgroup.Group
			g.SetLimit(inFlight)
			for i := range count {
				g.Go(func() error { return c.getParts(smallName(i), size, 1, a) })
			}
			return g.Wait()
		},
	}
}

// command runs a program whose output is to be nothing but what it is asked for.
func command(name string, args ...string) ([]byte, error) {
	cmd := exec.Command(name, args...)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil || errs.Len() > 0 {
		return nil, fmt.Errorf("%s: %w: %s", name, err, tail(errs.Bytes()))
	}
	return out.Bytes(), nil
}

// tellTar tells of all files in a tar archive.
func (a *app) tellTar(archive []byte) error {
	t := tar.NewReader(bytes.NewReader(archive))
	for {
		h, err := t.Next()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		if h.Typeflag != tar.TypeReg {
			continue
		}
		crc := crc32.New(castagnoli)
		if _, err := io.Copy(crc, t); err != nil {
			return err
		}
		a.tell(strings.TrimPrefix(h.Name, "./"), crc.Sum32())
	}
}

func small() []*workload {
	return []*workload{
		creates("create_1000", "make 1,000 files of 4 KiB, one after the other", 1, 1000),
		creates("create_1000_p16", "the same, 16 at once", 16, 1000),
		{
			name:    "cp_tree",
			what:    "cp -a a tree of 2,000 files of 4 KiB in 20 folders into the mount",
			fixture: treeFixture, fuse: true, limit: putFixture("tree"), want: wantFixture("tree"),
			app: func(a *app) error {
				_, err := command("cp", "-a", filepath.Join(a.fixture, "tree"), a.dir)
				return err
			},
		},
		{
			name: "untar", what: "unpack Go's src/net in the mount",
			fixture: netFixture, fuse: true, limit: putFixture("net"), want: wantFixture("net"),
			app: func(a *app) error {
				_, err := command("tar", "-xf", filepath.Join(a.fixture, "net.tar"),
					"-C", a.dir, "--no-same-owner")
				return err
			},
		},
		{
			name: "git_clone", what: "clone a repository of Go's src/net into the mount",
			fixture: gitFixture, limit: putFixture("clone"), want: wantFixture("clone"),
			app: func(a *app) error {
				_, err := git("clone", "-q",
					"file://"+filepath.Join(a.fixture, "net.git"), a.path("clone"))
				return err
			},
		},
		smallReads("read_2000x16k", "read 2,000 files of 16 KiB, one after the other", 1),
		smallReads("read_2000x16k_p16", "the same, 16 at once", 16),
		{
			name: "tar_out", what: "tar 500 files of 16 KiB in 20 folders out of the mount",
			reads: 500,
			fills: func() []memserver.Fill {
				var out []memserver.Fill
				for d := range 20 {
					out = append(out, memserver.Fill{Key: fmt.Sprintf("d%02d/", d) + "f%05d",
						Count: 25, Size: 16 << 10, Seed: seedSmall + int64(100*d)})
				}
				return out
			}(),
			app: func(a *app) error {
				out, err := command("tar", "-cf", "-", "-C", a.dir, ".")
				if err != nil {
					return err
				}
				return a.tellTar(out)
			},
		},
	}
}
