package outbox

import "time"

const (
	// removeBatch is how many keys one DeleteObjects takes.
	// Source: Amazon S3 API Reference, DeleteObjects.
	removeBatch = 1000
	// A removal that has waited for 1/youngestShare of the settle time is sent with an
	// older one.
	youngestShare = 5

	// Where the server removes whatever version it holds, a removal waits only for others,
	// to go with them in one request: for removeDelay; and while more come than
	// manyRemovals, until none has come for gatherStep, for gatherMost at most.
	removeDelay  = 20 * time.Millisecond
	manyRemovals = 8
	gatherStep   = 50 * time.Millisecond
	gatherMost   = 250 * time.Millisecond
)

// startLocked has the removals that wait gathered, by one at a time.
func (r *removals) startLocked() {
	if !r.gathering && len(r.loose) > 0 && r.sending < removers && r.o.ctx.Err() == nil {
		r.gathering = true
		r.o.work.Go(r.gather)
	}
}

// gather sends one batch; the next one is gathered meanwhile.
func (r *removals) gather() {
	youngest := time.Duration(0)
	if r.o.bucket.RemovesVersions() {
		youngest = r.o.cfg.Settle / youngestShare
		r.awaitOldest()
	} else {
		r.awaitMore()
	}
	r.mu.Lock()
	r.gathering = false
	var batch []*toRemove
	for len(batch) < removeBatch && r.o.ctx.Err() == nil {
		if len(r.loose) > 0 && time.Since(r.loose[0].since) < youngest {
			break
		}
		t := r.takeLocked(&r.loose)
		if t == nil {
			break
		}
		batch = append(batch, t)
	}
	r.sending++
	r.startLocked()
	r.mu.Unlock()
	r.send(batch)
	r.mu.Lock()
	r.sending--
	r.startLocked()
	r.mu.Unlock()
}

// awaitOldest returns when the oldest removal has waited for the settle time. A program that
// replaces a file by removing it first, as tar does, has made it anew by then: one request
// replaces the version at S3, and if a write fails, the version stays.
func (r *removals) awaitOldest() {
	for {
		r.mu.Lock()
		wait := time.Duration(0)
		if len(r.loose) > 0 {
			wait = r.o.cfg.Settle - time.Since(r.loose[0].since)
		}
		r.mu.Unlock()
		if wait <= 0 || sleep(r.o.ctx, wait) != nil {
			return
		}
	}
}

// awaitMore returns when it is time to send what was gathered, where a later request could
// remove what the other party has put meanwhile.
func (r *removals) awaitMore() {
	began, before := time.Now(), 0
	for wait := removeDelay; ; wait = gatherStep {
		if r.gathered() >= removeBatch || sleep(r.o.ctx, wait) != nil {
			return
		}
		n := r.gathered()
		if n < manyRemovals || n == before || time.Since(began) >= gatherMost {
			return
		}
		before = n
	}
}

func (r *removals) gathered() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.loose)
}

// takeLocked takes the first removal of a queue that is still owed and ready, to send
// it; nil for none.
func (r *removals) takeLocked(line *[]*toRemove) *toRemove {
	for len(*line) > 0 {
		t := (*line)[0]
		(*line)[0], *line = nil, (*line)[1:]
		if r.owed[t.obj.Key] == t && t.readyLocked() {
			t.flight = make(chan struct{})
			return t
		}
	}
	return nil
}

// deleteLocked has the single versions that wait deleted.
func (r *removals) deleteLocked() {
	for range min(len(r.strict), strictDeletes-r.deleting) {
		r.deleting++
		r.o.work.Go(r.deleteStrict)
	}
}

// deleteStrict deletes single versions until none waits.
func (r *removals) deleteStrict() {
	for {
		r.mu.Lock()
		t := r.takeLocked(&r.strict)
		if t == nil || r.o.ctx.Err() != nil {
			r.deleting--
			r.mu.Unlock()
			return
		}
		r.mu.Unlock()
		r.sendStrict(t)
	}
}
