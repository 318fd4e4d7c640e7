package daemon

import (
	"context"
	"sync"
	"time"

	"github.com/s3share/s3share/cmd/s3share/internal/config"
	"github.com/s3share/s3share/cmd/s3share/internal/control"
	"github.com/s3share/s3share/s3backend"
)

// limits are the rates of a mount. Those that a person sets last until the settings change.
type limits struct {
	mu       sync.Mutex
	settings *config.Settings // whose limits hold; nil before the bucket is open
	live     bool             // a person has set others
}

// takeUpLimits has the limits of the settings take effect, if they are new.
func (d *mountDaemon) takeUpLimits(now *config.Settings) {
	d.limits.mu.Lock()
	defer d.limits.mu.Unlock()
	if !config.SameLimits(now, d.limits.settings) {
		d.limits.live = false
	}
	d.limits.settings = now
	d.applyLimitsLocked()
}

// applyLimitsLocked sets the limits that the settings have now, if no person has set others. The
// caller holds d.limits.mu.
func (d *mountDaemon) applyLimitsLocked() {
	if d.limits.live {
		return
	}
	if now := d.limits.settings.LimitsAt(time.Now()); now != d.bucket.Limits() {
		d.bucket.SetLimits(now)
		d.log.Info("limited", "upload", now.Upload, "download", now.Download)
	}
}

// keepLimits follows the timetable from now on, until stop is called.
func (d *mountDaemon) keepLimits() (stop func()) {
	return background(func(ctx context.Context) {
		config.EachMinute(ctx, func() {
			d.limits.mu.Lock()
			defer d.limits.mu.Unlock()
			d.applyLimitsLocked()
		})
	})
}

// limit answers POST /limit.
func (d *mountDaemon) limit(_ context.Context, ask control.LimitRequest) control.Limits {
	d.limits.mu.Lock()
	switch {
	case ask.Set != nil:
		d.limits.live = true
		d.bucket.SetLimits(s3backend.Limits{Upload: ask.Set.Upload, Download: ask.Set.Download})
		d.log.Info("limited", "upload", ask.Set.Upload, "download", ask.Set.Download)
	case ask.Default:
		d.limits.live = false
		d.applyLimitsLocked()
	}
	d.limits.mu.Unlock()
	return *d.limitState()
}

// limitState returns the present limits.
func (d *mountDaemon) limitState() *control.Limits {
	d.limits.mu.Lock()
	defer d.limits.mu.Unlock()
	now := d.bucket.Limits()
	return &control.Limits{Upload: now.Upload, Download: now.Download, Live: d.limits.live}
}
