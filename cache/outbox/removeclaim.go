package outbox

import (
	"context"

	"github.com/s3share/s3share/s3backend"
)

// nameClaim is the keys that a move is about to take. The removals that are pending there are not
// sent until the move has succeeded or failed.
type nameClaim struct {
	r       *removals
	pending map[string]*removal // by key
	gone    map[string]*removal // that S3 has carried out since
}

// claim waits for the requests that are in flight for these keys, and lets no other begin. The
// caller calls release in any case, and cancel before if the move has taken the keys.
func (r *removals) claim(ctx context.Context, keys []string) (*nameClaim, error) {
	c := &nameClaim{r, map[string]*removal{}, map[string]*removal{}}
	for _, key := range keys {
		for {
			r.mu.Lock()
			t := r.pending[key]
			if was := c.pending[key]; was != nil && was != t {
				delete(c.pending, key)
				if was.gone {
					c.gone[key] = was
				}
			}
			if t == nil {
				r.mu.Unlock()
				break
			}
			if c.pending[key] != t {
				t.claims++
				c.pending[key] = t
			}
			busy := t.busyLocked()
			r.mu.Unlock()
			if busy == nil {
				break
			}
			select {
			case <-busy:
			case <-ctx.Done():
				c.release()
				return nil, context.Cause(ctx)
			}
		}
	}
	return c, nil
}

// replaces returns the version that S3 holds at a claimed key, of which over was seen there. freed
// is set if it had been removed here.
func (c *nameClaim) replaces(ctx context.Context, key string,
	over s3backend.Object) (obj s3backend.Object, freed bool, err error) {
	if gone := c.gone[key]; gone != nil && gone.obj.ETag == over.ETag {
		over = s3backend.Object{}
	}
	if over.ETag != "" {
		return over, false, nil
	}
	obj, err = c.removed(ctx, key)
	return obj, obj.ETag != "", err
}

// removed returns the version that is being removed at a claimed key.
func (c *nameClaim) removed(ctx context.Context, key string) (s3backend.Object, error) {
	t := c.pending[key]
	if t == nil {
		return s3backend.Object{}, nil
	}
	if t.obsoleteOf != nil {
		if err := t.obsoleteOf.materializeAll(ctx); err != nil {
			return s3backend.Object{}, err
		}
	}
	if len(t.ambiguous) == 0 {
		return t.obj, nil
	}
	cur, err := t.findVersion(ctx, c.r.o)
	if isKind(err, s3backend.Stale) {
		return s3backend.Object{}, nil // the other party's: the copy will find it
	}
	return cur, err
}

// cancel cancels the removals at keys that the move has taken.
func (c *nameClaim) cancel(keys ...string) {
	var over []*removal
	for _, key := range keys {
		if t := c.pending[key]; t != nil {
			over = append(over, t)
		}
	}
	c.r.forget(over...)
}

// release lets the removals go on that were not canceled.
func (c *nameClaim) release() {
	c.r.unclaim(c.pending)
	clear(c.pending)
}

func (r *removals) unclaim(claimed map[string]*removal) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, t := range claimed {
		t.claims--
		r.queueLocked(t)
	}
}
