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
	// gateStep is how soon it is noticed that a person has opened the gate.
	gateStep = time.Second
)

func backoff(try int) time.Duration {
	d := min(firstBackoff<<min(try, 10), lastBackoff)
	return d/2 + rand.N(d/2) // #nosec G404 -- nobody gains by guessing when it is tried again
}

func isKind(err error, k s3backend.Kind) bool { return errors.Is(err, k) }

// prospect is what an error says of the same request, if it is sent again.
type prospect uint8

const (
	likely   prospect = iota // time mends it
	doubtful                 // it may have been bad luck; what comes back each time is not
	hopeless                 // only a person can mend it
	answered                 // S3 has judged what it holds: what follows is its caller's matter
)

// triesDoubtful is how often a doubtful error is met before it counts as hopeless.
const triesDoubtful = 5

// prospects is the one table of them; a kind that is not here is likely to pass, and so
// are errors that are not S3's.
var prospects = map[s3backend.Kind]prospect{
	s3backend.NotExist:    answered,
	s3backend.Stale:       answered,
	s3backend.Denied:      hopeless,
	s3backend.NoBucket:    hopeless,
	s3backend.WrongOwner:  hopeless,
	s3backend.TooLarge:    hopeless,
	s3backend.Archived:    hopeless,
	s3backend.Refused:     hopeless,
	s3backend.CustomerKey: hopeless,
	s3backend.Corrupted:   doubtful,
	s3backend.OtherPart:   doubtful,
}

func prospectOf(err error) prospect {
	var kind s3backend.Kind
	switch {
	case errors.Is(err, errBaseGone):
		return hopeless
	case errors.Is(err, errContradiction):
		return doubtful
	case errors.As(err, &kind):
		return prospects[kind]
	}
	return likely
}

// passing reports whether the same request may succeed later.
func passing(err error) bool { return prospectOf(err) == likely || prospectOf(err) == doubtful }

// blocks reports whether a failure is one that time alone does not mend.
func blocks(err error) bool { return prospectOf(err) == hopeless }

// stays is blocks for an error that was met in each of so many attempts.
func stays(err error, tries int) bool {
	return blocks(err) || prospectOf(err) == doubtful && tries >= triesDoubtful
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
