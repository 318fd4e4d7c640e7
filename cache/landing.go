package cache

import (
	"slices"
	"strings"

	"github.com/s3share/s3share/s3backend"
)

// landing gathers what is delivered below a folder while the folder is being
// renamed. A file that was on its way when S3 listed the folder is not in the
// listing, and may be owed no more when what is owed is moved.
type landing struct {
	c      *Cache
	prefix string
	late   []s3backend.Object // guarded by Cache.mu
}

// watchLanding begins to gather; the caller calls end.
func (c *Cache) watchLanding(prefix string) *landing {
	l := &landing{c: c, prefix: prefix}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.landings = append(c.landings, l)
	return l
}

func (l *landing) end() {
	l.c.mu.Lock()
	defer l.c.mu.Unlock()
	l.c.landings = slices.DeleteFunc(l.c.landings, func(m *landing) bool { return m == l })
}

// since returns what was delivered, was not asked for before, and is not among
// what the caller knows already.
func (l *landing) since(known []s3backend.Object) []s3backend.Object {
	l.c.mu.Lock()
	defer l.c.mu.Unlock()
	late := slices.DeleteFunc(l.late, func(o s3backend.Object) bool {
		return slices.ContainsFunc(known, func(k s3backend.Object) bool {
			return k.Key == o.Key && (k.ETag == o.ETag || strings.HasSuffix(o.Key, "/"))
		})
	})
	l.late = nil
	return late
}

// landedLocked notes that S3 holds a new object. The caller holds mu.
func (c *Cache) landedLocked(obj s3backend.Object) {
	for _, l := range c.landings {
		if strings.HasPrefix(obj.Key, l.prefix) {
			l.late = append(l.late, obj)
		}
	}
}
