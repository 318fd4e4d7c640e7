package daemon

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/s3share/s3share/cache"
	"github.com/s3share/s3share/cache/outbox"
	"github.com/s3share/s3share/cmd/s3share/internal/control"
	"github.com/s3share/s3share/cmd/s3share/internal/hint"
	"github.com/s3share/s3share/cmd/s3share/internal/statedir"
)

// pauses has the reasons for which deliveries are paused. A zero time means that there is none.
type pauses struct {
	mu      sync.Mutex
	command time.Time // a person has paused; this is in the state directory as well
	metered time.Time // the connection is metered, since then
	anyway  bool      // a person has resumed since it is
	began   bool      // the cache is open
}

// whyLocked returns the reason that is shown to people.
func (p *pauses) whyLocked() *outbox.SuspendedError {
	if !p.command.IsZero() {
		return &outbox.SuspendedError{Since: p.command}
	}
	if !p.metered.IsZero() && !p.anyway {
		return &outbox.SuspendedError{Since: p.metered, Metered: true}
	}
	return nil
}

// setMetered notes whether the connection is metered. If a person has resumed, that counts until
// this changes.
func (p *pauses) setMetered(is bool) {
	switch {
	case !is:
		p.metered, p.anyway = time.Time{}, false
	case p.metered.IsZero():
		p.metered = time.Now()
	}
}

// resume has deliveries go on, whatever has paused them.
func (p *pauses) resume() { p.command, p.anyway = time.Time{}, !p.metered.IsZero() }

// setMetered is called with whether the connection is metered.
func (d *mountDaemon) setMetered(is bool) {
	d.pauses.mu.Lock()
	defer d.pauses.mu.Unlock()
	was := d.pauses.whyLocked()
	d.pauses.setMetered(is)
	if d.pauses.began {
		d.applyPauseLocked(was)
	}
}

// startPauses is called when the cache is open. It applies what has changed since pausedBefore was
// called.
func (d *mountDaemon) startPauses(files *cache.Cache) {
	d.pauses.mu.Lock()
	defer d.pauses.mu.Unlock()
	d.cache, d.deliveries, d.pauses.began = files, files.Deliveries(), true
	d.deliveries.Suspend(d.pauses.whyLocked())
}

// pausedBefore returns why deliveries are paused from the beginning: an earlier process was paused.
func (d *mountDaemon) pausedBefore() *outbox.SuspendedError {
	d.pauses.mu.Lock()
	defer d.pauses.mu.Unlock()
	if since, is := statedir.ReadPaused(d.settings.StateDir); is {
		d.pauses.command = since
		if since.IsZero() {
			d.pauses.command = time.Now()
		}
	}
	return d.pauses.whyLocked()
}

// suspension returns why deliveries are paused, in words; nil if they are not.
func (d *mountDaemon) suspension() *control.Pause {
	var why *outbox.SuspendedError
	if d.deliveries == nil || !errors.As(d.deliveries.Suspension(), &why) {
		return nil
	}
	return control.NewPause(why, d.destinationName())
}

// destinationName returns the name of the mount in a command.
func (d *mountDaemon) destinationName() string {
	if d.dir != "" {
		return d.dir
	}
	return d.settings.Label()
}

// notePause prints that the mount begins paused, for the person who waits for it, and notifies the
// desktop.
func (d *mountDaemon) notePause() {
	p := d.suspension()
	if p == nil {
		return
	}
	fmt.Fprintf(d.notes, "s3share: note: it is %s: what is written waits; %s\n",
		hint.OneLine(p.Reason), hint.OneLine(p.Hint))
	d.notices.add(outbox.Status{State: outbox.Paused, Since: p.Since, Reason: p.Reason})
}

// pause answers POST /pause. It records the pause in the state directory before it takes effect.
func (d *mountDaemon) pause(_ context.Context, ask control.PauseRequest) (a control.PauseAnswer) {
	d.pauses.mu.Lock()
	defer d.pauses.mu.Unlock()
	was := d.pauses.whyLocked()
	a.Was = was != nil
	var err error
	switch {
	case !ask.Pause:
		if err = statedir.RemovePaused(d.settings.StateDir); err == nil {
			d.pauses.resume()
		}
	case d.pauses.command.IsZero():
		since := time.Now()
		if err = statedir.WritePaused(d.settings.StateDir, since); err == nil {
			d.pauses.command = since
		}
	}
	if err != nil {
		a.Error = err.Error()
	}
	d.applyPauseLocked(was)
	a.Paused = d.suspension()
	a.Files = len(control.Undelivered(d.deliveries.Status()))
	return a
}

// applyPauseLocked pauses or resumes deliveries by the present reasons; was is the previous reason.
func (d *mountDaemon) applyPauseLocked(was *outbox.SuspendedError) {
	why := d.pauses.whyLocked()
	if why == nil && was == nil || why != nil && was != nil && *why == *was {
		return
	}
	d.deliveries.Suspend(why)
	if p := d.suspension(); p != nil && was == nil {
		d.notices.add(outbox.Status{State: outbox.Paused, Since: p.Since, Reason: p.Reason})
	}
}
