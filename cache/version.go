package cache

import "strings"

// ShownVersion is a file's content as somebody was shown it. The zero Version is of a
// name that led to nothing.
type ShownVersion struct {
	etag string
	file *File // open or pending then: what it is delivered as is that content
}

// Version is what a shows.
func (a Attr) Version() ShownVersion {
	// Without Clone, it would keep in memory the listing that it is cut from.
	return ShownVersion{etag: strings.Clone(a.ETag), file: a.File}
}

// Version is what f holds, now and when it is delivered.
func (f *File) Version() ShownVersion { return ShownVersion{file: f} }

// changedSinceShown reports whether a is of a version that the other party has put there since v
// was shown. What is pending here never is.
func (c *Cache) changedSinceShown(a Attr, v ShownVersion) bool {
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
