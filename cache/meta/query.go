package meta

import "time"

// After returns up to n objects that follow name in the listing of the folder
// with this prefix, as far as it is known, of more than 0 and at most size bytes.
// It asks S3 for nothing.
func (c *Cache) After(prefix, name string, size int64, n int) []Entry {
	l := c.current(prefix)
	if l == nil {
		return nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	var out []Entry
	i, found := l.entries.search(name, false)
	if found {
		i++
	}
	for ; i < l.entries.n && len(out) < n; i++ {
		if e := l.entries.at(i); 0 < e.Size && e.Size <= size {
			out = append(out, e)
		}
	}
	return out
}

// Objects returns all that After could, if the folder's listing is complete and has
// no more than n entries.
func (c *Cache) Objects(prefix string, size int64, n int) []Entry {
	l := c.current(prefix)
	if l == nil || !l.isComplete() || l.size() > n {
		return nil
	}
	return c.After(prefix, "", size, n)
}

// Folders returns the names of the folders in the one with this prefix, if its listing
// is complete and has no more than n entries.
func (c *Cache) Folders(prefix string, n int) (names []string) {
	l := c.current(prefix)
	if l == nil || !l.isComplete() || l.size() > n {
		return nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for i := range l.entries.n {
		if e := l.entries.at(i); e.IsDir() {
			names = append(names, e.Name)
		}
	}
	return names
}

// current is the listing of a folder in use, or nil.
func (c *Cache) current(prefix string) *Listing {
	c.mu.Lock()
	defer c.mu.Unlock()
	d, ok := c.dirs.Peek(prefix)
	if !ok {
		return nil
	}
	return d.cur
}

// ListedSince reports whether List would return a complete listing for this age without a request.
func (c *Cache) ListedSince(prefix string, maxAge time.Duration) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	d, ok := c.dirs.Peek(prefix)
	if !ok {
		return false
	}
	for _, l := range []*Listing{d.cur, d.next} {
		if l != nil && l.usable(maxAge) && l.isComplete() {
			return true
		}
	}
	return false
}
