package cache

import (
	"bytes"
	"context"
	"errors"
	"io"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/s3share/s3share/cache/buckettest"
	"github.com/s3share/s3share/s3backend"
)

// rig is an exchange over a bucket in memory.
type rig struct {
	*testing.T
	*Cache
	b *buckettest.Bucket
}

// rigIn is an exchange with what dir has of an earlier process. s3 is b, or what stands before it.
func rigIn(t *testing.T, s3 buckettest.S3, b *buckettest.Bucket, dir string) *rig {
	t.Helper()
	c, err := New(s3, Config{Folders: []string{"Delivery"}, StateDir: dir, Memory: 16 << 20})
	if err != nil {
		t.Fatal(err)
	}
	return &rig{t, c, b}
}

// bubble runs a test in its own time; fault, if not nil, stands before the bucket.
func bubble(t *testing.T, fault func(buckettest.S3) buckettest.S3, test func(*rig)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		b := buckettest.New()
		var s3 buckettest.S3 = b
		if fault != nil {
			s3 = fault(b)
		}
		r := rigIn(t, s3, b, t.TempDir())
		defer r.Close()
		test(r)
	})
}

func (r *rig) create(path, data string) *Handle {
	r.Helper()
	h, err := r.Create(r.Context(), path, nil, true, OpenMode{})
	if err != nil {
		r.Fatalf("Create %q: %v", path, err)
	}
	r.writeAt(h, data, 0)
	return h
}

func (r *rig) writeAt(h *Handle, data string, off int64) {
	r.Helper()
	if n, err := h.WriteAt(r.Context(), []byte(data), off); n != len(data) || err != nil {
		r.Fatalf("WriteAt = %d, %v", n, err)
	}
}

func (r *rig) open(path string, mode OpenMode) *Handle {
	r.Helper()
	h, err := r.Open(r.Context(), path, mode)
	if err != nil {
		r.Fatalf("Open %q: %v", path, err)
	}
	return h
}

// edit changes the beginning of a file.
func (r *rig) edit(path, data string) {
	r.Helper()
	h := r.open(path, OpenMode{Write: true})
	r.writeAt(h, data, 0)
	h.Release()
}

// shown is what a program knows that looks at path now.
func (r *rig) shown(path string) ShownVersion {
	a, _ := r.Stat(r.Context(), path)
	return a.Version()
}

func (r *rig) rename(from, to string) {
	r.Helper()
	if _, err := r.Rename(r.Context(), from, to, r.shown(to)); err != nil {
		r.Fatalf("Rename %q to %q: %v", from, to, err)
	}
}

func (r *rig) remove(path string) {
	r.Helper()
	if err := r.Remove(r.Context(), path, r.shown(path)); err != nil {
		r.Fatalf("Remove %q: %v", path, err)
	}
}

// text is what a handle reads.
func (r *rig) text(h *Handle) string {
	r.Helper()
	buf := make([]byte, 1000)
	n, err := h.ReadAt(r.Context(), buf, 0)
	if err != nil && err != io.EOF {
		r.Fatalf("ReadAt: %v", err)
	}
	return string(buf[:n])
}

// wantShown fails unless the folder shows these names, and Stat agrees.
func (r *rig) wantShown(dir string, want ...string) {
	r.Helper()
	d, err := r.OpenDir(r.Context(), dir)
	if err != nil {
		r.Fatalf("OpenDir %q: %v", dir, err)
	}
	var got []string
	for {
		e, _, ok, err := d.Next(r.Context())
		if err != nil {
			r.Fatalf("Next: %v", err)
		}
		if !ok {
			break
		}
		a, err := r.Stat(r.Context(), dir+"/"+e.Name)
		if err != nil || a.Size != e.Attr.Size || a.Dir != e.Attr.Dir {
			r.Errorf("%s/%s is listed as %+v, and found as %+v, %v", dir, e.Name, e.Attr, a, err)
		}
		got = append(got, e.Name)
	}
	slices.Sort(got)
	if !slices.Equal(got, want) {
		r.Errorf("%s shows %q, want %q", dir, got, want)
	}
}

func (r *rig) wantText(path, want string) {
	r.Helper()
	h := r.open(path, OpenMode{})
	defer h.Release()
	if got := r.text(h); got != want {
		r.Errorf("%s reads %q, want %q", path, got, want)
	}
}

func (r *rig) drain() {
	r.Helper()
	ctx, cancel := context.WithTimeout(r.Context(), time.Hour)
	defer cancel()
	if err := r.deliveries.Drain(ctx); err != nil {
		r.Fatalf("Drain: %v; %+v", err, r.deliveries.Status())
	}
	synctest.Wait()
}

// wantBucket fails unless the bucket holds exactly this.
func (r *rig) wantBucket(want map[string]string) {
	r.Helper()
	for key, data := range want {
		if got, ok := r.b.Data(key); !ok || !bytes.Equal(got, []byte(data)) {
			r.Errorf("the bucket holds %q at %q (%v), want %q", got, key, ok, data)
		}
	}
	if len(r.b.Keys()) != len(want) {
		r.Errorf("the bucket holds %q, want %d keys", r.b.Keys(), len(want))
	}
}

func TestViewShowsWhatIsOwed(t *testing.T) {
	bubble(t, nil, func(r *rig) {
		r.b.Store("Delivery/theirs", []byte("theirs"), nil)
		r.b.Store("Delivery/gone", []byte("gone"), nil)
		r.b.Store("Delivery/edited", []byte("before"), nil)
		r.create("Delivery/new", "new").Release()
		r.create("Delivery/.new.Xy12Z9", "private").Release()
		r.edit("Delivery/edited", "longer than before")
		r.remove("Delivery/gone")
		if err := r.Mkdir(r.Context(), "Delivery/folder", nil); err != nil {
			r.Fatal(err)
		}
		r.create("Delivery/folder/x", "x").Release()
		for range 2 { // owed first, then delivered
			r.wantShown("Delivery", ".new.Xy12Z9", "edited", "folder", "new", "theirs")
			r.wantShown("Delivery/folder", "x")
			r.wantText("Delivery/edited", "longer than before")
			r.wantText("Delivery/new", "new")
			if _, err := r.Stat(r.Context(), "Delivery/gone"); !errors.Is(err, s3backend.NotExist) {
				r.Errorf("Stat of what was removed: %v, want NotExist", err)
			}
			r.drain()
		}
		r.wantBucket(map[string]string{"Delivery/theirs": "theirs", "Delivery/new": "new",
			"Delivery/edited": "longer than before", "Delivery/folder/": "",
			"Delivery/folder/x": "x"})
	})
}

func TestNamesThatAreTaken(t *testing.T) {
	bubble(t, nil, func(r *rig) {
		r.b.Store("Delivery/f", []byte("f"), nil)
		r.b.Store("Delivery/d/x", []byte("x"), nil)
		for what, c := range map[string]struct{ got, want error }{
			"Create of a file":   {second(r.Create(r.Context(), "Delivery/f", nil, true, OpenMode{})), ErrExist},
			"Create of a folder": {second(r.Create(r.Context(), "Delivery/d", nil, false, OpenMode{})), ErrIsDir},
			"Create elsewhere":   {second(r.Create(r.Context(), "Other/f", nil, true, OpenMode{})), ErrNotHere},
			"Mkdir":              {r.Mkdir(r.Context(), "Delivery/f", nil), ErrExist},
			"Rmdir of a file":    {r.Rmdir(r.Context(), "Delivery/f"), ErrNotDir},
			"Rmdir":              {r.Rmdir(r.Context(), "Delivery/d"), ErrNotEmpty},
			"Remove of a folder": {r.Remove(r.Context(), "Delivery/d", ShownVersion{}), ErrIsDir},
			"Rename onto a file": {second(r.RenameNew(r.Context(), "Delivery/d/x", "Delivery/f")), ErrExist},
			"Rename into itself": {second(r.Rename(r.Context(), "Delivery/d", "Delivery/d/e", ShownVersion{})), ErrInvalid},
		} {
			if !errors.Is(c.got, c.want) {
				r.Errorf("%s: %v, want %v", what, c.got, c.want)
			}
		}
		r.wantBucket(map[string]string{"Delivery/f": "f", "Delivery/d/x": "x"})
	})
}

func second[T any](_ T, err error) error { return err }

// TestRename gives files other names, in each state that they may be in.
func TestRename(t *testing.T) {
	for _, c := range []struct {
		name, stored string
		do           func(*rig)
		want         string
	}{
		{"delivered", "one", func(*rig) {}, "one"},
		{"owed", "", func(r *rig) { r.create("Delivery/a", "one").Release() }, "one"},
		{"edited", "before", func(r *rig) { r.edit("Delivery/a", "B") }, "Before"},
	} {
		for name, over := range map[string]struct {
			stored string
			do     func(*rig)
		}{
			"to a new name":      {"", func(*rig) {}},
			"over a delivered":   {"old", func(*rig) {}},
			"over an owed":       {"", func(r *rig) { r.create("Delivery/b", "old").Release() }},
			"over an edited":     {"old", func(r *rig) { r.edit("Delivery/b", "O") }},
			"over one removed":   {"old", func(r *rig) { r.remove("Delivery/b") }},
			"over one that left": {"old", func(r *rig) { r.rename("Delivery/b", "Delivery/c") }},
		} {
			t.Run(c.name+" "+name, func(t *testing.T) {
				bubble(t, nil, func(r *rig) {
					for key, data := range map[string]string{"Delivery/a": c.stored,
						"Delivery/b": over.stored} {
						if data != "" {
							r.b.Store(key, []byte(data), nil)
						}
					}
					c.do(r)
					over.do(r)
					r.rename("Delivery/a", "Delivery/b")
					for range 2 {
						r.wantText("Delivery/b", c.want)
						if _, err := r.Stat(r.Context(),
							"Delivery/a"); !errors.Is(err, s3backend.NotExist) {
							r.Errorf("Stat of the old name: %v, want NotExist", err)
						}
						r.drain()
						time.Sleep(time.Minute)
					}
					want := map[string]string{"Delivery/b": c.want}
					if name == "over one that left" {
						want["Delivery/c"] = "old"
					}
					r.wantBucket(want)
				})
			})
		}
	}
}

// TestNewFileWhereARenamedWas is a backup by rename: the name is used again.
func TestNewFileWhereARenamedWas(t *testing.T) {
	for name, edit := range map[string]bool{"delivered": false, "edited": true} {
		t.Run(name, func(t *testing.T) {
			bubble(t, nil, func(r *rig) {
				r.b.Store("Delivery/a", []byte("one"), nil)
				if edit {
					r.edit("Delivery/a", "o")
				}
				r.rename("Delivery/a", "Delivery/a.bak")
				r.create("Delivery/a", "new").Release()
				r.drain()
				r.wantBucket(map[string]string{"Delivery/a": "new", "Delivery/a.bak": "one"})
				r.wantShown("Delivery", "a", "a.bak")
			})
		})
	}
}

func TestRenameFolder(t *testing.T) {
	bubble(t, nil, func(r *rig) {
		for _, key := range []string{"Delivery/old/", "Delivery/old/a", "Delivery/old/sub/b"} {
			r.b.Store(key, nil, nil)
		}
		r.create("Delivery/old/owed", "owed").Release()
		h := r.open("Delivery/old/sub/b", OpenMode{Write: true})
		r.rename("Delivery/old", "Delivery/new")
		r.writeAt(h, "written after", 0)
		h.Release()
		for range 2 {
			r.wantShown("Delivery", "new")
			r.wantShown("Delivery/new", "a", "owed", "sub")
			r.wantText("Delivery/new/sub/b", "written after")
			r.drain()
		}
		r.wantBucket(map[string]string{"Delivery/new/": "", "Delivery/new/a": "",
			"Delivery/new/owed": "owed", "Delivery/new/sub/b": "written after"})
	})
}

// TestSaveAsVim renames a file to a private name, and makes it anew, where the
// policy grants no delete: one conditional commit.
func TestSaveAsVim(t *testing.T) {
	bubble(t, buckettest.DenyDelete, func(r *rig) {
		r.b.Store("Delivery/f", []byte("before"), nil)
		r.rename("Delivery/f", "Delivery/f~")
		r.wantText("Delivery/f~", "before")
		r.create("Delivery/f", "after").Release()
		r.wantText("Delivery/f", "after")
		r.drain()
		r.remove("Delivery/f~")
		time.Sleep(time.Minute)
		r.drain()
		r.wantShown("Delivery", "f")
		r.wantBucket(map[string]string{"Delivery/f": "after"})
		if n := r.b.Count(buckettest.Put); n != 1 {
			r.Errorf("%d puts, want one", n)
		}
	})
}

func TestSetAsideForGood(t *testing.T) {
	bubble(t, nil, func(r *rig) {
		r.b.Store("Delivery/f", []byte("before"), nil)
		r.rename("Delivery/f", "Delivery/f~")
		synctest.Wait()
		r.wantBucket(map[string]string{"Delivery/f": "before"})
		r.wantShown("Delivery", "f~")
		time.Sleep(31 * time.Second)
		r.drain()
		r.wantBucket(nil)
		r.wantText("Delivery/f~", "before")
	})
}

func TestRemoveThenCreate(t *testing.T) {
	for name, pause := range map[string]time.Duration{"at once": 0,
		"as it is sent": 20 * time.Millisecond, "later": time.Second} {
		t.Run(name, func(t *testing.T) {
			bubble(t, nil, func(r *rig) {
				r.b.Store("Delivery/f", []byte("before"), nil)
				r.remove("Delivery/f")
				time.Sleep(pause)
				r.create("Delivery/f", "after").Release()
				r.wantText("Delivery/f", "after")
				r.drain()
				r.wantText("Delivery/f", "after")
				r.wantBucket(map[string]string{"Delivery/f": "after"})
			})
		})
	}
}

func TestRemoveIsRefused(t *testing.T) {
	bubble(t, buckettest.DenyDelete, func(r *rig) {
		r.b.Store("Delivery/f", []byte("f"), nil)
		if err := r.Remove(r.Context(), "Delivery/f",
			r.shown("Delivery/f")); !errors.Is(err, s3backend.Denied) {
			r.Errorf("Remove = %v, want Denied", err)
		}
		if _, err := r.Rename(r.Context(), "Delivery/f", "Delivery/g",
			ShownVersion{}); !errors.Is(err, s3backend.Denied) || r.b.Count(buckettest.Copy) > 0 {
			r.Errorf("Rename = %v, want Denied before anything is copied", err)
		}
		r.wantText("Delivery/f", "f")
		r.create("Delivery/own", "x").Release() // what is not delivered yet is ours
		r.remove("Delivery/own")
		r.drain()
		r.wantBucket(map[string]string{"Delivery/f": "f"})
	})
}

func TestOpenFileThatWasRemoved(t *testing.T) {
	bubble(t, nil, func(r *rig) {
		r.b.Store("Delivery/theirs", []byte("theirs"), nil)
		read := r.open("Delivery/theirs", OpenMode{})
		written := r.create("Delivery/ours", "ours")
		r.remove("Delivery/theirs")
		r.remove("Delivery/ours")
		r.wantShown("Delivery")
		r.writeAt(written, "OURS", 0)
		if a, b := r.text(read), r.text(written); a != "theirs" || b != "OURS" {
			r.Errorf("the open files read %q and %q", a, b)
		}
		if !read.File().Attr().Unnamed {
			r.Error("the file does not tell that its name is gone")
		}
		time.Sleep(time.Minute)
		r.wantBucket(map[string]string{"Delivery/theirs": "theirs"}) // somebody reads it
		read.Release()
		written.Release()
		r.drain()
		r.wantBucket(nil)
		r.wantShown("Delivery")
	})
}

// TestFolderStays removes a folder's last file: the folder stays, as on any disk.
func TestFolderStays(t *testing.T) {
	bubble(t, nil, func(r *rig) {
		r.b.Store("Delivery/folder/last", nil, nil)
		r.wantShown("Delivery/folder", "last")
		r.remove("Delivery/folder/last")
		r.drain()
		r.drain()
		r.wantShown("Delivery", "folder")
		r.wantShown("Delivery/folder")
		r.wantBucket(map[string]string{"Delivery/folder/": ""})
		if err := r.Rmdir(r.Context(), "Delivery/folder"); err != nil {
			r.Fatal(err)
		}
		r.wantShown("Delivery")
		r.drain()
		r.wantBucket(nil)
	})
}

func TestSame(t *testing.T) {
	bubble(t, nil, func(r *rig) {
		r.b.Store("Delivery/f", []byte("one"), nil)
		file := func() *File {
			h := r.open("Delivery/f", OpenMode{})
			defer h.Release()
			return h.File()
		}
		a, b := file(), file()
		if !a.Same(b) || !a.Same(a) {
			r.Error("one version opened twice is not the same")
		}
		r.b.Store("Delivery/f", []byte("two"), nil)
		time.Sleep(2 * fresh)
		if c := file(); a.Same(c) {
			r.Error("another version is the same")
		}
		r.edit("Delivery/f", "T")
		if c := file(); a.Same(c) {
			r.Error("a file that is owed is the same as what S3 held")
		}
	})
}

// TestOpenPinsAVersion reads on what was opened, or says that it is gone.
func TestOpenPinsAVersion(t *testing.T) {
	bubble(t, nil, func(r *rig) {
		r.b.Store("Delivery/f", bytes.Repeat([]byte("1"), 3<<20), nil)
		h := r.open("Delivery/f", OpenMode{})
		defer h.Release()
		if got := r.text(h); got[:1] != "1" {
			r.Fatalf("reads %q", got[:1])
		}
		r.b.Store("Delivery/f", bytes.Repeat([]byte("2"), 3<<20), nil)
		buf := make([]byte, 1)
		if n, err := h.ReadAt(r.Context(), buf, 3<<20-1); !errors.Is(err, s3backend.Stale) &&
			string(buf[:n]) != "1" {
			r.Errorf("ReadAt = %q, %v, want the version that was opened, or Stale", buf[:n], err)
		}
		time.Sleep(2 * fresh)
		again := r.open("Delivery/f", OpenMode{})
		defer again.Release()
		if got := r.text(again); got[:1] != "2" {
			r.Errorf("the next open reads %q, want the new version", got[:1])
		}
	})
}
