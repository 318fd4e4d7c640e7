package main

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"time"

	"golang.org/x/sys/unix"

	"github.com/s3share/s3share/cache/outbox"
)

// The phases of an unmount, in their order. All but the last repeat.
const (
	phaseDelivering = "delivering" // what is owed goes out; the mount still serves
	phaseFinishing  = "finishing"  // the mount is undone; what came last goes out
	phaseEnded      = "ended"      // the last event; Outcome tells how it went
)

// How an unmount ended.
const (
	outcomeUnmounted = "unmounted" // if Left is not empty, that stays in the outbox
	outcomeLeft      = "left"      // not all can be delivered; still mounted
	outcomeBusy      = "busy"      // a program holds the mount; still mounted
	outcomeFailed    = "failed"    // for the reason in Error; still mounted
)

// event is one line of the answer to POST /unmount.
type event struct {
	Phase   string          `json:"phase"`
	Files   int             `json:"files"` // not delivered yet
	Bytes   int64           `json:"bytes"` // of these files
	Sent    int64           `json:"sent"`  // bytes of Bytes that S3 has
	Outcome string          `json:"outcome,omitempty"`
	Error   string          `json:"error,omitempty"`
	Left    []outbox.Status `json:"left,omitempty"`
	Beside  []outbox.Status `json:"beside,omitempty"` // delivered beside the other party's version
}

// eventPause lies between two events.
const eventPause = 200 * time.Millisecond

// unmountRequest is the body of POST /unmount.
type unmountRequest struct {
	Keep    bool          `json:"keep"`    // what cannot be delivered may stay in the outbox
	Timeout time.Duration `json:"timeout"` // for delivering, in nanoseconds; 0 is without end
}

// serveUnmount answers with events until d has ended or the mount stays. Who asks
// and goes away stops nothing but the wait.
func (d *mountDaemon) serveUnmount(w http.ResponseWriter, r *http.Request) {
	var ask unmountRequest
	if err := json.NewDecoder(r.Body).Decode(&ask); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	ctx := r.Context()
	if ask.Timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, ask.Timeout)
		defer cancel()
	}
	w.Header().Set("Content-Type", "application/x-ndjson")
	send := func(e event) {
		_ = json.NewEncoder(w).Encode(e) // whoever asked may be gone
		_ = http.NewResponseController(w).Flush()
	}
	last := d.unmount(ctx, ask.Keep, send)
	last.Beside = d.cache.Conflicts("")
	if r.Context().Err() == nil {
		send(last)
	}
}

// unmount delivers, undoes the mount, and waits until the daemon has ended but for
// this answer. It returns the last event.
func (d *mountDaemon) unmount(ctx context.Context, keep bool, send func(event)) event {
	if d.serving.Load() {
		if e, ok := d.deliver(ctx, keep, send); !ok {
			return e
		}
		err := d.server.Unmount()
		switch {
		case err == nil || !d.serving.Load():
		case errors.Is(err, unix.EBUSY) || len(holders(d.dir)) > 0:
			return event{Phase: phaseEnded, Outcome: outcomeBusy}
		default:
			return event{Phase: phaseEnded, Outcome: outcomeFailed, Error: err.Error()}
		}
	}
	<-d.gone
	if keep {
		d.mayLeave()
	}
	for waiting := ctx; ; {
		send(d.progress(phaseFinishing))
		select {
		case <-d.ended:
			e := event{Phase: phaseEnded, Outcome: outcomeUnmounted}
			var left *outbox.LeftError
			if errors.As(d.left, &left) {
				e.Left = left.Left
			} else if d.left != nil {
				e.Error = d.left.Error()
			}
			return e
		case <-waiting.Done():
			if !errors.Is(waiting.Err(), context.DeadlineExceeded) {
				return event{} // nobody reads it
			}
			d.mayLeave()
			waiting = context.WithoutCancel(ctx)
		case <-after(eventPause):
		}
	}
}

// deliver waits until all is delivered and the mount can be undone. Else it returns
// false and the last event.
func (d *mountDaemon) deliver(ctx context.Context, keep bool, send func(event)) (event, bool) {
	drained := make(chan error, 1)
	go func() { drained <- d.cache.Drain(ctx) }()
	for {
		send(d.progress(phaseDelivering))
		select {
		case err := <-drained:
			if err == nil || keep {
				return event{}, true
			}
			var left *outbox.LeftError
			switch {
			case errors.As(err, &left):
				return event{Phase: phaseEnded, Outcome: outcomeLeft, Left: left.Left}, false
			case ctx.Err() != nil:
				return event{Phase: phaseEnded, Outcome: outcomeLeft, Left: undelivered(d.cache.Status())}, false
			}
			return event{Phase: phaseEnded, Outcome: outcomeFailed, Error: explain(d.settings.target(), err).Error()}, false
		case <-d.gone: // somebody else was quicker
			return event{}, true
		case <-after(eventPause):
		}
	}
}

func (d *mountDaemon) progress(phase string) event {
	e := event{Phase: phase}
	for _, st := range undelivered(d.cache.Status()) {
		e.Files++
		e.Bytes += st.Size
		e.Sent += st.Sent
	}
	return e
}

// mayLeave lets the last drain end with something undelivered.
func (d *mountDaemon) mayLeave() {
	select {
	case d.hurry <- struct{}{}:
	default:
	}
}
