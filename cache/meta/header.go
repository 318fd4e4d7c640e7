package meta

import "github.com/s3share/s3share/s3backend"

// Learn remembers the header of a version, which no listing tells, for as long
// as there is room.
func (c *Cache) Learn(o s3backend.Object) {
	if o.Header == nil || o.ETag == "" {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.headers.Add(version(o.Key, o.ETag), o.Header)
}

// Header returns what is remembered of a version's header, or nil.
func (c *Cache) Header(key, etag string) *s3backend.Header {
	c.mu.Lock()
	defer c.mu.Unlock()
	h, _ := c.headers.Get(version(key, etag))
	return h
}

// version names one immutable state of a key; no key holds a zero byte before its end.
func version(key, etag string) string { return etag + "\x00" + key }
