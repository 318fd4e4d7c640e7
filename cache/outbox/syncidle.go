package outbox

import (
	"errors"
	"time"
)

// syncAfter is how long a closed file waits here before it is synced. So a file that waits for
// hours, because S3 cannot be reached, survives a power loss. Most are delivered before, and cost
// no sync.
const syncAfter = 3 * time.Second

// syncLoop calls syncIdle while there is something to sync, until the outbox is closed.
func (o *Outbox) syncLoop() {
	timer := time.NewTimer(syncAfter)
	defer timer.Stop()
	waiting := true
	for {
		select {
		case <-o.ctx.Done():
			return
		case <-o.journals.syncerWake:
			if !waiting {
				timer.Reset(syncAfter)
				waiting = true
			}
		case <-timer.C:
			if waiting = o.syncIdle(syncAfter); waiting {
				timer.Reset(syncAfter)
			}
		}
	}
}

// syncIdle syncs what has waited here for age, and the ends of journals that are on the disk.
// Before, it journals again what the disk has refused. It reports whether it has to be called
// again.
func (o *Outbox) syncIdle(age time.Duration) (more bool) {
	if err := o.journals.unended.end(""); err != nil && age == 0 {
		o.log.Error("a later process would deliver again what was delivered", "err", err)
	}
	more = !o.removals.noteAgain() || len(o.journals.unended.all()) > 0
	if o.journals.endsToSync.Swap(false) {
		if err := o.syncEnds(); err != nil {
			o.log.Warn("after a power loss what is delivered would be looked at again", "err", err)
		}
	}
	for _, it := range o.Items() {
		if err := errors.Join(it.log.noteLate(), it.sealAgain(it.schedule.isClosed)); err != nil {
			more = true
			continue
		}
		if !it.schedule.isClosed() || !it.sealedOffDisk() {
			continue
		}
		if age > 0 && time.Since(it.schedule.now().since) < age {
			more = true
			continue
		}
		if err := it.syncHeld(); err != nil {
			o.log.Warn("a power loss would interrupt a file that is not delivered", "key", it.Key(),
				"err", err)
		}
	}
	return more
}

// syncEnds syncs the ends of all journals.
func (o *Outbox) syncEnds() error {
	if err := o.removals.sync(); err != nil {
		return err
	}
	return o.journals.syncEnds()
}
