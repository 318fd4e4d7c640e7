package daemon

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/s3share/s3share/cache"
	"github.com/s3share/s3share/cmd/s3share/internal/config"
	"github.com/s3share/s3share/cmd/s3share/internal/control"
	"github.com/s3share/s3share/cmd/s3share/internal/statedir"
)

// madeDir is a directory that a start made, and the topmost of its parents that it
// had to make for it.
type madeDir struct{ dir, top string }

// startFiles are what a start makes in its state and cache directories. The outbox's
// directory is the first: while there is anything in it, all the rest stays as well.
var startFiles = []string{"stage", "exchange.json", "s3share.log", "small.tray",
	"small.list", "lock", "daemon.lock", "seen.json", "listings"}

// removeMade removes the directories of a start that failed, as far as there is nothing
// in them but what the start made. What else came into them stays, and so do they.
func removeMade(all []madeDir) error {
	var errs []error
	for _, m := range all {
		errs = append(errs, m.remove())
	}
	return errors.Join(errs...)
}

func (m madeDir) remove() error {
	for _, name := range startFiles {
		if err := os.Remove(filepath.Join(m.dir, name)); err != nil &&
			!errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	for dir := m.dir; ; dir = filepath.Dir(dir) {
		if err := os.Remove(dir); err != nil || dir == m.top {
			return nil // a parent may be in use by others
		}
	}
}

// acquireDirs takes the state directory, makes the cache's, and opens the log.
func (d *mountDaemon) acquireDirs(ctx context.Context) (err error) {
	s := d.settings
	if err := d.acquireDir(s.StateDir, "state directory", "--state-dir"); err != nil {
		return err
	}
	if d.lock, err = d.lockStateDir(ctx); err != nil {
		d.made = nil // it is the other daemon's
		return err
	}
	if err := statedir.WriteReasons(s.StateDir, nil); err != nil {
		return err
	}
	if err := statedir.Bind(s); err != nil {
		return err
	}
	if s.CacheDir != "" {
		if err := d.acquireDir(s.CacheDir, "cache directory", "--cache-dir"); err != nil {
			return err
		}
	}
	d.logLevel.Set(levelOf(s))
	d.log, d.logFile, err = openLog(s, d.foreground, &d.logLevel)
	return err
}

// registerOutbox has the outbox found by status once this process has ended.
func (d *mountDaemon) registerOutbox() {
	if err := control.Register(d.settings.StateDir); err != nil {
		d.log.Warn("what this process may leave in the outbox is shown by no status", "err", err)
	}
}

// noteReasons leaves in the state directory why what is left was not delivered.
func (d *mountDaemon) noteReasons() {
	if d.settings.StateDir == "" {
		return
	}
	if err := statedir.WriteReasons(d.settings.StateDir,
		control.Undelivered(d.pending())); err != nil {
		d.log.Warn("why something was not delivered is not remembered", "err", err)
	}
}

// releaseOutbox notes that this process gives the state directory up, and whether anything
// waits in it.
func (d *mountDaemon) releaseOutbox() {
	if err := statedir.NoteEnd(d.lock); err != nil && d.log != nil {
		d.log.Warn("status may take this process for one that does not answer", "err", err)
	}
	if owes, err := cache.Owes(d.settings.StateDir); err == nil && !owes {
		control.Unregister(d.settings.StateDir)
	}
}

func (d *mountDaemon) acquireDir(dir, what, flag string) error {
	top := config.FirstMissing(dir)
	err := config.MakePrivate(dir, what, flag)
	if top != "" {
		d.made = append(d.made, madeDir{dir, top})
	}
	return err
}
