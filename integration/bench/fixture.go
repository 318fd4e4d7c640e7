package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	iofs "io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"golang.org/x/sync/errgroup"

	"github.com/s3share/s3share/integration/bench/memserver"
)

// Below a fixture's directory is what a program copies, and, in a folder, what
// must arrive. The fixtures are made from nothing or from the Go tree, which is
// on every machine that builds the benchmark.

// treeFixture is 2,000 files of 4 KiB in 20 folders, in "tree".
var treeFixture = &fixture{"tree", func(dir string) error {
	const folders, files, size = 20, 100, 4 << 10
	for i := range folders * files {
		p := filepath.Join(dir, "tree", fmt.Sprintf("d%02d", i/files), smallName(i))
		if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(p, memserver.Random(size, seedSmall+int64(i)), 0o644); err != nil {
			return err
		}
	}
	return nil
}}

// netFixture is Go's src/net, in "net" and in "net.tar".
var netFixture = &fixture{"net", func(dir string) error {
	if err := copyNet(dir); err != nil {
		return err
	}
	_, err := command("tar", "-cf", filepath.Join(dir, "net.tar"), "-C", dir, "net")
	return err
}}

// gitFixture is a repository of Go's src/net, in "net.git", and a clone of it.
var gitFixture = &fixture{"git", func(dir string) error {
	if err := copyNet(dir); err != nil {
		return err
	}
	work, bare := filepath.Join(dir, "net"), filepath.Join(dir, "net.git")
	for _, args := range [][]string{
		{"init", "-q", work},
		{"-C", work, "add", "."},
		{"-C", work, "commit", "-q", "-m", "net"},
		{"clone", "-q", "--bare", "file://" + work, bare},
		{"-C", bare, "config", "pack.threads", "1"}, // so that each clone gets the same pack
		{"-C", bare, "repack", "-q", "-a", "-d", "-f"},
		{"clone", "-q", "file://" + bare, filepath.Join(dir, "clone")},
	} {
		if _, err := git(args...); err != nil {
			return err
		}
	}
	return nil
}}

// copyNet copies Go's src/net to dir.
func copyNet(dir string) error {
	root, err := exec.Command("go", "env", "GOROOT").Output()
	if err != nil {
		return fmt.Errorf("the tree to copy is Go's own, and go does not say where it is: %w", err)
	}
	return os.CopyFS(filepath.Join(dir, "net"),
		os.DirFS(filepath.Join(string(bytes.TrimSpace(root)), "src", "net")))
}

// git runs git without the settings of whoever measures.
func git(args ...string) ([]byte, error) {
	return command("env", append([]string{
		"GIT_CONFIG_NOSYSTEM=1", "GIT_CONFIG_GLOBAL=" +
			os.DevNull, "GIT_AUTHOR_NAME=bench", "GIT_AUTHOR_EMAIL=bench@localhost",
		"GIT_COMMITTER_NAME=bench", "GIT_COMMITTER_EMAIL=bench@localhost",
		"GIT_AUTHOR_DATE=1700000000 +0000",
		"GIT_COMMITTER_DATE=1700000000 +0000", "git",
	}, args...)...)
}

// own reports whether a file of a clone differs from one to the next: git notes
// there when and where it was made.
func own(name string) bool {
	return strings.HasSuffix(name, ".git/config") || strings.HasSuffix(name, ".git/index") ||
		strings.Contains(name, ".git/logs/")
}

// wantFixture is all files of a fixture's folder name, as entries.
func wantFixture(name string) func(fixture string) ([]memserver.Entry, error) {
	return func(fixture string) ([]memserver.Entry, error) {
		var out []memserver.Entry
		err := walk(fixture, name, func(name string) error {
			b, err := os.ReadFile(filepath.Join(fixture, name))
			sum := sha256.Sum256(b)
			e := memserver.Entry{Key: folder + "/" + name, Size: int64(len(b)),
				Hash: hex.EncodeToString(sum[:])}
			if own(name) {
				e.Size, e.Hash = -1, ""
			}
			out = append(out, e)
			return err
		})
		return out, err
	}
}

// putFixture puts all files of a fixture's folder name by plain requests.
func putFixture(name string) func(*s3Client, *app) error {
	return func(c *s3Client, a *app) error {
		var g errgroup.Group
		g.SetLimit(inFlight)
		err := walk(a.fixture, name, func(name string) error {
			g.Go(func() error {
				b, err := os.ReadFile(filepath.Join(a.fixture, name))
				if err != nil {
					return err
				}
				return c.put(name, b)
			})
			return nil
		})
		if e := g.Wait(); e != nil {
			return e
		}
		return err
	}
}

// walk calls each for every file of the folder name in dir, by its path in dir.
func walk(dir, name string, each func(name string) error) error {
	return iofs.WalkDir(os.DirFS(dir), name, func(p string, d iofs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		return each(p)
	})
}
