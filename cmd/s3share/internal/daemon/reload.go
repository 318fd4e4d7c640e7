package daemon

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"

	"github.com/s3share/s3share/cmd/s3share/internal/config"
	"github.com/s3share/s3share/cmd/s3share/internal/hint"
	"github.com/s3share/s3share/cmd/s3share/internal/ui"
)

// reloadTimeout is how long a reload waits for S3 and for the sources of credentials.
const reloadTimeout = 30 * time.Second

// liveSettings are the settings that take effect while the mount serves.
var liveSettings = []string{"profile", "verbose", "limit-upload", "limit-download", "limit-times"}

// hangup asks for a reload. Several that come while one is under way are one.
func (d *mountDaemon) hangup() {
	select {
	case d.hangups <- struct{}{}:
	default:
	}
}

// serveHangups reloads from now on when it is asked to. stop ends that, and waits for it.
func (d *mountDaemon) serveHangups() (stop func()) {
	return background(func(ctx context.Context) {
		for {
			select {
			case <-ctx.Done():
				return
			case <-d.hangups:
				d.reload(ctx)
			}
		}
	})
}

// reload reads the config file and the credentials again. What cannot be taken up stays as it was.
func (d *mountDaemon) reload(ctx context.Context) {
	_ = d.manager.notify(daemon.SdNotifyReloading + "\n" + daemon.SdNotifyMonotonicUsec())
	defer func() { _ = d.manager.notify(daemon.SdNotifyReady) }()
	profile, done := d.profile(), "the credentials were read again, and nothing else"
	if now, err := d.readSettings(); err != nil {
		_, advice := hint.ExitCode(err)
		d.log.Error("the settings stay as they are: they cannot be read again",
			"err", err, "hint", advice)
	} else {
		profile, done = d.takeUp(now), "reloaded"
	}
	d.renewCredentials(ctx, profile, done)
}

// takeUp applies those of the new settings that are in liveSettings, and returns the profile to
// use. It warns of the others.
func (d *mountDaemon) takeUp(now *config.Settings) (profile string) {
	d.logLevel.Set(levelOf(now))
	d.limits.takeUp(now)
	var rest []string
	for _, key := range config.Changed(d.asRead, now) {
		if !slices.Contains(liveSettings, key) {
			rest = append(rest, key)
		}
	}
	if len(rest) > 0 {
		d.log.Warn("these settings take effect when it is mounted again",
			"settings", strings.Join(rest, ", "))
	}
	if now.Profile == d.profile() {
		return now.Profile
	}
	// Another profile may name another endpoint, which is another exchange.
	if err := now.Locate(); err != nil || now.At != d.settings.At {
		d.log.Warn("the profile takes effect when it is mounted again: by it S3 is elsewhere",
			"profile", now.Profile, "err", err)
		return d.profile()
	}
	return now.Profile
}

// renewCredentials switches to the credentials of the profile, and tries again what waits for them.
// If S3 confirms them, it logs done.
func (d *mountDaemon) renewCredentials(ctx context.Context, profile, done string) {
	ctx, cancel := context.WithTimeout(ctx, reloadTimeout)
	defer cancel()
	err := d.bucket.UseProfile(ctx, profile)
	if err == nil {
		d.usedProfile.Store(&profile)
		d.log.Info(done, "profile", profile, "retried", d.deliveries.Retry(""))
		return
	}
	err = ui.Explain(d.destination(), err)
	_, advice := hint.ExitCode(err)
	d.log.Error("the credentials were read again, and S3 has not confirmed them",
		"profile", profile, "err", err, "hint", advice)
}

// readSettings reads the settings again.
func (d *mountDaemon) readSettings() (*config.Settings, error) {
	if d.sources == nil {
		return nil, errors.New("they have no source")
	}
	return d.sources.Of(d.settings.Exchange).Settings()
}

// profile returns the profile whose credentials are used.
func (d *mountDaemon) profile() string {
	if used := d.usedProfile.Load(); used != nil {
		return *used
	}
	return d.settings.Profile
}

// destination returns where requests go at present.
func (d *mountDaemon) destination() config.Destination {
	to := d.settings.Destination()
	to.Profile, to.Dir, to.FixedKeys = d.profile(), d.dir, d.bucket != nil &&
		d.bucket.LoginMethod().Fixed
	return to
}

// levelOf returns the log level of these settings.
func levelOf(s *config.Settings) slog.Level {
	if s.Verbose {
		return slog.LevelDebug
	}
	return slog.LevelInfo
}
