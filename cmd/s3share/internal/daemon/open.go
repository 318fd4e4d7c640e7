package daemon

import (
	"context"
	"fmt"

	"github.com/s3share/s3share/cache"
	"github.com/s3share/s3share/cache/grants"
	"github.com/s3share/s3share/cmd/s3share/internal/config"
	"github.com/s3share/s3share/cmd/s3share/internal/hint"
	"github.com/s3share/s3share/cmd/s3share/internal/recording"
	"github.com/s3share/s3share/cmd/s3share/internal/statedir"
	"github.com/s3share/s3share/cmd/s3share/internal/ui"
	"github.com/s3share/s3share/s3backend"
)

// connect opens the bucket, and the cache over it. With offline set, S3 may be out of reach.
func (d *mountDaemon) connect(ctx context.Context, offline bool) (*cache.Cache, error) {
	s := d.settings
	cfg := s.Backend()
	cfg.Logger = d.log
	client, err := d.openBucket(ctx, cfg, offline)
	if err != nil {
		return nil, err
	}
	d.limits.begin(s, client, d.log)
	d.bucket = client // what is found in the outbox is told of at once
	private, err := s.PrivateNames()
	if err != nil {
		return nil, err
	}
	if s.Metered {
		d.endMetered = keepMetered(systemBus, d.setMetered)
	}
	if d.recording, err = recording.Start(s, client, "mount", true, d.log); err != nil {
		d.log.Warn("what is delivered and received is not recorded", "err", err)
	}
	files, err := cache.New(cacheBucket{client, client.Rights()}, cache.Config{
		Folders: s.Folders, StateDir: s.StateDir, CacheDir: s.CacheDir,
		CacheSize: int64(s.CacheSize), Memory: int64(s.Memory), StageSize: int64(s.StageSize),
		Sync: s.Sync, ReadOnly: s.ReadOnly, Private: private, OnStatus: d.newsOf(client),
		Who: config.UserAtHost(), Annotations: client, Suspended: d.pausedBefore(),
		Checker: &prober{Rights: client.Rights(),
			stateDir: s.StateDir}, Recorded: d.recording.Record, Logger: d.log,
	})
	if err != nil {
		return nil, err
	}
	d.startPauses(files)
	d.noteOwner()
	d.keepContact()
	d.endLimits = d.limits.keep()
	return files, nil
}

// cacheBucket is a bucket as the cache uses it.
type cacheBucket struct {
	*s3backend.Client
	grants.Deleter
}

// openBucket opens the bucket. If it may begin offline, and the bucket was seen before, that S3
// is out of reach is no failure.
func (d *mountDaemon) openBucket(ctx context.Context, cfg s3backend.Config,
	offline bool) (*s3backend.Client, error) {
	seen, known := statedir.ReadSeen(d.settings.StateDir)
	open := s3backend.Open
	if !offline { // a person waits, and nothing else does
		open = s3backend.OpenSoon
	}
	if offline && known {
		open = func(ctx context.Context, cfg s3backend.Config) (*s3backend.Client, error) {
			return s3backend.OpenSeen(ctx, cfg, seen.Region)
		}
	}
	client, err := open(ctx, cfg)
	if err != nil {
		return nil, err
	}
	if now := client.Contact(); now.Offline {
		why := ui.Explain(d.destination(), now.Err)
		fmt.Fprintf(d.notes,
			"s3share: mounted without a connection: %s; what was seen last is shown, and what is written waits\n", hint.OneLine(why.Error()))
		d.log.Warn("begins while S3 is out of reach", "err", now.Err)
		return client, nil
	}
	if now := (statedir.Seen{Region: client.Region()}); now != seen {
		if err := statedir.NoteSeen(d.settings.StateDir, now); err != nil {
			d.log.Warn("this exchange cannot be mounted without a connection", "err", err)
		}
	}
	return client, nil
}
