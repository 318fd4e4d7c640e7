package outbox

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"github.com/s3share/s3share/s3backend"
)

// Patience: what fails is tried again after a while that doubles from the first of
// these to the last, with jitter, for as long as the daemon lives.
const (
	firstBackoff = time.Second
	lastBackoff  = time.Minute
	// blockedBackoff is for what only a person can change, such as a policy.
	blockedBackoff = 5 * time.Minute
	// loginBackoff is for credentials, which a person renews while waiting.
	loginBackoff = 10 * time.Second
	// breakerPoll is how soon it is noticed that a person has opened the gate.
	breakerPoll = time.Second
)

func backoff(try int) time.Duration {
	d := min(firstBackoff<<min(try, 10), lastBackoff)
	return d/2 + rand.N(d/2) // #nosec G404 -- nobody gains by guessing when it is tried again
}

func isKind(err error, k s3backend.Kind) bool { return errors.Is(err, k) }

// outlook is what an error says of the same request, if it is sent again.
type outlook uint8

const (
	transient outlook = iota // time mends it
	doubtful                 // it may have been bad luck; what comes back each time is not
	permanent                // only a person can mend it
	judged                   // S3 has judged what it holds: what follows is its caller's matter
)

// maxDoubtfulTries is how often a doubtful error is met before it counts as hopeless.
const maxDoubtfulTries = 5

// outlooks is the one table of them; a kind that is not here is likely to pass, and so
// are errors that are not S3's.
var outlooks = map[s3backend.Kind]outlook{
	s3backend.NotExist:    judged,
	s3backend.Stale:       judged,
	s3backend.Denied:      permanent,
	s3backend.NoBucket:    permanent,
	s3backend.WrongOwner:  permanent,
	s3backend.TooLarge:    permanent,
	s3backend.Archived:    permanent,
	s3backend.Refused:     permanent,
	s3backend.CustomerKey: permanent,
	s3backend.Corrupted:   doubtful,
	s3backend.OtherPart:   doubtful,
}

func outlookOf(err error) outlook {
	var kind s3backend.Kind
	switch {
	case errors.Is(err, errBaseGone):
		return permanent
	case errors.Is(err, errContradiction):
		return doubtful
	case errors.As(err, &kind):
		return outlooks[kind]
	}
	return transient
}

// isTransient reports whether the same request may succeed later.
func isTransient(err error) bool { return outlookOf(err) == transient || outlookOf(err) == doubtful }

// isPermanent reports whether a failure is one that time alone does not mend.
func isPermanent(err error) bool { return outlookOf(err) == permanent }

// isPermanentAfter is blocks for an error that was met in each of so many attempts.
func isPermanentAfter(err error, tries int) bool {
	return isPermanent(err) || outlookOf(err) == doubtful && tries >= maxDoubtfulTries
}

func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
