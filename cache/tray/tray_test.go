package tray

import (
	"os"
	"path/filepath"
	"testing"
)

func open(t *testing.T, path string, most int) *Tray {
	t.Helper()
	tr, err := Open(path, 4096, most)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { tr.Close() })
	return tr
}

// TestPlaces: no place is had twice, there are no more than was said, and what an
// earlier process had is had until it is given back.
func TestPlaces(t *testing.T) {
	path := filepath.Join(t.TempDir(), "tray")
	tr := open(t, path, 3)
	had := map[int]bool{}
	for range 3 {
		n, ok := tr.Take()
		if !ok || had[n] {
			t.Fatalf("Take() = %d, %v when %v were taken", n, ok, had)
		}
		had[n] = true
		if _, err := tr.WriteAt(n, []byte{byte(n)}, 4095); err != nil {
			t.Fatal(err)
		}
	}
	if n, ok := tr.Take(); ok {
		t.Errorf("Take() = %d, a fourth of three", n)
	}
	tr.Give(1)
	if n, ok := tr.Take(); !ok || n != 1 {
		t.Errorf("Take() = %d, %v, want 1, which was given back", n, ok)
	}

	tr = open(t, path, 3)
	if n, ok := tr.Take(); ok || tr.Len() != 3 {
		t.Errorf("opened again, Take() = %d and Len() = %d, want none of 3", n, tr.Len())
	}
	for n := range 3 {
		var b [1]byte
		if _, err := tr.ReadAt(n, b[:], 4095); err != nil || b[0] != byte(n) {
			t.Errorf("place %d holds %d, %v", n, b[0], err)
		}
	}
	if err := tr.Empty(2); err != nil {
		t.Error(err)
	}
	var b [1]byte
	if n, ok := tr.Take(); !ok || n != 2 {
		t.Errorf("Take() = %d, %v, want 2", n, ok)
	}
	if _, err := tr.ReadAt(2, b[:], 4095); err != nil || b[0] != 0 {
		t.Errorf("the emptied place holds %d, %v, want 0", b[0], err)
	}
	if err := tr.Clear(); err != nil {
		t.Error(err)
	}
	if info, err := os.Stat(path); err != nil || info.Size() != 0 || tr.Len() != 0 {
		t.Errorf("cleared, there are %d places in %d bytes, %v", tr.Len(), info.Size(), err)
	}
	if _, err := Open(path, 4096, 3); err != nil {
		t.Error(err)
	}
}

// TestOtherTray: a file that is no tray of this kind is not taken for one.
func TestOtherTray(t *testing.T) {
	path := filepath.Join(t.TempDir(), "tray")
	if err := os.WriteFile(path, make([]byte, 4*4096), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(path, 4096, 3); err == nil {
		t.Error("opened four places as three")
	}
}
