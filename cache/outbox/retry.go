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
	// breakerPoll is how soon it is noticed that a person has reset the breaker.
	breakerPoll = time.Second
)

func backoff(try int) time.Duration {
	d := min(firstBackoff<<min(try, 10), lastBackoff)
	return d/2 + rand.N(d/2) // #nosec G404 -- nobody gains by guessing when it is tried again
}

func isKind(err error, k s3backend.Kind) bool { return errors.Is(err, k) }

// outlook is what can be expected of a request that failed, if it is sent again.
type outlook uint8

const (
	transient outlook = iota // it may succeed later
	doubtful                 // it may succeed if tried again; not if it has failed each time
	permanent                // it fails until a person changes something
	judged                   // S3 has answered about what it holds: the caller decides
)

// maxDoubtfulTries is the number of attempts after which a doubtful error counts as permanent.
const maxDoubtfulTries = 5

// outlooks is the one table of them. A kind that is not here is transient, and so are errors that
// are not S3's.
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
	case errors.Is(err, errContradiction), errors.Is(err, errNameTaken):
		return doubtful
	case errors.As(err, &kind):
		return outlooks[kind]
	}
	return transient
}

// isTransient reports whether the same request may succeed later.
func isTransient(err error) bool {
	return outlookOf(err) == transient || outlookOf(err) == doubtful
}

// isPermanent reports whether time alone does not mend a failure.
func isPermanent(err error) bool { return outlookOf(err) == permanent }

// isPermanentAfter is isPermanent for an error that each of so many attempts had.
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
