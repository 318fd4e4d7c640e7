package outbox

import (
	"context"
	"sync"
	"time"
)

// waiters are those who wait for less to be pending. No lock is taken under its own.
type waiters struct {
	mu      sync.Mutex
	changed chan struct{} // closed and replaced whenever less may be pending
	n       int           // who waits for all of it, or for what is in the way of a name
	// nChanged is closed and replaced when n changes.
	nChanged chan struct{}
}

func newWaiters() waiters {
	return waiters{changed: make(chan struct{}), nChanged: make(chan struct{})}
}

// wake wakes all. They look again at what is pending.
func (w *waiters) wake() {
	w.mu.Lock()
	defer w.mu.Unlock()
	close(w.changed)
	w.changed = make(chan struct{})
}

// next returns a channel that wake closes next. Who waits takes it before looking at what is
// pending.
func (w *waiters) next() <-chan struct{} {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.changed
}

// count counts one who waits for what is kept here for a while, until done is called.
func (w *waiters) count() (done func()) {
	count := func(n int) {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.n += n
		close(w.nChanged)
		w.nChanged = make(chan struct{})
	}
	count(1)
	return func() { count(-1) }
}

// awaitAge returns when since is longer ago than age; while somebody is counted, than least, which
// is less.
func (w *waiters) awaitAge(ctx context.Context, since time.Time, age, least time.Duration) error {
	for {
		w.mu.Lock()
		wait, changed := age, w.nChanged
		if w.n > 0 {
			wait = min(age, least)
		}
		w.mu.Unlock()
		t := time.NewTimer(wait - time.Since(since))
		select {
		case <-t.C:
			return nil
		case <-changed:
			t.Stop()
		case <-ctx.Done():
			t.Stop()
			return ctx.Err()
		}
	}
}
