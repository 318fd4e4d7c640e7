package daemon

import (
	"context"
	"sync"

	"github.com/s3share/s3share/cmd/s3share/internal/control"
	"github.com/s3share/s3share/s3backend"
)

// limits are the rates of a mount. Those that a person sets hold until the settings change.
type limits struct {
	mu       sync.Mutex
	settings s3backend.Limits // what the settings say
	live     bool             // a person has set others
}

// takeUpLimits has the limits of the settings take effect, if they are new.
func (d *mountDaemon) takeUpLimits(now s3backend.Limits) {
	d.limits.mu.Lock()
	defer d.limits.mu.Unlock()
	if now != d.limits.settings {
		d.limits.settings, d.limits.live = now, false
		d.bucket.SetLimits(now)
	}
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
		d.bucket.SetLimits(d.limits.settings)
		d.log.Info("the limits are those of the settings")
	}
	d.limits.mu.Unlock()
	return *d.limitState()
}

// limitState is what the limits are.
func (d *mountDaemon) limitState() *control.Limits {
	d.limits.mu.Lock()
	defer d.limits.mu.Unlock()
	now := d.bucket.Limits()
	return &control.Limits{Upload: now.Upload, Download: now.Download, Live: d.limits.live}
}
