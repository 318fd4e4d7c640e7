package content

import (
	"context"
	"errors"
	"time"

	"github.com/s3share/s3share/cache/content/prefetch"
	"github.com/s3share/s3share/s3backend"
)

// The source answers a request for a version's bytes only while it holds that
// version. So each such answer validates it, and who has to know before a read
// begins need not ask for anything else.

// Revalidate makes sure that the source held r's version at most maxAge ago, if the request
// with which reading r from its begin starts anyway can tell: it sends that and returns with
// the answer, and the bytes come later. It returns
// false where there is nothing to fetch, and the source's error, s3backend.Stale
// or NotExist where it holds another version or none.
func (r *Reader) Revalidate(ctx context.Context, maxAge time.Duration) (bool, error) {
	c := r.c
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed || r.closed {
		return false, ErrClosed
	}
	if r.v.validatedLocked(c, maxAge) {
		return true, nil
	}
	f := r.headLocked()
	if f == nil {
		return false, nil
	}
	if err := c.awaitAnswerLocked(ctx, f); err != nil {
		return false, err
	}
	return r.v.validatedLocked(c, maxAge), nil
}

// validatedLocked reports whether the source is known to have held v at most maxAge ago.
func (v *version) validatedLocked(c *Cache, maxAge time.Duration) bool {
	return v.validated > 0 && c.now()-v.validated <= int64(maxAge)
}

// headLocked returns the fetch of r's first block, which it starts as a read from
// the begin would if that block is missing; nil if it is here.
func (r *Reader) headLocked() *fetch {
	v := r.v
	if v.obj.Size == 0 || v.onDisk(0) {
		return nil
	}
	if b := v.blocks[0]; b != nil {
		return b.fetch
	}
	q := r.noteLocked(0, 0)
	return r.demandLocked(q, 0, min(v.count(), prefetch.MinWindow/blockSize)).fetch
}

// awaitAnswerLocked waits until the source has answered f, and returns its error,
// or ctx's as soon as that ends. It gives up Cache.mu meanwhile.
func (c *Cache) awaitAnswerLocked(ctx context.Context, f *fetch) error {
	if f.answered == nil {
		f.answered = make(chan struct{})
	}
	answered := f.answered
	f.waiters++
	c.mu.Unlock()
	var err error
	select {
	case <-answered:
	case <-ctx.Done():
		err = ctx.Err()
	}
	c.mu.Lock()
	f.waiters--
	if err != nil {
		c.cancelLocked(f)
		return err
	}
	return f.err
}

// answeredLocked records that the source, asked at the time start, sends bytes of v.
func (v *version) answeredLocked(c *Cache, start time.Time) {
	v.validated = max(v.validated, int64(start.Sub(c.born)), 1)
	if took := time.Since(start); v.rent.answer == 0 || took < v.rent.answer {
		v.rent.answer = took
	}
}

// failedLocked records that the source was asked for bytes of v, and failed.
func (v *version) failedLocked(err error) {
	if errors.Is(err, s3backend.Stale) || errors.Is(err, s3backend.NotExist) {
		v.validated = 0
	}
}

// answerLocked wakes those who wait for the answer to f.
func (f *fetch) answerLocked() {
	if f.answered == nil {
		f.answered = make(chan struct{})
	}
	select {
	case <-f.answered:
	default:
		close(f.answered)
	}
}
