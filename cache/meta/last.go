package meta

import (
	"bytes"
	"encoding/gob"
	"slices"
	"strings"
	"time"

	"github.com/hashicorp/golang-lru/v2/simplelru"
)

// What S3 held when it was asked last is kept for when it cannot be asked: the last complete
// listing of each folder, however old. It learns of changes here as all listings do, and is
// never an answer of Lookup or List.

// maxLast bounds the entries that are kept for that, over all folders.
const maxLast = 250_000

// lastKnown are the last complete listings of folders. The Cache's mu guards it.
type lastKnown struct {
	dirs  *simplelru.LRU[string, *Listing]
	sizes map[string]int // entries that total has, by prefix
	total int
}

func newLastKnown() lastKnown {
	k := lastKnown{sizes: map[string]int{}}
	k.dirs, _ = simplelru.NewLRU[string, *Listing](maxLast, nil) // it refuses sizes below 1 alone
	return k
}

// keep takes a complete listing as the last one of its folder.
func (k *lastKnown) keep(l *Listing) {
	k.dirs.Add(l.prefix, l)
	k.count(l.prefix)
}

// count brings total up to date with a folder, and forgets those that were listed longest ago
// where there is no room for it.
func (k *lastKnown) count(prefix string) {
	l, ok := k.dirs.Peek(prefix)
	if !ok {
		return
	}
	n := l.size() + 1
	k.total += n - k.sizes[prefix]
	k.sizes[prefix] = n
	for k.total > maxLast {
		oldest, _, _ := k.dirs.GetOldest()
		k.drop(oldest)
	}
}

func (k *lastKnown) drop(prefix string) {
	k.dirs.Remove(prefix)
	k.total -= k.sizes[prefix]
	delete(k.sizes, prefix)
}

// LastListing returns the last complete listing of a folder, nil for none. It asks S3 for
// nothing.
func (c *Cache) LastListing(prefix string) *Listing {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.lastListingLocked(prefix)
}

// lastListingLocked is LastListing: an empty one of a folder that S3 did not hold then.
func (c *Cache) lastListingLocked(prefix string) *Listing {
	if l, ok := c.last.dirs.Get(prefix); ok {
		return l
	}
	above, name := splitDir(prefix)
	if above == "" {
		return nil
	}
	if f, ok := c.lastLocked(above, name); !ok || f.IsDir {
		return nil
	}
	l := c.newListingLocked(prefix, allPages)
	l.pages, l.complete = 1, true
	c.last.keep(l)
	return l
}

// Last returns what S3 held as prefix+name when it was asked last; false if it was never asked.
func (c *Cache) Last(prefix, name string) (Found, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.lastLocked(prefix, name)
}

func (c *Cache) lastLocked(prefix, name string) (Found, bool) {
	if d, ok := c.dirs.Peek(prefix); ok && d.cur != nil {
		if f, known := d.cur.peek(name); known { // it may have a part of a large folder
			return f, true
		}
	}
	if l := c.lastListingLocked(prefix); l != nil {
		return l.peek(name)
	}
	p, ok := c.points.Get(prefix + name)
	return p.Found, ok
}

// savedListing is a listing in a file. gob keeps names that are no UTF-8.
type savedListing struct {
	Prefix  string
	Marker  bool
	Entries []Entry
}

// maxSaved bounds the entries that SaveLast writes.
const maxSaved = 50_000

// SaveLast returns the listings of LastListing, those listed last first as far as there is room,
// for LoadLast of a later process.
func (c *Cache) SaveLast() ([]byte, error) {
	c.mu.Lock()
	all := c.last.dirs.Values()
	c.mu.Unlock()
	slices.Reverse(all)
	var saved []savedListing
	n := 0
	for _, l := range all {
		s := l.saved()
		if n += len(s.Entries) + 1; n > maxSaved {
			break
		}
		saved = append(saved, s)
	}
	var b bytes.Buffer
	err := gob.NewEncoder(&b).Encode(saved)
	return b.Bytes(), err
}

// saved returns what a listing has, in the order of keys.
func (l *Listing) saved() savedListing {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := savedListing{Prefix: l.prefix, Marker: l.marker}
	for i := range l.entries.n + len(l.extra) {
		if e := l.entryLocked(i); !e.Gone() {
			s.Entries = append(s.Entries, e)
		}
	}
	slices.SortFunc(s.Entries,
		func(a, b Entry) int { return strings.Compare(sortName(a), sortName(b)) })
	return s
}

// LoadLast takes what SaveLast has returned as what S3 held when it was asked last. It is too old
// for any other answer.
func (c *Cache) LoadLast(data []byte) error {
	var saved []savedListing
	if err := gob.NewDecoder(bytes.NewReader(data)).Decode(&saved); err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, s := range slices.Backward(saved) {
		l := c.newListingLocked(s.Prefix, allPages)
		l.begun, l.pages, l.complete, l.marker = time.Time{}, 1, true, s.Marker
		l.entries.append(s.Entries)
		c.last.keep(l)
	}
	return nil
}
