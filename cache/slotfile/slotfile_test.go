package slotfile

import (
	"os"
	"path/filepath"
	"testing"
)

func open(t *testing.T, path string, max int) *File {
	t.Helper()
	f, err := Open(path, 4096, max)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

// TestSlotsAreAllocatedOnce: no slot is allocated twice, there are at most max of them,
// and those of an earlier process stay allocated until they are freed.
func TestSlotsAreAllocatedOnce(t *testing.T) {
	path := filepath.Join(t.TempDir(), "slots")
	f := open(t, path, 3)
	had := map[int]bool{}
	for range 3 {
		n, ok := f.Alloc()
		if !ok || had[n] {
			t.Fatalf("Alloc() = %d, %v when %v were allocated", n, ok, had)
		}
		had[n] = true
		if _, err := f.WriteAt(n, []byte{byte(n)}, 4095); err != nil {
			t.Fatal(err)
		}
	}
	if n, ok := f.Alloc(); ok {
		t.Errorf("Alloc() = %d, a fourth of three", n)
	}
	f.Free(1)
	if n, ok := f.Alloc(); !ok || n != 1 {
		t.Errorf("Alloc() = %d, %v, want 1, which was freed", n, ok)
	}

	f = open(t, path, 3)
	if n, ok := f.Alloc(); ok || f.Len() != 3 {
		t.Errorf("opened again, Alloc() = %d and Len() = %d, want none of 3", n, f.Len())
	}
	for n := range 3 {
		var b [1]byte
		if _, err := f.ReadAt(n, b[:], 4095); err != nil || b[0] != byte(n) {
			t.Errorf("slot %d holds %d, %v", n, b[0], err)
		}
	}
	if err := f.Punch(2); err != nil {
		t.Error(err)
	}
	var b [1]byte
	if n, ok := f.Alloc(); !ok || n != 2 {
		t.Errorf("Alloc() = %d, %v, want 2", n, ok)
	}
	if _, err := f.ReadAt(2, b[:], 4095); err != nil || b[0] != 0 {
		t.Errorf("the punched slot holds %d, %v, want 0", b[0], err)
	}
	if _, err := Open(path, 4096, 3); err != nil {
		t.Error(err)
	}
}

// TestOpenRefusesALargerFile: a file with more slots than allowed is an error.
func TestOpenRefusesALargerFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "slots")
	if err := os.WriteFile(path, make([]byte, 4*4096), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(path, 4096, 3); err == nil {
		t.Error("opened four slots as three")
	}
}
