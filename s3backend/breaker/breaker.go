// Package breaker is a circuit breaker over all requests of a client: it knows whether S3 can
// be reached with the current credentials.
//
// Each request asks [Breaker.Allow] before it is sent, and reports how it ended: by
// [Breaker.Answered], or by [Breaker.Failed] and, where nobody answered, [Breaker.Confirm]. One
// request that fails does not open the breaker: a probe has to fail too, so that one stalled
// connection, or one object that S3 cannot read, does not take the others with it. While the
// breaker is open, requests fail at once, and [Breaker.Run] probes until one is answered.
//
// The life of an outage: a request is refused a connection; its probe is too, so the breaker
// opens, and the requests that wait for an answer are ended by [Breaker.Open]; a later probe
// of Run is answered, the breaker closes, and Run reports it.
package breaker

import (
	"context"
	"sync"
	"time"
)

// State is what is known of the connection to S3 by the last requests.
type State struct {
	Answered time.Time // when S3 last took the credentials and judged a request, by whatever answer
	Failing  time.Time // since when requests end without that; zero if the last one did not
	Since    time.Time // since when they do for a reason like Err: see Breaker.Alike
	Err      error     // how the last one ended then
	Offline  bool      // requests are not sent: they would end as the last one did
	Denied   bool      // the last probe was refused by the policy
}

const (
	// idle is how long no request has ended when Run probes.
	idle = time.Minute
	// idleDenied is the same where the policy refuses the probe: each is seen by those who
	// watch the bucket for refusals.
	idleDenied = time.Hour
	// again is the time between two probes while the breaker is open.
	again = 5 * time.Second
	// probeTimeout is how long a probe of Run waits for its answer.
	probeTimeout = 10 * time.Second
	// ConfirmTimeout is the same for a probe that a failed request waits for.
	ConfirmTimeout = time.Second
)

// Breaker is closed, or open. The zero value is closed, and never opens before Run.
type Breaker struct {
	// Alike reports whether two errors are the same to people, as two of a network that is away
	// are. It is set before any other use; nil is for errors that all are.
	Alike func(a, b error) bool

	// mu guards the fields below.
	mu      sync.Mutex
	state   State
	ended   time.Time          // when a request ended last
	running bool               // Run is: somebody will close it again
	open    context.Context    // ends when it opens; nil until somebody asks
	opens   context.CancelFunc // ends open
	changed chan struct{}      // has a token when Run should look
	asking  chan struct{}      // closed when the probe of Confirm has ended; nil for none
}

// State returns what is known.
func (b *Breaker) State() State {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.state
}

// Age returns how long ago a request ended.
func (b *Breaker) Age() time.Duration {
	b.mu.Lock()
	defer b.mu.Unlock()
	return time.Since(b.ended)
}

// Allow returns nil if a request may be sent, or why the last one failed.
func (b *Breaker) Allow() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.state.Offline {
		return b.state.Err
	}
	return nil
}

// Open returns a context that ends when the breaker opens: one for all requests.
func (b *Breaker) Open() context.Context {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.open == nil {
		b.open, b.opens = context.WithCancel(context.Background())
	}
	return b.open
}

// Answered records that S3 took the credentials and judged a request. It closes the breaker.
func (b *Breaker) Answered() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.ended = time.Now()
	b.state.Answered = b.ended
	b.closeLocked()
	b.state.Failing, b.state.Since, b.state.Err = time.Time{}, time.Time{}, nil
}

// Failed records that a request ended in any other way. away is set if S3 may be out of reach:
// it has not answered, or refused the credentials. Else S3 is there, and the breaker closes.
func (b *Breaker) Failed(err error, away bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.ended = time.Now()
	b.failLocked(err)
	if !away {
		b.closeLocked()
	}
	if b.state.Offline {
		b.wakeLocked() // it may be for another reason
	}
}

// Denied records whether the policy refused the last probe.
func (b *Breaker) Denied(denied bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.state.Denied = denied
}

// Confirm reports whether S3 is out of reach, for a request that was sent at the time began and
// has failed with err: it is if no other request was answered since, and if a probe fails as
// well. probe is the request to send; its error is nil unless S3 is out of reach. Who asks
// meanwhile waits for the same probe.
func (b *Breaker) Confirm(began time.Time, err error, probe func() error) bool {
	b.mu.Lock()
	switch {
	case b.state.Offline || !b.running || b.state.Answered.After(began):
		offline := b.state.Offline
		b.mu.Unlock()
		return offline
	case b.asking != nil:
		asking := b.asking
		b.mu.Unlock()
		<-asking
		return b.State().Offline
	}
	asked := make(chan struct{})
	b.asking = asked
	b.mu.Unlock()
	failed := probe()
	b.mu.Lock()
	defer b.mu.Unlock()
	b.asking = nil
	defer close(asked)
	if failed != nil {
		b.openLocked(err)
	}
	return b.state.Offline
}

// Trip opens the breaker, which Run closes again.
func (b *Breaker) Trip(err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.openLocked(err)
}

// failLocked records why requests fail.
func (b *Breaker) failLocked(err error) {
	now := time.Now()
	if b.state.Failing.IsZero() {
		b.state.Failing = now
	}
	if b.state.Since.IsZero() || b.Alike != nil && !b.Alike(b.state.Err, err) {
		b.state.Since = now
	}
	b.state.Err = err
}

func (b *Breaker) openLocked(err error) {
	b.failLocked(err)
	if b.state.Offline {
		return
	}
	b.state.Offline = true
	if b.opens != nil {
		b.opens()
	}
	b.wakeLocked()
}

func (b *Breaker) closeLocked() {
	if !b.state.Offline {
		return
	}
	b.state.Offline = false
	b.open, b.opens = nil, nil
	b.wakeLocked()
}

func (b *Breaker) wakeLocked() {
	if b.changed == nil {
		b.changed = make(chan struct{}, 1)
	}
	select {
	case b.changed <- struct{}{}:
	default:
	}
}

// Run keeps the state up to date until ctx ends: it probes when no request has ended for a
// minute, and every few seconds while the breaker is open. probe is one request, which reports
// how it ended as all do; its error is nil unless S3 is out of reach. changed is called, by one
// goroutine, whenever the breaker may have opened or closed, or is open for another reason.
func (b *Breaker) Run(ctx context.Context, probe func(context.Context) error, changed func(State)) {
	b.mu.Lock()
	b.running = true
	if b.changed == nil {
		b.changed = make(chan struct{}, 1)
	}
	woken := b.changed
	b.mu.Unlock()
	defer b.stop()
	var next time.Time // no probe before
	for ctx.Err() == nil {
		st := b.State()
		wait := time.Until(next)
		switch {
		case st.Offline:
		case st.Denied:
			wait = max(wait, idleDenied-b.Age())
		default:
			wait = max(wait, idle-b.Age())
		}
		if wait <= 0 {
			asking, cancel := context.WithTimeout(ctx, probeTimeout)
			err := probe(asking)
			cancel()
			if err != nil && ctx.Err() == nil {
				b.Trip(err)
			}
			next = time.Now().Add(again)
		} else if !wake(ctx, woken, wait) {
			continue
		}
		changed(b.State())
	}
}

// wake waits, and reports whether the breaker has opened or closed meanwhile.
func wake(ctx context.Context, woken <-chan struct{}, wait time.Duration) bool {
	t := time.NewTimer(wait)
	defer t.Stop()
	select {
	case <-woken:
		return true
	case <-t.C:
	case <-ctx.Done():
	}
	return false
}

// stop closes the breaker for good: nobody probes any more.
func (b *Breaker) stop() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.running = false
	b.closeLocked()
}
