package outbox

import (
	"errors"
	"time"

	"github.com/s3share/s3share/s3backend"
)

// While S3 is out of reach, nothing is attempted: the breaker is open, and a settled item is
// scheduled for later without one. Reachable has all of it tried at once.

// offlineBackoff is how long an item waits then, if Reachable is not called before.
const offlineBackoff = 15 * time.Second

func offline(err error) bool { return errors.Is(err, s3backend.ErrOffline) }

// Unreachable is called while S3 is out of reach, with the reason: an error with
// s3backend.ErrOffline.
func (a *Admission) Unreachable(why error) { a.breaker.unreachable(why) }

// Reachable is called when S3 can be reached again.
func (o *Outbox) Reachable() {
	if o.Admission.breaker.reachable() {
		o.log.Info("deliveries go on")
	}
	o.tryAllNow()
}
