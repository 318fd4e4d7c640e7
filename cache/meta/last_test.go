package meta

import (
	"context"
	"testing"

	"github.com/s3share/s3share/s3backend"
)

// silent is a bucket that is out of reach.
type silent struct{}

func (silent) List(context.Context, s3backend.ListInput) (s3backend.Page, error) {
	return s3backend.Page{}, &s3backend.Error{Op: "ListObjectsV2", Offline: true}
}

// TestLastOfAnotherProcess: what was listed last is known to a later process, in the order of
// keys and with what changed here since; a directory that was not there then is empty; and none
// of it is an answer of Lookup.
func TestLastOfAnotherProcess(t *testing.T) {
	c := New(silent{}, Config{})
	defer c.Close()
	c.mu.Lock()
	l := c.newListingLocked("Delivery/", allPages)
	l.complete, l.pages = true, 1
	l.entries.append([]Entry{{Name: "a", ETag: "1", Size: 1}, {Name: "b\xff", ETag: "2", Size: 2},
		{Name: "dir", Size: isDir}})
	c.last.keep(l)
	c.mu.Unlock()
	c.Put(s3backend.Object{Key: "Delivery/ab", ETag: "3", Size: 3})
	c.Remove("Delivery/a")
	data, err := c.SaveLast()
	if err != nil {
		t.Fatal(err)
	}

	later := New(silent{}, Config{})
	defer later.Close()
	if err := later.LoadLast(data); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]Found{
		"a": {}, "absent": {}, "dir": {IsDir: true},
		"ab":    {IsFile: true, File: Entry{Name: "ab", ETag: "3", Size: 3}},
		"b\xff": {IsFile: true, File: Entry{Name: "b\xff", ETag: "2", Size: 2}},
	} {
		got, ok := later.Last("Delivery/", name)
		if got.File.Modified = 0; !ok || got != want {
			t.Errorf("Last(%q) = %+v, %v, want %+v", name, got, ok, want)
		}
	}
	if _, ok := later.Last("Submissions/", "x"); ok {
		t.Error("a folder that was never listed is known")
	}
	if l := later.LastListing("Delivery/new/"); l == nil || l.size() != 0 {
		t.Error("a directory that S3 did not hold is not known to be empty")
	}
	if later.LastListing("Delivery/dir/") != nil {
		t.Error("a directory that was never listed is known")
	}
	if _, err := later.Lookup(t.Context(), "Delivery/", "ab", -1); err == nil {
		t.Error("Lookup has answered with what is too old")
	}
}
