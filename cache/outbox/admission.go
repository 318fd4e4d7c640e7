package outbox

import (
	"context"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/s3share/s3share/s3backend"
)

// Admission answers whether a request may begin now that changes what S3 holds, and if not, why:
// deliveries are suspended, or S3 is out of reach, throttles or refuses the credentials, or a
// directory is being renamed. All who send ask it before. It knows no items: the Outbox has them
// tried again. Its locks may be taken under any other, and no other is taken under them.
type Admission struct {
	settle time.Duration
	notify func(Status)
	log    *slog.Logger

	breaker   breaker
	suspended atomic.Pointer[SuspendedError]

	mu     sync.Mutex     // guards the fields below
	halted map[string]int // prefixes below which nothing is delivered for now
	// back is closed and replaced when S3 can be reached again, or a suspension ends.
	back chan struct{}
}

// newAdmission returns an Admission that is suspended if cfg says so. notify is called when the
// credentials begin to be refused.
func newAdmission(cfg Config, notify func(Status)) *Admission {
	a := &Admission{settle: cfg.Settle, notify: notify, log: cfg.Logger,
		halted: map[string]int{}, back: make(chan struct{})}
	a.suspended.Store(cfg.Suspended)
	return a
}

// refusal returns why no request may begin now; nil if it may.
func (a *Admission) refusal() error {
	if why := a.Suspension(); why != nil {
		return why
	}
	return a.breaker.reason()
}

// Paused returns why all deliveries wait, or nil: S3 throttles, or refuses the credentials. That
// S3 is out of reach is no pause: whoever makes the requests knows it.
func (a *Admission) Paused() error {
	why := a.breaker.reason()
	if offline(why) && !isKind(why, s3backend.BadLogin) {
		return nil
	}
	return why
}

// delay returns how long what has this key waits before it is looked at again; 0 if it may be
// delivered. gated is set if it may be delivered sooner, once all is tried again.
func (a *Admission) delay(key string) (wait time.Duration, gated bool) {
	if a.isHalted(key) {
		return a.settle, false
	}
	wait = a.gate()
	return wait, wait > 0
}

// gate returns how long an item waits before it is looked at again, 0 if it may be delivered:
// while deliveries are suspended, or S3 is out of reach.
func (a *Admission) gate() time.Duration {
	if a.Suspension() != nil {
		return suspendPoll
	}
	return a.breaker.offline()
}

// wait waits until requests may be sent.
func (a *Admission) wait(ctx context.Context) error { return a.breaker.wait(ctx) }

// record records the result of an attempt. When all deliveries begin to wait, or go on, it logs
// that and notifies once.
func (a *Admission) record(err error) {
	switch closed, opened := a.breaker.record(err); {
	case opened:
		a.log.Warn("deliveries wait", "why", err)
		if isKind(err, s3backend.BadLogin) {
			st := Status{State: NoLogin, Since: time.Now()}
			st.fail(err)
			a.notify(st)
		}
	case closed:
		a.log.Info("deliveries go on")
	}
}

// Reopen lets requests out at once that wait because of throttling or refused credentials.
func (a *Admission) Reopen() { a.breaker.reset() }

// pause returns after a time, or as soon as S3 can be reached again or a suspension ends. Its
// error is ctx's.
func (a *Admission) pause(ctx context.Context, d time.Duration) error {
	a.mu.Lock()
	back := a.back
	a.mu.Unlock()
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-back:
	case <-ctx.Done():
		return ctx.Err()
	}
	return nil
}

// endPauses ends each pause.
func (a *Admission) endPauses() {
	a.mu.Lock()
	defer a.mu.Unlock()
	close(a.back)
	a.back = make(chan struct{})
}

// halt keeps everything below prefix from being delivered until resume is called.
func (a *Admission) halt(prefix string) (resume func()) {
	count := func(n int) {
		a.mu.Lock()
		defer a.mu.Unlock()
		if a.halted[prefix] += n; a.halted[prefix] == 0 {
			delete(a.halted, prefix)
		}
	}
	count(1)
	return func() { count(-1) }
}

// isHalted reports whether what has this key is not to be delivered now.
func (a *Admission) isHalted(key string) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	for prefix := range a.halted {
		if strings.HasPrefix(key, prefix) {
			return true
		}
	}
	return false
}
