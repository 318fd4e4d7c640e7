package daemon

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/s3share/s3share/cmd/s3share/internal/config"
)

// TestFailedStartRemovesWhatItMade: its own files go, and anything else keeps the
// directory and all that is in it.
func TestFailedStartRemovesWhatItMade(t *testing.T) {
	for _, c := range []struct {
		name string
		came string // into the state directory
		kept bool
	}{
		{"nothing else", "", false},
		{"a staged file", "stage/1-1", true},
		{"a journal", "stage/1-1.log", true},
		{"somebody's file", "notes.txt", true},
		{"a ledger", "ledger.jsonl", true},
		{"an upload that a probe left", "probes.json", true},
	} {
		t.Run(c.name, func(t *testing.T) {
			top := filepath.Join(t.TempDir(), "top")
			state := filepath.Join(top, "state")
			d := &mountDaemon{settings: &config.Settings{StateDir: state}, dir: "/mnt"}
			if err := d.acquireDirs(t.Context()); err != nil {
				t.Fatal(err)
			}
			defer d.lock.Close()
			defer d.logFile.Close()
			if err := os.Mkdir(filepath.Join(state, "stage"), 0o700); err != nil {
				t.Fatal(err)
			}
			if c.came != "" {
				if err := os.WriteFile(filepath.Join(state, c.came),
					[]byte("data"), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			err := removeMade(d.made)
			if !c.kept {
				if _, serr := os.Stat(top); err != nil || !os.IsNotExist(serr) {
					t.Errorf("unmake = %v, and %s is there: %v", err, top, serr)
				}
				return
			}
			if data, err := os.ReadFile(filepath.Join(state, c.came)); string(data) != "data" {
				t.Errorf("%s holds %q, %v", c.came, data, err)
			}
		})
	}
}
