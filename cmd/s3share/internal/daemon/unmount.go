package daemon

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/s3share/s3share/cache/outbox"
	"github.com/s3share/s3share/cmd/s3share/internal/control"
	"github.com/s3share/s3share/cmd/s3share/internal/mounts"
	"github.com/s3share/s3share/cmd/s3share/internal/ui"
)

// eventInterval is the time between two events.
const eventInterval = 200 * time.Millisecond

// errCancelled ends an unmount that was cancelled.
var errCancelled = errors.New("taken back")

// unmounts are the unmounts in progress, by ID.
type unmounts struct {
	mu   sync.Mutex
	byID map[string]context.CancelCauseFunc
}

// add registers an unmount until done is called.
func (u *unmounts) add(id string, cancel context.CancelCauseFunc) (done func()) {
	if id == "" {
		return func() {}
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.byID == nil {
		u.byID = map[string]context.CancelCauseFunc{}
	}
	u.byID[id] = cancel
	return func() {
		u.mu.Lock()
		defer u.mu.Unlock()
		delete(u.byID, id)
	}
}

func (u *unmounts) cancel(id string) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if cancel := u.byID[id]; cancel != nil {
		cancel(errCancelled)
	}
}

// serveUnmount answers with events until d has ended or the mount stays. If the client
// disconnects while the mount serves, it stays.
func (d *mountDaemon) serveUnmount(w http.ResponseWriter, r *http.Request) {
	var ask control.UnmountRequest
	if err := json.NewDecoder(r.Body).Decode(&ask); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	ctx, cancel := context.WithCancelCause(r.Context())
	defer cancel(nil)
	defer d.unmounts.add(ask.ID, cancel)()
	if ask.Timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, ask.Timeout)
		defer cancel()
	}
	d.log.Info("an unmount is asked for", "keep", ask.Keep, "timeout", ask.Timeout)
	w.Header().Set("Content-Type", "application/x-ndjson")
	send := func(e control.Event) {
		_ = json.NewEncoder(w).Encode(e) // the client may be gone
		_ = http.NewResponseController(w).Flush()
	}
	var tally control.Tally
	last := d.unmount(ctx, ask.Keep, &tally, send)
	d.count(&tally, &last)
	last.Unresolved = d.unresolved("")
	if r.Context().Err() == nil {
		send(last)
	}
}

// unmount delivers, unmounts, and waits until the daemon has ended except for
// this answer. It returns the last event.
func (d *mountDaemon) unmount(ctx context.Context, keep bool, tally *control.Tally,
	send func(control.Event)) control.Event {
	var worth *patience // nil: what is left may not stay in the outbox
	if keep {
		worth = &patience{}
	}
	if d.serving.Load() {
		if e, ok := d.deliver(ctx, worth, tally, send); !ok {
			return e
		}
		err := d.server.Unmount()
		switch {
		case err == nil || !d.serving.Load():
		case errors.Is(err, unix.EBUSY) || len(mounts.Users(d.dir)) > 0:
			return control.Event{Phase: control.PhaseEnded, Outcome: control.OutcomeBusy}
		default:
			return control.Event{Phase: control.PhaseEnded,
				Outcome: control.OutcomeFailed, Error: err.Error()}
		}
	}
	<-d.gone
	for waiting := ctx; ; {
		e, left := d.progress(control.PhaseFinishing, tally)
		send(e)
		if worth != nil && d.patienceOver(worth, left) {
			d.allowLeftovers()
		}
		select {
		case <-d.ended:
			return d.unmountedEvent()
		case <-waiting.Done():
			switch {
			case context.Cause(waiting) == errCancelled: // too late, as the next event says
			case !errors.Is(waiting.Err(), context.DeadlineExceeded):
				return control.Event{} // nobody reads it
			default:
				d.allowLeftovers()
			}
			waiting = context.WithoutCancel(ctx)
		case <-time.After(eventInterval):
		}
	}
}

// unmountedEvent is the last event once the daemon has ended.
func (d *mountDaemon) unmountedEvent() control.Event {
	e := control.Event{Phase: control.PhaseEnded, Outcome: control.OutcomeUnmounted}
	var left *outbox.LeftError
	if errors.As(d.drainErr, &left) {
		e.Left = left.Left // in words
	} else if d.drainErr != nil {
		e.Error = d.drainErr.Error()
	}
	return e
}

// deliver waits until all is delivered and the mount can be undone, or until it is not
// worth waiting any more, if what is left may stay. Else it returns false and the last
// event.
func (d *mountDaemon) deliver(ctx context.Context, worth *patience, tally *control.Tally,
	send func(control.Event)) (control.Event, bool) {
	draining, stop := context.WithCancel(ctx)
	defer stop()
	drained := make(chan error, 1)
	go func() { drained <- d.deliveries.Drain(draining) }()
	for {
		e, left := d.progress(control.PhaseDelivering, tally)
		send(e)
		if worth != nil && d.patienceOver(worth, left) {
			return control.Event{}, true
		}
		select {
		case err := <-drained:
			return d.drainedEvent(ctx, err, worth != nil)
		case <-d.gone: // somebody else has unmounted it
			return control.Event{}, true
		case <-time.After(eventInterval):
		}
	}
}

// drainedEvent returns deliver's answer when the drain has ended with err.
func (d *mountDaemon) drainedEvent(ctx context.Context, err error,
	keep bool) (control.Event, bool) {
	var left *outbox.LeftError
	switch {
	case err == nil:
		return control.Event{}, true
	case errors.Is(ctx.Err(), context.Canceled): // cancelled, or the client is gone
		return control.Event{Phase: control.PhaseEnded, Outcome: control.OutcomeCancelled,
			Left: control.Undelivered(d.pending())}, false
	case keep:
		return control.Event{}, true
	case errors.As(err, &left):
		return control.Event{Phase: control.PhaseEnded, Outcome: control.OutcomeLeft,
			Left: d.words(left.Left)}, false
	case ctx.Err() != nil:
		return control.Event{Phase: control.PhaseEnded, Outcome: control.OutcomeLeft,
			Left: control.Undelivered(d.pending())}, false
	}
	return control.Event{Phase: control.PhaseEnded, Outcome: control.OutcomeFailed,
		Error: ui.Explain(d.destination(), err).Error()}, false
}

func (d *mountDaemon) patienceOver(worth *patience, left []outbox.Status) bool {
	return worth.over(time.Now(), left, d.bucket.Contact(), d.bucket.Moved())
}

// progress returns how far the deliveries are, and what is left.
func (d *mountDaemon) progress(phase string,
	tally *control.Tally) (control.Event, []outbox.Status) {
	left := control.Undelivered(d.deliveries.Status())
	tally.Add("", left)
	e := tally.Event()
	e.Phase = phase
	if len(left) > 0 {
		e.Waiting = d.whyWaiting()
	}
	return e, left
}

// count has the last event say how much was delivered.
func (d *mountDaemon) count(tally *control.Tally, last *control.Event) {
	tally.Add("", d.deliveries.Status())
	e := tally.Event()
	last.Done, last.DoneBytes = e.Done, e.DoneBytes
}

// whyWaiting returns why nothing is delivered at present; "" if something may be.
func (d *mountDaemon) whyWaiting() string {
	if p := d.paused(); p != nil {
		return p.Reason
	}
	if known := d.bucket.Contact(); !known.Failing.IsZero() &&
		time.Since(known.Failing) > eventInterval {
		return d.errorText(known.Err).Reason
	}
	return ""
}

// allowLeftovers lets the last drain end with something undelivered.
func (d *mountDaemon) allowLeftovers() {
	select {
	case d.skipDrain <- struct{}{}:
	default:
	}
}
