package cache

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/s3share/s3share/cache/grants"
	"github.com/s3share/s3share/cache/keyname"
	"github.com/s3share/s3share/cache/ledger"
	"github.com/s3share/s3share/cache/meta"
	"github.com/s3share/s3share/cache/outbox"
)

// Deliveries is what a Cache has to deliver, as people and programs see it: what waits, what became
// of it, and what they can do about it. All methods may be called concurrently.
type Deliveries struct {
	out      *outbox.Outbox
	names    *meta.Cache
	sent     *ledger.Ledger
	grants   *grants.Policy
	replaced *replacements
	unlisted *ledgerListings
	outcomes *outcomes
	ending   context.Context // ends with Close of the Cache
}

// Status lists what is pending, the oldest first.
func (d *Deliveries) Status() []outbox.Status { return withPaths(d.out.Status()) }

// StatusAt lists what waits at path, or below the directory at path.
func (d *Deliveries) StatusAt(path string) []outbox.Status {
	chosen := Below(path)
	var all []outbox.Status
	for _, st := range d.Status() {
		if chosen(st) {
			all = append(all, st)
		}
	}
	return all
}

// StatusOf returns where a file is on its way to S3, as far as a says when S3 was asked.
// The state is "" for a file that has no name any more.
func (d *Deliveries) StatusOf(a Attr) outbox.Status {
	var st outbox.Status
	switch {
	case a.File != nil:
		st = a.File.status()
	case a.ETag != "":
		st.State = outbox.Delivered
	}
	if st.State == outbox.Delivered && d.out.IsConflict(a.Key) {
		st.State = outbox.Conflict
	}
	return st
}

// Outcomes returns what became of paths that were waiting lately, without asking S3:
// Unknown where that was forgotten.
func (d *Deliveries) Outcomes(paths []string) []Confirmed {
	all := make([]Confirmed, len(paths))
	for i, path := range paths {
		all[i].Is = Unknown
		if key, _, ok := keyOf(path); ok {
			if last, recorded := d.outcomes.get(key); recorded {
				all[i] = last.Confirmed
			}
		}
	}
	return all
}

// DeliveredHere reports whether this side is known to have delivered a version. It asks S3 for
// nothing.
func (d *Deliveries) DeliveredHere(key, etag string) bool {
	if last, ok := d.outcomes.get(key); ok && last.Is == Delivered && last.etag == etag {
		return true
	}
	return d.sent.IsOurs(key, etag)
}

// Wait returns when nothing at path, or below the directory at path, waits any more.
// That is no answer to whether S3 holds it: see Cache.Confirm. What does not come by waiting
// is a *outbox.LeftError: what only a person can resolve, and a private file, if path is
// its. A rename that is under way may still be answered with Waiting by it, as is
// what came to wait since: then Wait again.
func (d *Deliveries) Wait(ctx context.Context, path string) error {
	if err := d.out.Wait(ctx, Below(path)); err != nil {
		return leftAt(err)
	}
	for _, st := range d.Status() {
		if st.State == outbox.Local && isAt(path, st.Key) {
			return &outbox.LeftError{Left: []outbox.Status{st}}
		}
	}
	return nil
}

// Drain waits until nothing is on its way to S3 any more. Its error is a
// *outbox.LeftError if all that is left is blocked, or the context's.
func (d *Deliveries) Drain(ctx context.Context) error { return leftAt(d.out.Drain(ctx)) }

// DrainLast is Drain for a mount that is undone. It also deletes the files that were removed
// while they were open: no program can read them any more.
func (d *Deliveries) DrainLast(ctx context.Context) error {
	d.out.RemoveHeld()
	return d.Drain(ctx)
}

// Unresolved lists what a person should look at although nothing of it waits, where it is at path
// or below it: what was delivered from here beside the other party's version, which may be at path
// itself, and what was removed here and S3 has refused to delete.
func (d *Deliveries) Unresolved(path string) []outbox.Status {
	var all []outbox.Status
	chosen := Below(path)
	for _, st := range append(d.out.Conflicts(), d.out.NotRemoved()...) {
		prefix, elem := keyname.Split(st.Key)
		folder := keyname.Folder(st.Key)
		age := d.unlisted.age(folder)
		if since := time.Since(st.Since); st.State == outbox.NotRemoved &&
			(age < 0 || since < age) {
			age = since // what was listed before does not show it
		}
		found, known := d.names.Known(prefix, elem, age)
		there := found.IsFile || found.IsDir && strings.HasSuffix(st.Key, "/")
		if known && !there && !d.grants.WriteOnly(d.ending, folder, false) {
			d.out.Resolved(st.Key) // somebody else has removed it
			continue
		}
		if chosen(st) || chosen(outbox.Status{Key: st.Theirs}) {
			all = append(all, st)
		}
	}
	return withPaths(all)
}

// Retry tries what is blocked or waiting, at path or below it, again at once, and
// returns how many files that are.
func (d *Deliveries) Retry(path string) int {
	d.out.Admission.Reopen()
	d.replaced.forget()
	d.grants.RefreshAll()
	n := 0
	chosen := Below(path)
	for _, it := range d.out.Items() {
		if chosen(outbox.Status{Key: it.Key()}) && it.Retry() {
			n++
		}
	}
	return n
}

// Deliver sends the interrupted file at path as it is, or all such files below the
// directory at path, and returns how many there were.
func (d *Deliveries) Deliver(path string) (int, error) {
	n := 0
	chosen := Below(path)
	for _, it := range d.out.Items() {
		st := it.Status()
		if st.State != outbox.Interrupted || !chosen(st) {
			continue
		}
		if err := it.Deliver(); err != nil {
			return n, err
		}
		n++
	}
	return n, nil
}

// Paused returns why all that is pending waits, or nil.
func (d *Deliveries) Paused() error { return d.out.Admission.Paused() }

// Suspend suspends deliveries because of why; nil ends that. Reading goes on.
func (d *Deliveries) Suspend(why *outbox.SuspendedError) { d.out.Suspend(why) }

// Suspension returns why deliveries are suspended: an *outbox.SuspendedError, or nil.
func (d *Deliveries) Suspension() error { return d.out.Admission.Suspension() }

// Unreachable is called while S3 is out of reach, with the reason: nothing is attempted.
func (d *Deliveries) Unreachable(why error) { d.out.Admission.Unreachable(why) }

// Reachable is called when S3 can be reached again: what waits is tried at once.
func (d *Deliveries) Reachable() {
	d.out.Reachable()
	d.grants.Reachable()
}

func withPaths(all []outbox.Status) []outbox.Status {
	for i := range all {
		all[i].Path = keyname.Path(all[i].Key)
		if all[i].Theirs != "" {
			all[i].Theirs = keyname.Path(all[i].Theirs)
		}
	}
	return all
}

// leftAt fills in the paths of what a drain has left.
func leftAt(err error) error {
	var left *outbox.LeftError
	if errors.As(err, &left) {
		withPaths(left.Left)
	}
	return err
}
