package outbox

import (
	"context"
	"strings"
	"time"
)

// maxBlocked is how long a copy waits for the removals that are in its way.
const maxBlocked = 10 * time.Second

// awaitUnblocked waits for the removals that keep a server which stores objects as files from
// creating key: those of an object that would have to be a directory, and those of objects below
// key, which cannot be a file before. It reports whether there were any, and all have ended. S3
// itself has no such files, so that it is called after a refusal only.
func (r *removals) awaitUnblocked(ctx context.Context, key string) bool {
	ctx, cancel := context.WithTimeout(ctx, maxBlocked)
	defer cancel()
	for waited := false; ; waited = true {
		changed := r.o.waiters.next()
		if !r.block(key) {
			return waited
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return false
		}
	}
}

// block reports whether an object is being removed whose key is one of key's directories, or below
// key.
func (r *removals) block(key string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	for prefix := range Prefixes(key) {
		if r.pending[strings.TrimSuffix(prefix, "/")] != nil {
			return true
		}
	}
	return r.below[key+"/"] > 0
}
