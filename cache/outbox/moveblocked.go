package outbox

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/s3share/s3share/s3backend"
)

// maxBlocked is how long a copy waits for the removals that are in its way.
const maxBlocked = 10 * time.Second

// mayBeBlocked reports whether S3 may have refused a new key for what awaitUnblocked waits for.
func mayBeBlocked(err error) bool {
	return isKind(err, s3backend.Other) && !s3backend.Ambiguous(err) ||
		errors.Is(err, errNameTaken)
}

// awaitUnblocked waits for the removals that keep a server which stores objects as files from
// creating key: those of an object that would have to be a directory, and those of objects below
// key, which cannot be a file before. What was renamed to a private name is not kept for longer
// meanwhile. It reports whether there were any, and all have ended. S3 itself has no such files, so
// that it is called after a refusal only.
func (r *removals) awaitUnblocked(ctx context.Context, key string) bool {
	ctx, cancel := context.WithTimeout(ctx, maxBlocked)
	defer cancel()
	if !r.block(key) {
		return false
	}
	defer r.o.waiters.count()()
	for {
		changed := r.o.waiters.next()
		if !r.block(key) {
			return true
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
