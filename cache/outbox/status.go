package outbox

import (
	"context"
	"fmt"
	"slices"
	"time"
)

// State is where a file is on its way to S3.
type State string

// The states, in the order in which a file usually passes them.
const (
	Open      State = "open"      // a program has it open for writing
	Local     State = "private"   // a name that never leaves the outbox
	Sealed    State = "sealed"    // closed; safe here, not sent yet
	Uploading State = "uploading" // on its way
	Removing  State = "removing"  // removed here, not at S3 yet
	Delivered State = "delivered" // S3 has confirmed it
	Blocked   State = "blocked"   // S3 or its base refuses it; kept here
	// Interrupted: whoever wrote it was ended by a signal, or this program was.
	Interrupted State = "interrupted"
	Conflict    State = "conflict" // S3 has confirmed it, beside the other party's version
)

// Status tells one thing that is owed.
type Status struct {
	Key    string    `json:"key"`
	Path   string    `json:"path"` // below the mountpoint; filled in by the cache
	State  State     `json:"state"`
	Size   int64     `json:"size"`             // in bytes
	Sent   int64     `json:"sent"`             // bytes S3 already has
	Reason string    `json:"reason,omitempty"` // of the last failure
	Since  time.Time `json:"since"`            // when it was written last
}

// LeftError tells what a drain could not deliver.
type LeftError struct{ Left []Status }

func (e *LeftError) Error() string {
	first := e.Left[0]
	s := fmt.Sprintf("%q is not delivered: %s", first.Key, first.Reason)
	if n := len(e.Left) - 1; n > 0 {
		s += fmt.Sprintf(" (and %d more)", n)
	}
	return s
}

// Status lists what is owed, the oldest first.
func (o *Outbox) Status() []Status {
	o.mu.Lock()
	items := make([]*Item, 0, len(o.items))
	for it := range o.items {
		items = append(items, it)
	}
	all := slices.Clone(o.damaged)
	o.mu.Unlock()
	for _, it := range items {
		if st := it.Status(); st.State != Delivered {
			all = append(all, st)
		}
	}
	all = append(all, o.removals.status()...)
	slices.SortFunc(all, func(a, b Status) int { return a.Since.Compare(b.Since) })
	return all
}

// Drain waits until nothing is on its way any more. What is blocked does not come
// by waiting: then the error is a *LeftError. Files that are still open for
// writing, and private ones, are not waited for.
func (o *Outbox) Drain(ctx context.Context) error {
	for {
		o.mu.Lock()
		changed := o.changed
		o.mu.Unlock()
		var left []Status
		busy := o.removals.busy()
		for _, st := range o.Status() {
			switch st.State {
			case Blocked, Interrupted:
				left = append(left, st)
			case Sealed, Uploading:
				busy = true
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
