package outbox

import (
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/s3share/s3share/cache/buckettest"
	"github.com/s3share/s3share/cache/outbox/journal"
)

// TestJournalFilesAreRecycled: the second file makes no new journal.
func TestJournalFilesAreRecycled(t *testing.T) {
	bubble(t, Config{}, nil, func(r *rig) {
		it := r.create("Delivery/a", []byte("a"))
		r.apart(it)
		r.done(it)
		r.drain()
		kept := journals(r, journal.RecycledPrefix+"*")
		if len(kept) != 1 {
			r.Fatalf("%d journals are kept, want 1", len(kept))
		}
		it = r.create("Delivery/b", []byte("b"))
		r.apart(it)
		if now := journals(r, "*"+journal.Suffix); len(now) != 1 || !os.SameFile(now[0], kept[0]) {
			r.Errorf("the second file has journals %v, want that of the first", now)
		}
		r.done(it)
		r.drain()
		r.wantKeys("Delivery/a", "Delivery/b")
		r.Close()
		if left := journals(r, "*"); len(left) > 0 {
			r.Errorf("%d files are left after the end", len(left))
		}
	})
}

// TestRecycledJournalsAreRemovedAtTheStart: recycled journals of a killed process are no pending
// files.
func TestRecycledJournalsAreRemovedAtTheStart(t *testing.T) {
	b, dir := buckettest.New(), t.TempDir()
	// killed when it began that one
	for _, name := range []string{journal.RecycledPrefix + "1", "7-7" + journal.Suffix, "7-7"} {
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(dir, bootName),
		[]byte(journal.Boot(dir)), 0o600); err != nil {
		t.Fatal(err)
	}
	for range 2 { // what was staged without a journal goes at the next start
		r := newRig(t, b, dir, Config{}, nil)
		if items := r.recover(); len(items) > 0 {
			t.Errorf("%d items are recovered", len(items))
		}
		r.Close()
	}
	if left, err := os.ReadDir(dir); len(left) > 0 || err != nil {
		t.Errorf("left: %v, %v", left, err)
	}
}

// journals tells of the files in the outbox's directory whose names match.
func journals(r *rig, pattern string) (all []os.FileInfo) {
	r.Helper()
	names, err := fs.Glob(os.DirFS(r.dir), pattern)
	if err != nil {
		r.Fatal(err)
	}
	for _, name := range slices.Sorted(slices.Values(names)) {
		i, err := os.Stat(filepath.Join(r.dir, name))
		if err != nil {
			r.Fatal(err)
		}
		all = append(all, i)
	}
	return all
}
