package outbox

import "github.com/s3share/s3share/s3backend"

// findDelivered asks S3 whether it holds what an earlier process has sealed, if the machine has
// stopped since: the delivery may be newer than what is on the disk. Then the item is not pending
// any more.
func (it *Item) findDelivered() {
	for try := 0; ; try++ {
		ctx, a := it.schedule.beginPreparing(it.o.ctx, Interrupted)
		if a == nil {
			return // somebody has taken it up
		}
		t := it.target()
		key, id := t.key, t.contentID
		cur, err := it.o.current(ctx, key)
		if err == nil && cur.ETag != "" && commitIDOf(cur.Header) == id {
			cur.Key = key
			if err = it.annotations.put(ctx, cur); err != nil {
				it.endPreparing(a)
				if it.o.Admission.pause(it.o.ctx, backoff(try)) != nil {
					return
				}
				continue
			}
			it.found.Store(true)
			it.mayDiffer.Store(true) // what is here need not be what was sent
			it.finish(cur)
		}
		it.endPreparing(a)
		it.o.waiters.wake()
		if err == nil || !isTransient(err) || isKind(err, s3backend.Denied) ||
			it.o.Admission.pause(it.o.ctx, backoff(try)) != nil {
			return
		}
	}
}
