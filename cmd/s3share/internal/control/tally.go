package control

import (
	"time"

	"github.com/s3share/s3share/cache/outbox"
)

// Tally counts what becomes of files that wait, from looks at what waits. The zero Tally has
// seen nothing. It is for one goroutine.
type Tally struct {
	began   time.Time
	seen    map[string]int64 // bytes of each file that has waited, by its mount and key
	waiting map[string][]outbox.Status
}

// Add takes in what waits at a mount now: what waited there before and does no more is
// delivered.
func (t *Tally) Add(mount string, all []outbox.Status) {
	if t.seen == nil {
		t.began, t.seen, t.waiting = time.Now(), map[string]int64{}, map[string][]outbox.Status{}
	}
	var waiting []outbox.Status
	for _, o := range Undelivered(all) {
		name := mount + "\x00" + o.Key
		if o.State == outbox.Removing { // it is no file any more
			delete(t.seen, name)
			continue
		}
		if o.Theirs != "" { // a conflict copy, which had the other's name before
			delete(t.seen, mount+"\x00"+o.Theirs)
		}
		t.seen[name] = max(0, o.Size)
		waiting = append(waiting, o)
	}
	t.waiting[mount] = waiting
}

// Event is how the delivery stands.
func (t *Tally) Event() Event {
	e := Event{Phase: PhaseDelivering}
	for _, n := range t.seen {
		e.Done, e.DoneBytes = e.Done+1, e.DoneBytes+n
	}
	for _, all := range t.waiting {
		for _, o := range all {
			e.Files++
			e.Bytes += max(0, o.Size)
			e.Sent += max(0, o.Sent)
			e.InFlight += max(0, o.InFlight)
			e.Speed += max(0, o.Speed)
		}
	}
	e.Done, e.DoneBytes = max(0, e.Done-e.Files), max(0, e.DoneBytes-e.Bytes)
	return e
}

// Took is how long it is since the first look.
func (t *Tally) Took() time.Duration {
	if t.began.IsZero() {
		return 0
	}
	return time.Since(t.began)
}
