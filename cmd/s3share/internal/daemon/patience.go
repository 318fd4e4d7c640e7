package daemon

import (
	"time"

	"github.com/s3share/s3share/cache/outbox"
	"github.com/s3share/s3share/s3backend"
)

// How long unmount --keep waits without progress before it leaves the rest in the outbox.
const (
	// keepRefused is how long S3 may refuse the credentials: a person renews them.
	keepRefused = 5 * time.Second
	// keepSilent is how long requests may fail while no bytes move.
	keepSilent = 10 * time.Second
	// keepFailing is how long no file may make progress if every file has failed and is tried
	// again, or requests fail. Bytes may move then: S3 answers each request with an error.
	keepFailing = 15 * time.Second
	// keepStuck is how long no file may make progress, whatever the reason.
	keepStuck = 2 * time.Minute
	// keepMoves is how many bytes have to move in keepSilent: error replies are fewer bytes.
	keepMoves = 64 << 10
)

// patience decides when unmount --keep stops waiting. It waits for a slow connection, and not for a
// dead one.
type patience struct {
	begun     time.Time
	files     int              // not delivered yet
	furthest  map[string]int64 // the most bytes of each that were at S3 or on their way
	confirmed time.Time        // when one was delivered, or more of one than ever was on its way
	moved     int64            // bytes on all connections when they counted last
	moving    time.Time
}

// over notes how far the deliveries are, and reports whether to stop waiting.
func (p *patience) over(now time.Time, left []outbox.Status,
	known s3backend.Contact, moved int64) bool {
	further := len(left) < p.files
	failed := true // each
	furthest := make(map[string]int64, len(left))
	for _, st := range left {
		at, before := max(0, st.Sent)+max(0, st.InFlight), p.furthest[st.Key]
		further = further || at > before
		furthest[st.Key] = max(at, before)
		failed = failed && st.Reason != ""
	}
	if p.begun.IsZero() {
		p.begun, p.moving, p.moved, further = now, now, moved, true
	}
	if further {
		p.confirmed = now
	}
	p.files, p.furthest = len(left), furthest
	if moved-p.moved >= keepMoves {
		p.moved, p.moving = moved, now
	}
	failing := !known.Failing.IsZero()
	switch {
	case len(left) == 0:
		return false
	case known.Offline && now.Sub(known.Failing) >= keepSilent:
		return true
	case failing && s3backend.IsOfBucket(known.Err) && now.Sub(p.begun) >= keepRefused:
		return true
	case failing && now.Sub(p.confirmed) >= keepSilent && now.Sub(p.moving) >= keepSilent:
		return true
	}
	waited := now.Sub(p.confirmed)
	return (failing || failed) && waited >= keepFailing || waited >= keepStuck
}
