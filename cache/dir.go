package cache

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/s3share/s3share/cache/keyname"
	"github.com/s3share/s3share/cache/meta"
	"github.com/s3share/s3share/s3backend"
)

// DirEntry is one name of a directory.
type DirEntry struct {
	Name string
	Attr Attr
}

// Dir is a directory being read. It is for one goroutine at a time.
type Dir struct {
	c       *Cache
	prefix  string
	pending []DirEntry      // what is pending here, read first
	hidden  map[string]bool // elements in pending
	listing *meta.Listing   // what S3 holds; nil in the root
	stale   bool            // it is what S3 held when it was asked last: it cannot be asked now
	next    int64
}

// OpenDir begins to read the directory at path; entries come as S3 lists them.
func (c *Cache) OpenDir(ctx context.Context, path string) (*Dir, error) {
	d := &Dir{c: c, hidden: map[string]bool{}}
	if path == "" {
		for _, folder := range c.cfg.Folders {
			d.pending = append(d.pending, DirEntry{folder, c.dirs.of(folder + "/")})
		}
		return d, nil
	}
	p, err := c.paths.locate(ctx, path)
	if err != nil {
		return nil, err
	}
	a, err := c.stat(ctx, p, -1)
	if err != nil {
		return nil, err
	}
	if !a.Dir {
		return nil, ErrNotDir
	}
	d.prefix = p.dir()
	d.addPending()
	d.listing = c.names.List(d.prefix, -1)
	return d, nil
}

// addPending takes what is pending in the directory, once: it may be delivered while the
// listing is read, and must not be missed then.
func (d *Dir) addPending() {
	c := d.c
	c.mu.Lock()
	defer c.mu.Unlock()
	for elem, f := range c.files.byDir[d.prefix] {
		if f.item != nil {
			d.pending = append(d.pending, DirEntry{keyname.Escape(elem), f.attrLocked()})
			d.hidden[elem] = true
		}
	}
	for _, prefix := range c.markers.under(d.prefix) {
		d.addPendingDirLocked(prefix)
	}
	for prefix, files := range c.files.byDir {
		if len(prefix) > len(d.prefix) && anyPending(files, "") {
			d.addPendingDirLocked(prefix)
		}
	}
	slices.SortFunc(d.pending, func(a, b DirEntry) int { return strings.Compare(a.Name, b.Name) })
}

// SyncDir returns when what was created, renamed or removed in the directory at path is on
// the local disk: it is known after a power loss. S3 need not have it.
func (c *Cache) SyncDir(ctx context.Context, path string) error {
	prefix := ""
	if path != "" {
		// else S3 was asked, and did not answer
		if p, err := c.paths.locate(ctx, path); err == nil {
			prefix = p.dir()
		}
	}
	return c.out.SyncNames(prefix)
}

// addPendingDirLocked adds the directory that leads to the one with this prefix, which waits
// for delivery, or has something in it that does.
func (d *Dir) addPendingDirLocked(prefix string) {
	below, ok := strings.CutPrefix(prefix, d.prefix)
	elem, _, _ := strings.Cut(below, "/")
	if !ok || below == "" || d.hidden[elem+"/"] {
		return
	}
	d.pending = append(d.pending,
		DirEntry{keyname.Escape(elem), d.c.dirs.of(d.prefix + elem + "/")})
	d.hidden[elem+"/"] = true
}

// GoTo makes Next go on behind the entry that it returned with this position.
func (d *Dir) GoTo(pos int64) { d.next = pos }

// Next returns the next entry and the position behind it; false at the end. After an error it goes
// on with the same entry.
func (d *Dir) Next(ctx context.Context) (e DirEntry, pos int64, ok bool, err error) {
	for d.next < int64(len(d.pending)) {
		e = d.pending[d.next]
		d.next++
		return e, d.next, true, nil
	}
	if d.listing == nil {
		return e, d.next, false, nil
	}
	for {
		i := int(d.next) - len(d.pending)
		m, ok, err := d.listing.At(ctx, i)
		if i == 0 && errors.Is(err, s3backend.ErrOffline) && !d.stale {
			if last := d.c.names.LastListing(d.prefix); last != nil {
				d.listing, d.stale = last, true
				continue
			}
		}
		if err != nil || !ok {
			return e, d.next, false, err
		}
		if e, ok, err = d.show(ctx, m); err == nil && ok {
			// What was being removed then may be gone by now, and hidden no more.
			m, _, err = d.listing.At(ctx, i)
			ok = !m.Gone()
		}
		if err != nil {
			return e, d.next, false, err
		}
		d.next++
		if ok {
			return e, d.next, true, nil
		}
	}
}

// show makes an entry of what S3 lists; false if this side hides it.
func (d *Dir) show(ctx context.Context, m meta.Entry) (DirEntry, bool, error) {
	if m.Gone() {
		return DirEntry{}, false, nil
	}
	if m.IsDir() {
		prefix := d.prefix + m.Name + "/"
		// A file of that name that waits here hides it: see look.
		if d.hidden[m.Name+"/"] || d.hidden[m.Name] || !d.c.dirExists(ctx, prefix) {
			return DirEntry{}, false, nil
		}
		return DirEntry{keyname.Escape(m.Name), d.c.dirs.of(prefix)}, true, nil
	}
	if d.hidden[m.Name] {
		return DirEntry{}, false, nil
	}
	name := keyname.Escape(m.Name)
	beside := d.hidden[m.Name+"/"]
	if !beside {
		var err error
		if beside, err = d.listing.HasDirNamed(ctx, m.Name); err != nil {
			return DirEntry{}, false, err
		}
	}
	if beside {
		name = keyname.EscapeShadowed(m.Name)
	}
	d.c.mu.Lock()
	defer d.c.mu.Unlock()
	a := d.c.entryAttrLocked(d.prefix, m)
	if a == nil {
		return DirEntry{}, false, nil
	}
	return DirEntry{name, *a}, true, nil
}
