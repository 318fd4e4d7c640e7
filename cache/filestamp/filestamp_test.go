package filestamp

import (
	"os"
	"path/filepath"
	"testing"
	"time"
)

// TestOf puts another file of the same size and time in a file's place.
func TestOf(t *testing.T) {
	dir, when := t.TempDir(), time.Unix(1e9, 0)
	path, other := filepath.Join(dir, "file"), filepath.Join(dir, "other")
	for _, name := range []string{path, other} {
		if err := os.WriteFile(name, []byte(filepath.Base(name))[:4], 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(name, when, when); err != nil {
			t.Fatal(err)
		}
	}
	stamp := func() string {
		st, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		return Of(st)
	}
	before := stamp()
	if again := stamp(); before == "" || again != before {
		t.Errorf("of a file that has not changed: %q, then %q", before, again)
	}
	if err := os.Rename(other, path); err != nil {
		t.Fatal(err)
	}
	if after := stamp(); after == before {
		t.Errorf("of another file: %q as before", after)
	}
}
