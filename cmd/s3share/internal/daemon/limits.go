package daemon

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/s3share/s3share/cmd/s3share/internal/config"
	"github.com/s3share/s3share/cmd/s3share/internal/control"
	"github.com/s3share/s3share/s3backend"
)

// limits are the rates of a mount. Those that a person sets last until the settings change.
type limits struct {
	bucket limitedBucket
	log    *slog.Logger

	mu       sync.Mutex
	settings *config.Settings // whose limits hold; nil before the bucket is open
	live     bool             // a person has set others
}

// limitedBucket is the bucket whose requests are limited; *s3backend.Client implements it.
type limitedBucket interface {
	Limits() s3backend.Limits
	SetLimits(s3backend.Limits)
}

// begin has the limits of the settings apply to a bucket, once keep is called.
func (l *limits) begin(s *config.Settings, b limitedBucket, log *slog.Logger) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.settings, l.bucket, l.log = s, b, log
}

// takeUp has the limits of the settings take effect, if they are new.
func (l *limits) takeUp(now *config.Settings) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !config.SameLimits(now, l.settings) {
		l.live = false
	}
	l.settings = now
	l.applyLocked()
}

// applyLocked sets the limits that the settings have now, if no person has set others. The
// caller holds mu.
func (l *limits) applyLocked() {
	if l.live {
		return
	}
	if now := l.settings.LimitsAt(time.Now()); now != l.bucket.Limits() {
		l.bucket.SetLimits(now)
		l.log.Info("limited", "upload", now.Upload, "download", now.Download)
	}
}

// keep follows the timetable from now on, until stop is called.
func (l *limits) keep() (stop func()) {
	return background(func(ctx context.Context) {
		config.EachMinute(ctx, func() {
			l.mu.Lock()
			defer l.mu.Unlock()
			l.applyLocked()
		})
	})
}

// limit answers POST /limit.
func (l *limits) limit(_ context.Context, ask control.LimitRequest) control.Limits {
	l.mu.Lock()
	switch {
	case ask.Set != nil:
		l.live = true
		l.bucket.SetLimits(s3backend.Limits{Upload: ask.Set.Upload, Download: ask.Set.Download})
		l.log.Info("limited", "upload", ask.Set.Upload, "download", ask.Set.Download)
	case ask.Default:
		l.live = false
		l.applyLocked()
	}
	l.mu.Unlock()
	return *l.state()
}

// state returns the present limits.
func (l *limits) state() *control.Limits {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.bucket.Limits()
	return &control.Limits{Upload: now.Upload, Download: now.Download, Live: l.live}
}
