package fs

import (
	"context"
	"errors"
	"time"

	"github.com/s3share/s3share/cache"
	"github.com/s3share/s3share/fs/arrival"
)

// run lists the watched directories and announces what has changed, until close.
func (a *announcer) run() {
	defer close(a.done)
	var (
		scanned, noticed time.Time
		took             time.Duration
		seen             uint64
	)
	for {
		now := time.Now()
		var scan time.Time
		if a.requests.Load() != seen {
			if noticed.IsZero() {
				noticed = now
			}
			scan = later(noticed.Add(scanDelay),
				scanned.Add(max(minScanInterval, scanCostFactor*took)))
		} else if len(a.watched) > 0 {
			scan = scanned.Add(idleScanInterval)
		}
		if !a.wait(a.nextDue(scan), noticed.IsZero(), seen) {
			return
		}
		if !scan.IsZero() && !time.Now().Before(scan) {
			seen, noticed = a.requests.Load(), time.Time{}
			begun := time.Now()
			a.scan()
			scanned = time.Now()
			took = scanned.Sub(begun)
		}
		for _, w := range a.due(time.Now()) {
			a.look(w)
		}
		a.announceStates()
		a.endIdleHelper()
	}
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// nextDue returns when run has something to do next: scan, a listing, or ending an idle helper. It
// is zero if there is nothing.
func (a *announcer) nextDue(scan time.Time) time.Time {
	next := scan
	take := func(t time.Time) {
		if next.IsZero() || t.Before(next) {
			next = t
		}
	}
	for _, w := range a.watched {
		if !w.large {
			take(w.next)
		}
		if len(w.states) > 0 {
			take(a.states)
		}
	}
	if a.helper.Load() != nil {
		take(a.used.Add(helperIdle))
	}
	return next
}

// wait waits until a time, which may be zero for no limit. If early is set, it also returns at the
// first request of a program after the number seen. It returns false once close was called.
func (a *announcer) wait(until time.Time, early bool, seen uint64) bool {
	a.waiting.Store(early)
	if early && a.requests.Load() != seen {
		a.waiting.Store(false)
		return a.ctx.Err() == nil
	}
	var timer <-chan time.Time
	if !until.IsZero() {
		t := time.NewTimer(time.Until(until))
		defer t.Stop()
		timer = t.C
	}
	select {
	case <-a.wake:
	case <-timer:
	case <-a.ctx.Done():
	}
	a.waiting.Store(false)
	return a.ctx.Err() == nil
}

// scan finds which directories are watched now.
func (a *announcer) scan() {
	device := a.s.device()
	if device == "" {
		return
	}
	inos, err := arrival.Watches(device)
	if err != nil {
		a.s.log.Debug("it is not known what is watched", "err", err)
		return
	}
	dirs := a.s.inodes.dirsOf(inos)
	var added []*watch
	a.mu.Lock()
	for d := range a.watched {
		if !dirs[d] {
			delete(a.watched, d)
			d.names.Reset()
		}
	}
	for d := range dirs {
		if a.watched[d] == nil && !d.IsRoot() {
			w := &watch{d: d, next: time.Now()}
			w.active.Store(time.Now().UnixNano())
			a.watched[d] = w
			added = append(added, w)
		}
	}
	a.mu.Unlock()
	for _, w := range added {
		a.read(w, seedAge)
		w.next = time.Now()
	}
}

// due returns the watches that are to be listed now.
func (a *announcer) due(now time.Time) (all []*watch) {
	for _, w := range a.watched { // only this goroutine changes it
		if !w.large && !now.Before(w.next) {
			all = append(all, w)
		}
	}
	return all
}

// listInterval returns how long to wait before a directory is listed again.
func (a *announcer) listInterval(w *watch) time.Duration {
	longest := maxListInterval * time.Duration(max(1, len(a.watched)/watchedPerInterval))
	quiet := time.Since(time.Unix(0, w.active.Load()))
	pause := min(max(quiet/quietDivisor, minListInterval), longest)
	return pause * time.Duration(1+w.d.names.Len()/4000) // a page of a listing has 1,000
}

// look lists a directory, and announces what has changed.
func (a *announcer) look(w *watch) {
	defer func() { w.next = time.Now().Add(a.listInterval(w)) }()
	path := w.d.path()
	if !a.s.cache.ListedSince(path, minListInterval/2) {
		pages := min(1+w.d.names.Len()/1000, listingBurst)
		if !a.listLimit.AllowN(time.Now(), pages) {
			return
		}
	}
	changes, attrs := a.read(w, minListInterval/2)
	if len(changes) == 0 {
		return
	}
	w.active.Store(time.Now().UnixNano())
	if over := len(changes) - maxChanges; over > 0 {
		a.skipped.Add(int64(over))
		changes = changes[:maxChanges]
	}
	a.announce(w, changes, attrs)
}

// read returns how a directory, by a listing that is at most maxAge old, differs from what its
// watchers know.
func (a *announcer) read(w *watch,
	maxAge time.Duration) ([]arrival.Changed, map[string]cache.Attr) {
	ctx, cancel := context.WithTimeout(a.ctx, listDeadline)
	defer cancel()
	moves, moving := a.dirRenameEvents.Load(), a.dirRenamesInProgress.Load() > 0
	attrs := map[string]cache.Attr{}
	look := w.d.names.Look()
	total := 0
	err := a.s.cache.ReadNames(ctx, w.d.path(), maxAge, func(n cache.Name) {
		if total++; total > maxNames {
			cancel()
			return
		}
		e := arrival.Entry{Name: n.Name, Dir: n.Attr.Dir, Version: n.Attr.ETag,
			Pending: n.Pending, Ours: n.Ours}
		if look.See(e) && len(attrs) < maxChanges {
			attrs[n.Name] = n.Attr
		}
	})
	// During the rename of a directory, a listing may have some of the names only.
	if err != nil || moving || a.dirRenameEvents.Load() != moves {
		look.Abandon()
		if err != nil && !errors.Is(err, context.Canceled) {
			a.s.log.Debug("a watched directory could not be listed", "dir", w.d.path(), "err", err)
		}
	} else {
		changes := look.End()
		if a.names() <= maxNames {
			return changes, attrs
		}
		total = maxNames + 1
	}
	if total > maxNames {
		w.large = true
		w.d.names.Reset()
		a.s.log.Warn("arrivals in a directory are not announced: it has too many names",
			"dir", w.d.path())
	}
	return nil, nil
}

// names returns how many names are remembered of all watched directories.
func (a *announcer) names() (n int) {
	for _, w := range a.watched {
		n += w.d.names.Len()
	}
	return n
}
