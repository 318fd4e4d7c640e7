package control

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/s3share/s3share/cmd/s3share/internal/config"
	"github.com/s3share/s3share/cmd/s3share/internal/statedir"
	"github.com/s3share/s3share/cmd/s3share/internal/testhome"
)

// TestMissingStateDirectory registers a state directory that is not there then: it is
// missed if its disk may be elsewhere, and not if it was removed.
func TestMissingStateDirectory(t *testing.T) {
	dir := testhome.Home(t)
	stateDir := filepath.Join(dir, "here")
	if err := config.MakePrivate(stateDir, "state directory", "--state-dir"); err != nil {
		t.Fatal(err)
	}
	lock, err := statedir.Lock(stateDir, statedir.LockInfo{})
	if err != nil {
		t.Fatal(err)
	}
	lock.Close()
	t.Setenv("HOME", dir)
	t.Setenv("XDG_STATE_HOME", "")
	t.Setenv("XDG_RUNTIME_DIR", filepath.Join(dir, "run"))
	if err := os.MkdirAll(filepath.Join(dir, "run"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := Register(stateDir); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { Unregister(stateDir) })
	known := func() (found, missing bool) {
		all, err := knownDirs()
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range all {
			if d.path == stateDir {
				found, missing = found || d.missing == "", missing || d.missing != ""
			}
		}
		return found, missing
	}
	if found, missing := known(); !found || missing {
		t.Errorf("it is found: %v, missing: %v", found, missing)
	}
	lasting, _ := registries()
	file := filepath.Join(lasting, registrationName(stateDir))
	if err := os.RemoveAll(stateDir); err != nil {
		t.Fatal(err)
	}
	if _, missing := known(); missing {
		t.Error("one that was removed is missing")
	}

	testhome.Write(t, "/", file, fmt.Sprintf(`{"state_dir": %q, "on": "/media/stick"}`, stateDir))
	if err := os.Remove(filepath.Join(filepath.Dir(newSocket(t, stateDir)), registryName,
		registrationName(stateDir))); err != nil {
		t.Fatal(err)
	}
	if found, missing := known(); found || !missing {
		t.Errorf("with its disk elsewhere it is found: %v, missing: %v", found, missing)
	}
	Unregister(stateDir)
	if found, missing := known(); found || missing {
		t.Errorf("once it is not registered any more it is found: %v, missing: %v", found, missing)
	}
}

func newSocket(t *testing.T, dir string) string {
	t.Helper()
	path, err := NewSocketPath(dir)
	if err != nil {
		t.Fatal(err)
	}
	return path
}
