package cache

import "strings"

// Version is a file's content as somebody was shown it. The zero Version is of a
// name that led to nothing.
type Version struct {
	etag string
	file *File // open or owed then: what it is delivered as is that content
}

// Version is what a shows.
func (a Attr) Version() Version {
	return Version{etag: strings.Clone(a.ETag), file: a.File} // not to keep the listing that it is cut from
}

// Version is what f holds, now and when it is delivered.
func (f *File) Version() Version { return Version{file: f} }

// unseen reports whether a is of a version that the other party has put there since v
// was shown. What is owed here never is.
func (c *Cache) unseen(a Attr, v Version) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case a.Dir || a.Key == "":
		return false
	case a.File != nil && a.File.item != nil:
		return false
	case v.file != nil && v.file.obj.ETag == a.ETag:
		return false
	}
	return v.etag != a.ETag
}
