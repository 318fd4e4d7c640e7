package outbox

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/s3share/s3share/cache/jsonbytes"
	"github.com/s3share/s3share/s3backend"
)

// State is where a file is on its way to S3.
type State string

// The states, in the order in which a file usually passes them.
const (
	// a program has it open for writing, or still reads what was removed
	Open      State = "open"
	Local     State = "private"   // a name that never leaves the outbox
	Sealed    State = "sealed"    // closed; safe here, not sent yet
	Paused    State = "paused"    // closed, and deliveries are suspended
	Uploading State = "uploading" // on its way
	Removing  State = "removing"  // removed here, not at S3 yet
	Delivered State = "delivered" // S3 has confirmed it
	Blocked   State = "blocked"   // S3 or its base refuses it; kept here
	// Interrupted: a signal ended its writer, or this program.
	Interrupted State = "interrupted"
	Conflict    State = "conflict"    // S3 has confirmed it, as a conflict copy
	NotRemoved  State = "not removed" // removed here, but S3 has refused to delete it
)

// NoLogin is the state in the news that all deliveries wait since S3 refuses the credentials.
const NoLogin State = "no login"

// Status describes one pending change.
type Status struct {
	Key   string `json:"key"`
	Path  string `json:"path"` // below the mountpoint; filled in by the cache
	State State  `json:"state"`
	Size  int64  `json:"size"`            // in bytes
	Sent  int64  `json:"sent"`            // bytes S3 already has
	Speed int64  `json:"speed,omitempty"` // bytes a second, lately
	// InFlight is how many bytes more are on their way, in requests that S3 has not answered
	// yet: of one that fails they are sent again.
	InFlight int64  `json:"in_flight,omitempty"`
	Reason   string `json:"reason,omitempty"` // of the last failure
	// Paused is set if nothing is done about it since deliveries are suspended.
	Paused bool `json:"paused,omitempty"`
	// Theirs is where the other party's version is, for a conflict copy: a key,
	// which the cache makes a path.
	Theirs string `json:"theirs,omitempty"`
	// Code and RequestID are S3's own for that failure, where S3 has answered.
	Code      string `json:"code,omitempty"`
	RequestID string `json:"request_id,omitempty"`
	// Hint is what a person can do about it, and Detail the failure in its own words, if
	// those are not Reason's. The daemon fills them in: see its words.
	Hint   string `json:"hint,omitempty"`
	Detail string `json:"detail,omitempty"`
	// Err is that failure; nil if an earlier process met it.
	Err   error     `json:"-"`
	Since time.Time `json:"since"` // when it was written, or opened for that, last
}

// MarshalJSON writes the names as [jsonbytes.String] does, since they may be no UTF-8.
func (st Status) MarshalJSON() ([]byte, error) {
	type fields Status
	return json.Marshal(struct {
		Key  jsonbytes.String `json:"key"`
		Path jsonbytes.String `json:"path"`
		fields
		Theirs jsonbytes.String `json:"theirs,omitempty"`
	}{jsonbytes.String(st.Key), jsonbytes.String(st.Path), fields(st), jsonbytes.String(st.Theirs)})
}

// UnmarshalJSON reads what MarshalJSON wrote, and what encoding/json did before.
func (st *Status) UnmarshalJSON(b []byte) error {
	type fields Status
	in := struct {
		Key  jsonbytes.String `json:"key"`
		Path jsonbytes.String `json:"path"`
		*fields
		Theirs jsonbytes.String `json:"theirs"`
	}{fields: (*fields)(st)}
	err := json.Unmarshal(b, &in)
	st.Key, st.Path, st.Theirs = string(in.Key), string(in.Path), string(in.Theirs)
	return err
}

// notify reports something that a person should know: a file that is blocked, interrupted or in
// conflict, or that S3 refuses the credentials, each once. No lock is held.
func (o *Outbox) notify(st Status) {
	if o.cfg.OnStatus != nil {
		o.cfg.OnStatus(st)
	}
}

// LeftError is returned for what Drain could not deliver.
type LeftError struct{ Left []Status }

func (e *LeftError) Error() string {
	first := e.Left[0]
	s := fmt.Sprintf("%q is not delivered: %s", first.Key, first.Reason)
	if n := len(e.Left) - 1; n > 0 {
		s += fmt.Sprintf(" (and %d more)", n)
	}
	return s
}

// Status returns all that is pending, the oldest first.
func (o *Outbox) Status() []Status {
	all := o.unreadables.status()
	o.mu.Lock()
	for _, st := range o.moving {
		all = append(all, st)
	}
	o.mu.Unlock()
	for _, it := range o.Items() {
		if st := it.Status(); st.State != "" && st.State != Delivered && st.State != Conflict {
			all = append(all, st)
		}
		all = append(all, it.deferredRemovals()...)
	}
	all = append(all, o.removals.status()...)
	slices.SortFunc(all, func(a, b Status) int { return a.Since.Compare(b.Since) })
	return all
}

// fail sets why something is not delivered.
func (st *Status) fail(err error) {
	if err == nil {
		return
	}
	st.Reason, st.Err, st.Paused = err.Error(), err, isSuspended(err)
	var s3err *s3backend.Error
	if errors.As(err, &s3err) {
		st.Code, st.RequestID = s3err.Code(), s3err.RequestID()
	}
}

// Drain waits until nothing is being delivered any more. Waiting does not deliver what is blocked
// or interrupted, nor anything while deliveries are suspended: then the error is a *LeftError. It
// does not wait for files that are still open for writing, or were removed while they were open,
// nor for private ones.
func (o *Outbox) Drain(ctx context.Context) error {
	return o.Wait(ctx, func(st Status) bool { return st.State != Open })
}

// Wait is Drain for what is chosen, which may include files that are still open. Until it returns,
// deferred removals are carried out after the settle time.
func (o *Outbox) Wait(ctx context.Context, chosen func(Status) bool) error {
	defer o.waiters.count()()
	for {
		changed := o.waiters.next()
		suspended := o.Admission.Suspension()
		var left []Status
		busy := false
		for _, st := range o.Status() {
			if !chosen(st) {
				continue
			}
			switch st.State {
			case Blocked, Interrupted, Paused:
				left = append(left, st)
			case Sealed, Uploading, Removing, Open:
				if suspended != nil { // at most what is in flight gets further
					st.fail(suspended)
					left = append(left, st)
				} else {
					busy = true
				}
			}
		}
		if !busy {
			if len(left) > 0 {
				return &LeftError{left}
			}
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// Status returns the status of the item. The state is "" if it will not be delivered.
func (it *Item) Status() Status {
	size, _, _, _ := it.Stat()
	now, t := it.schedule.now(), it.target()
	progress := &it.uploading.progress
	st := Status{Key: t.key, State: now.state, Size: size, Sent: min(size, progress.Sent()),
		Since: now.since, Theirs: t.theirs}
	if now.state == Sealed && now.delivering {
		st.State = Uploading // its parts, while it settles
	}
	if st.State == Open || st.State == Uploading {
		st.Speed = progress.Rate()
		st.InFlight = max(0, min(size-st.Sent, progress.InFlight()))
	}
	switch {
	case now.unnamed:
		st.State = ""
	case now.gone:
		st.State = Delivered
		if t.theirs != "" {
			st.State = Conflict
		}
	}
	reason := now.reason
	if paused := it.o.Admission.breaker.reason(); paused != nil &&
		(st.State == Sealed || st.State == Uploading) {
		reason = paused // all deliveries wait
	}
	if why := it.o.Admission.Suspension(); why != nil && st.State == Sealed {
		st.State, reason = Paused, why
	}
	st.fail(reason)
	return st
}
