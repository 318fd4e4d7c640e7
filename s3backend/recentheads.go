package s3backend

import (
	"sync"
	"time"
)

// recentHeads remembers the replies to HEADs for about a round trip. A HEAD goes before each copy
// if the server may ignore the condition on the source's version (see conditionProbe). Another
// HEAD that has just found the same version does as well, so the parts of a large copy need not
// one each. It is used for the sources of copies alone: what replaces or removes an object is
// checked by a HEAD of its own.
type recentHeads struct {
	age time.Duration // how long a reply is used; 0 for none

	mu   sync.Mutex
	seen map[string]headResult // by key
}

// headResult is an ETag, and when the HEAD was sent.
type headResult struct {
	etag  string
	asked time.Time
}

const (
	// recentWindow is about a round trip over a long distance. A change within it goes
	// unseen in any case.
	recentWindow = 100 * time.Millisecond
	// maxHeadResults is how many replies are kept.
	maxHeadResults = 256
)

// note remembers the reply to a HEAD that was sent at the time asked.
func (l *recentHeads) note(key, etag string, asked time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.seen) >= maxHeadResults {
		clear(l.seen)
	}
	if l.seen == nil {
		l.seen = map[string]headResult{}
	}
	l.seen[key] = headResult{etag, asked}
}

// forget is called for what this client may have changed.
func (l *recentHeads) forget(key string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.seen, key)
}

// has reports whether a recent HEAD has found the version etag under the key.
func (l *recentHeads) has(key, etag string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	s, ok := l.seen[key]
	return ok && s.etag == etag && time.Since(s.asked) < l.age
}
