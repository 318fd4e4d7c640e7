// Package testhome is what the tests of the command and of its packages share: a home
// directory, files in it, and the choice between skipping and failing where a tool of
// this machine is missing. Only tests import it.
package testhome

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Home is a fresh home directory in which s3share runs.
func Home(t *testing.T) string {
	t.Helper()
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// Write makes a file below dir, and the directories on the way.
func Write(t *testing.T, dir, name, content string) {
	t.Helper()
	file := filepath.Join(dir, name)
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

// Need skips a test where it cannot be run, or fails it where S3SHARE_NEED asks
// for it.
func Need(t *testing.T, what string, have bool, missing string) {
	t.Helper()
	if have {
		return
	}
	for asked := range strings.SplitSeq(os.Getenv("S3SHARE_NEED"), ",") {
		if asked == what {
			t.Fatal(missing)
		}
	}
	t.Skip(missing)
}
