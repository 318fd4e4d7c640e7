package outbox

import "time"

const (
	// maxBatchKeys is how many keys one DeleteObjects takes.
	// Source: Amazon S3 API Reference, DeleteObjects.
	maxBatchKeys = 1000
	// A removal that has waited for 1/youngestShare of the settle time is sent with an
	// older one.
	youngestShare = 5

	// Where the server removes whatever version it holds, a removal waits only for others,
	// to go with them in one request: for batchDelay; and while more come than
	// burstSize, until none has come for batchQuiet, for maxBatchWait at most.
	batchDelay   = 20 * time.Millisecond
	burstSize    = 8
	batchQuiet   = 50 * time.Millisecond
	maxBatchWait = 250 * time.Millisecond
)

// startBatchLocked starts to collect a batch, unless one is being collected.
func (r *removals) startBatchLocked() {
	if !r.batching && len(r.batched) > 0 && r.o.Admission.Suspension() == nil &&
		r.batchesInFlight < maxBatches && r.o.ctx.Err() == nil {
		r.batching = true
		r.o.work.Go(r.sendBatch)
	}
}

// sendBatch collects and sends one batch. The next one is collected while it is sent.
func (r *removals) sendBatch() {
	youngest := time.Duration(0)
	if r.o.bucket.RemovesVersions() {
		youngest = r.o.cfg.Settle / youngestShare
		r.awaitOldest()
	} else {
		r.awaitQuiet()
	}
	r.mu.Lock()
	r.batching = false
	var batch []*removal
	for len(batch) < maxBatchKeys && r.o.ctx.Err() == nil {
		if len(r.batched) > 0 && time.Since(r.batched[0].since) < youngest {
			break
		}
		t := r.takeLocked(&r.batched)
		if t == nil {
			break
		}
		batch = append(batch, t)
	}
	r.batchesInFlight++
	r.startBatchLocked()
	r.mu.Unlock()
	r.send(batch)
	r.mu.Lock()
	r.batchesInFlight--
	r.startBatchLocked()
	r.mu.Unlock()
}

// awaitOldest returns when the oldest removal has waited for the settle time. A program that
// replaces a file by removing it first, as tar does, has created it again by then. One request then
// replaces the version at S3, and if a write fails, the version stays.
func (r *removals) awaitOldest() {
	for {
		r.mu.Lock()
		wait := time.Duration(0)
		if len(r.batched) > 0 {
			wait = r.o.cfg.Settle - time.Since(r.batched[0].since)
		}
		r.mu.Unlock()
		if wait <= 0 || sleep(r.o.ctx, wait) != nil {
			return
		}
	}
}

// awaitQuiet returns when it is time to send the batch, if a later request could remove what the
// other party has put meanwhile.
func (r *removals) awaitQuiet() {
	began, before := time.Now(), 0
	for wait := batchDelay; ; wait = batchQuiet {
		if r.waiting() >= maxBatchKeys || sleep(r.o.ctx, wait) != nil {
			return
		}
		n := r.waiting()
		if n < burstSize || n == before || time.Since(began) >= maxBatchWait {
			return
		}
		before = n
	}
}

func (r *removals) waiting() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.batched)
}

// takeLocked takes the first removal of a queue that is still pending and ready, to send it; nil
// for none, and while deliveries are suspended.
func (r *removals) takeLocked(line *[]*removal) *removal {
	for len(*line) > 0 && r.o.Admission.Suspension() == nil {
		t := (*line)[0]
		(*line)[0], *line = nil, (*line)[1:]
		if r.pending[t.obj.Key] == t && t.readyLocked() {
			t.inFlight = make(chan struct{})
			return t
		}
	}
	return nil
}

// startConditionalLocked starts workers for the removals with conditions.
func (r *removals) startConditionalLocked() {
	if r.o.Admission.Suspension() != nil {
		return
	}
	for range min(len(r.conditional), maxConditional-r.conditionalWorkers) {
		r.conditionalWorkers++
		r.o.work.Go(r.sendAllConditional)
	}
}

// sendAllConditional sends removals with conditions until none waits.
func (r *removals) sendAllConditional() {
	for {
		r.mu.Lock()
		t := r.takeLocked(&r.conditional)
		if t == nil || r.o.ctx.Err() != nil {
			r.conditionalWorkers--
			r.mu.Unlock()
			return
		}
		r.mu.Unlock()
		r.sendConditional(t)
	}
}
