package outbox

import "github.com/s3share/s3share/cache/outbox/journal"

// recover reads the removals that an earlier process did not complete, for resume. The other party
// may have put something else there since, so only the very version is removed.
func (r *removals) recover() error {
	recs, err := journal.Read(r.journalPath)
	left := map[string]*removal{}
	for _, rec := range recs {
		switch {
		case rec.Op == journal.OpRemove && rec.Over != nil:
			t := &removal{obj: rec.Over.Object(), conditional: true, ambiguous: rec.Ambiguous}
			if old := left[rec.Key]; old != nil {
				t.join(old)
			}
			left[rec.Key] = t
		case rec.Op == journal.OpRemoved:
			delete(left, rec.Key)
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, t := range left {
		r.insertLocked(t)
	}
	if len(left) == 0 && err == nil {
		journal.Remove(r.journalPath)
	}
	return err
}

// pause stops or resumes the sending of removals.
func (r *removals) pause(paused bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.paused = paused
}

// resume goes on with what was recovered.
func (r *removals) resume() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, t := range r.pending {
		r.queueLocked(t)
	}
}

// cancelSuperseded cancels the removals in an earlier process's journal whose names were taken
// since. The journals of those who took them were written first.
func (r *recovery) cancelSuperseded(items []*Item, moves []*recoveredRename) {
	o := r.o
	taken := map[string]*Item{}
	over := map[journal.Version][]*Item{} // the items that lie over a version
	for _, rec := range moves {
		for _, m := range rec.moves {
			taken[m.To] = nil
		}
		o.removals.keepOriginals(rec)
	}
	for _, it := range items {
		taken[it.Key()] = it
		if base := it.Base(); base.ETag != "" {
			v := journal.Version{Key: base.Key, ETag: base.ETag}
			over[v] = append(over[v], it)
		}
	}
	for _, it := range items {
		replaced := it.Over()
		for _, other := range over[journal.Version{Key: replaced.Key, ETag: replaced.ETag}] {
			if other != it {
				it.addDependent(other)
			}
		}
	}
	for key, it := range taken {
		if t := o.removals.at(key); t != nil && (it == nil || t.obsoleteOf != it) {
			o.removals.cancelFor(it, t)
		}
	}
}
