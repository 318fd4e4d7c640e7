package daemon

import (
	"time"

	"github.com/s3share/s3share/cache/outbox"
	"github.com/s3share/s3share/s3backend"
)

// How long unmount --keep goes on without success before what is left stays in the outbox.
const (
	// keepRefused is how long S3 may refuse the credentials: a person renews them.
	keepRefused = 5 * time.Second
	// keepSilent is how long requests may fail while no bytes move.
	keepSilent = 10 * time.Second
	// keepFailing is how long nothing may be delivered though every file has failed once:
	// bytes move where S3 answers each with an error of its own.
	keepFailing = time.Minute
	// keepMoves is how many bytes have to move in keepSilent: less is what answers that
	// say no are made of.
	keepMoves = 64 << 10
)

// patience decides when unmount --keep stops waiting. A slow connection is waited for, a
// dead one is not.
type patience struct {
	begun     time.Time
	files     int   // not delivered yet
	sent      int64 // bytes of them that S3 has
	confirmed time.Time
	moved     int64 // bytes on all connections when they counted last
	moving    time.Time
}

// over takes in how the delivery stands, and reports whether it is not worth waiting on.
func (p *patience) over(now time.Time, left []outbox.Status, known s3backend.Contact, moved int64) bool {
	var sent int64
	failed := true // each
	for _, st := range left {
		sent += st.Sent
		failed = failed && st.Reason != ""
	}
	if p.begun.IsZero() {
		p.begun, p.confirmed, p.moving, p.moved = now, now, now, moved
	} else if len(left) < p.files || sent > p.sent {
		p.confirmed = now
	}
	p.files, p.sent = len(left), sent
	if moved-p.moved >= keepMoves {
		p.moved, p.moving = moved, now
	}
	failing := !known.Failing.IsZero()
	switch {
	case len(left) == 0:
		return false
	case known.Offline && now.Sub(known.Failing) >= keepSilent:
		return true
	case failing && isRefusal(known.Err) && now.Sub(p.begun) >= keepRefused:
		return true
	case failing && now.Sub(p.confirmed) >= keepSilent && now.Sub(p.moving) >= keepSilent:
		return true
	}
	return (failing || failed) && now.Sub(p.confirmed) >= keepFailing
}
