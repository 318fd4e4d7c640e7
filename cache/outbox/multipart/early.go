package multipart

import (
	"context"

	"github.com/s3share/s3share/cache/outbox/parts"
)

// maxEarly is the maximum number of parts of one file in flight before its commit.
const maxEarly = 32

// SendReady sends the parts that are complete, after a write that has ended at end. It returns at
// once. The commit does again what fails.
func (up *Upload) SendReady(end int64) {
	for _, p := range up.takeReady(end) {
		up.s.Go(func() { up.sendEarly(p) })
	}
}

// Seal lets the last part be sent: the file is closed.
func (up *Upload) Seal() {
	up.mu.Lock()
	defer up.mu.Unlock()
	up.restartLocked()
	up.sealed = !up.layout.IsZero()
}

// takeReady returns the parts that are complete and are not sent yet, as far as they may be in
// flight. end is where the last write ended. The caller sends them and calls partEnded for each.
func (up *Upload) takeReady(end int64) (ready []parts.Part) {
	up.mu.Lock()
	defer up.mu.Unlock()
	for !up.closed && up.inFlight < maxEarly && up.next <= parts.MaxCount {
		p := up.layout.Part(up.next)
		if p.N > up.layout.First && up.next < parts.PerTier && !up.s.LargePartsFit() {
			up.restartLocked()
			p = up.layout.Part(up.next)
		}
		if up.sealed {
			p.N = min(p.N, end-p.Off)
		} else if end < p.Off+p.N || !up.f.Content.Has(p.Off, p.Off+p.N) {
			return ready
		}
		if p.N <= 0 {
			return ready
		}
		up.next++
		if d, ok := up.done[p.Num]; ok && d.Part == p &&
			!up.f.Content.ChangedSince(p.Off, p.Off+p.N, d.seq) {
			continue // sent when the file was closed before
		}
		up.inFlight++
		ready = append(ready, p)
	}
	return ready
}

// partEnded ends a part of takeReady, whether it was sent or not.
func (up *Upload) partEnded() {
	up.mu.Lock()
	defer up.mu.Unlock()
	up.inFlight--
	if up.closed && up.inFlight == 0 {
		close(up.idle)
	}
}

// sendEarly sends one part before the commit.
func (up *Upload) sendEarly(p parts.Part) {
	err := up.createEarly()
	if err == nil {
		up.noteLayout()
		err = up.f.Content.Open()
	}
	if err == nil {
		err = up.send(up.ctx, p)
		if up.s.IsPermanent(err) {
			err = up.sendRefused(p, err)
		}
		up.f.Content.Close()
	}
	if err != nil && up.ctx.Err() == nil {
		up.s.Log.Debug("part not sent yet", "key", up.f.Owner.Key(), "part", p.Num, "err", err)
	}
	up.partEnded()
	if err == nil {
		up.f.Owner.PartSent(up)
	}
}

// createEarly creates the upload at S3, once.
func (up *Upload) createEarly() error {
	up.once.Do(func() {
		h, err := up.f.Owner.Header(up.ctx)
		if err == nil {
			err = up.create(up.ctx, up.f.Owner.Key(), h)
		}
		if up.err = err; err != nil {
			up.f.Owner.NotCreated(err)
		}
	})
	return up.err
}

// sendRefused sends a part again that S3 has refused, once for all parts in flight, and tells the
// owner if it is refused again. One refusal alone does not prove that S3 does not take the file:
// right after a change of the policy, some of S3's servers still apply the old one.
func (up *Upload) sendRefused(p parts.Part, because error) error {
	if !up.resending.CompareAndSwap(false, true) {
		return because
	}
	defer up.resending.Store(false)
	err := up.send(up.ctx, p)
	if up.s.IsPermanent(err) {
		up.f.Owner.Refused(err)
	}
	return err
}

// drain sends no more parts before the commit, and waits for those in flight.
func (up *Upload) drain(ctx context.Context) error {
	up.mu.Lock()
	if !up.closed {
		up.closed = true
		if up.inFlight == 0 {
			close(up.idle)
		}
	}
	idle := up.idle
	up.mu.Unlock()
	select {
	case <-idle:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// Resume allows SendReady again, if the commit that took over is put off.
func (up *Upload) Resume() {
	up.mu.Lock()
	defer up.mu.Unlock()
	up.sealed = false
	if up.layout.IsZero() || !up.closed || up.inFlight > 0 {
		return
	}
	up.closed, up.idle = false, make(chan struct{})
	// The last part is longer once the file is.
	for up.next > 1 && up.done[up.next-1].Part != up.layout.Part(up.next-1) {
		up.next--
	}
}

// restartLocked makes the next part small, if it would be a larger one and S3 has none behind it.
func (up *Upload) restartLocked() {
	if l := up.layout; !l.IsZero() && up.firstFreeLocked() == up.next && l.Restart(up.next) {
		up.layout, up.noted = l, false
	}
}

// useSmallParts makes all parts small that are not being sent, of a file of this size, unless it is
// huge.
func (up *Upload) useSmallParts(size int64) {
	up.mu.Lock()
	defer up.mu.Unlock()
	l := up.layout
	if l.IsZero() {
		return
	}
	for n := up.firstFreeLocked(); n < parts.PerTier && l.Part(n).Off < size; n++ {
		up.noted = !l.Restart(n) && up.noted
	}
	up.layout = l
}

// firstFreeLocked returns the first of the parts whose bounds may still change.
func (up *Upload) firstFreeLocked() int32 {
	from := up.next
	for n := range up.done {
		from = max(from, n+1)
	}
	return from
}
