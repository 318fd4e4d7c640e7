package s3backend

import (
	"sync"
	"time"
)

// lately is what HEADs have told just now. One goes before each copy of a source whose
// version a server may not look at (see trial); another that has just told the same
// version does as well, and the parts of a large copy need not one each. What a copy
// is made of is no more than that: whatever replaces or removes an object is checked by
// a HEAD of its own.
type lately struct {
	age time.Duration // how long it is just now; 0: nothing is

	mu   sync.Mutex
	seen map[string]sight // by key
}

// sight is an ETag and when it was asked for.
type sight struct {
	etag  string
	asked time.Time
}

const (
	// justNow is about a round trip over a long way, in which a change goes unseen in
	// any case.
	justNow = 100 * time.Millisecond
	// sights is how many are kept.
	sights = 256
)

// note remembers what a HEAD told that was sent at the time asked.
func (l *lately) note(key, etag string, asked time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.seen) >= sights {
		clear(l.seen)
	}
	if l.seen == nil {
		l.seen = map[string]sight{}
	}
	l.seen[key] = sight{etag, asked}
}

// forget is called for what this client may have changed.
func (l *lately) forget(key string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.seen, key)
}

// held reports whether the key was seen just now to hold the version etag.
func (l *lately) held(key, etag string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	s, ok := l.seen[key]
	return ok && s.etag == etag && time.Since(s.asked) < l.age
}
