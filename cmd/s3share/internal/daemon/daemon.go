// Package daemon is the process that serves one mount: its start, the resources it holds while it
// serves, the answers on its control socket, and its end, when all is delivered.
//
// [Mount] is that process, or starts it in the background; [Recover] is the same without a
// mount. A daemon holds the state directory's lock, the bucket, the cache and the kernel's
// mount, and releases them in the reverse order. Commands talk to it only through package
// control.
package daemon

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"

	"github.com/s3share/s3share/cache"
	"github.com/s3share/s3share/cache/outbox"
	"github.com/s3share/s3share/cmd/s3share/internal/config"
	"github.com/s3share/s3share/cmd/s3share/internal/control"
	"github.com/s3share/s3share/cmd/s3share/internal/hint"
	"github.com/s3share/s3share/cmd/s3share/internal/mounts"
	"github.com/s3share/s3share/cmd/s3share/internal/recording"
	"github.com/s3share/s3share/cmd/s3share/internal/statedir"
	"github.com/s3share/s3share/cmd/s3share/internal/ui"
	"github.com/s3share/s3share/fs"
	"github.com/s3share/s3share/s3backend"
)

// drainTimeout is how long deliveries may take after a signal. systemd kills 90 s
// after its signal: DefaultTimeoutStopSec in systemd-system.conf(5).
const drainTimeout = 75 * time.Second

// mountDaemon is the process that serves one mount. start makes it serve; run waits
// until the mount is undone, delivers what is pending and releases everything.
type mountDaemon struct {
	settings   *config.Settings
	notes      io.Writer // for the person who waits for the start
	foreground bool

	dir        string // the mountpoint, as the kernel's list names it
	started    time.Time
	made       []madeDir // removed again if the start fails
	mounting   bool      // the kernel was asked for the mount
	lock       *os.File
	log        *slog.Logger
	logFile    *logFile // nil for standard error
	bucket     bucket
	cache      fileCache
	deliveries deliveries // the cache's; set together with it
	server     mountServer
	control    *controlServer
	notices    *notices // nil for no desktop notifications
	contact    contactNotified

	recording *recording.Recording // nil: nothing is recorded

	endContact func() // ends the goroutine of keepContact, and waits for it; nil before it runs
	endLimits  func() // the same of limits.keep
	endMetered func() // the same of keepMetered
	endInhibit func() // the same of keepInhibited
	// endArrivals is the same of keepArrivals, and endActs of the actions of notices.
	endArrivals, endActs func()
	endBookmark          func() // removes what keepBookmark has added; nil if there is nothing

	manager serviceManager // of a mount in the foreground
	// endWatchdog ends the goroutine of keepWatchdog, and waits for it; nil before it runs. It
	// runs until the process ends, also after a handover.
	endWatchdog func()

	// sources is what the settings were read from; nil if they are not read again.
	sources     *config.Sources
	asRead      *config.Settings       // the settings as read, before anything was filled in
	hangups     chan struct{}          // has a token when a reload is asked for
	logLevel    slog.LevelVar          // of what is logged
	usedProfile atomic.Pointer[string] // of the last reload; nil before

	unmounts unmounts
	limits   limits
	pauses   pauses

	serving    atomic.Bool   // the kernel has the mount
	gone       chan struct{} // closed when the kernel no longer has the mount
	skipDrain  chan struct{} // has a token when what is left may stay in the outbox
	ended      chan struct{} // closed when all but the control socket is released
	drainErr   error         // of the last drain; read it after ended
	handedOver atomic.Bool   // a new mount delivers what is left
	takesBack  bool          // it delivers what a new mount that has failed did not: see takeBack
	// how many mounts had served with the state directory, this one included
	served int
}

// bucket is the bucket as a daemon uses it; *s3backend.Client implements it.
type bucket interface {
	Bucket() string
	Region() string
	Owner() string
	Counts() map[string]int64
	Login(ctx context.Context, code string) error
	UseProfile(ctx context.Context, profile string) error
	LoginMethod() s3backend.LoginMethod
	Contact() s3backend.Contact
	Check(ctx context.Context) (s3backend.Contact, error)
	Ask(ctx context.Context) s3backend.Contact
	KeepContact(ctx context.Context, changed func(s3backend.Contact))
	Moved() int64
	Abilities() []s3backend.Ability
	List(ctx context.Context, in s3backend.ListInput) (s3backend.Page, error)
}

// fileCache is the cache as a daemon uses it; *cache.Cache implements it.
type fileCache interface {
	Confirm(ctx context.Context, path string) cache.Confirmed
	EndHandles()
	KeepLast()
	Close() error
}

// deliveries is what the cache has to deliver, as a daemon uses it; *cache.Deliveries implements
// it.
type deliveries interface {
	Status() []outbox.Status
	StatusAt(path string) []outbox.Status
	Unresolved(path string) []outbox.Status
	Paused() error
	Suspend(why *outbox.SuspendedError)
	Suspension() error
	Outcomes(paths []string) []cache.Confirmed
	DeliveredHere(key, etag string) bool
	Wait(ctx context.Context, path string) error
	Retry(path string) int
	Deliver(path string) (int, error)
	Drain(context.Context) error
	DrainLast(context.Context) error
	Unreachable(why error)
	Reachable()
}

// mountServer is the mount as a daemon uses it; *fs.Server implements it.
type mountServer interface {
	Unmount() error
	Wait()
	Arrivals() (fs.ArrivalState, bool)
	Limited() (fs.LimitedState, bool)
}

// newDaemon returns a daemon that is not started.
func newDaemon(s *config.Settings, foreground bool, notes io.Writer) *mountDaemon {
	return &mountDaemon{
		settings: s, notes: notes, foreground: foreground, started: time.Now(),
		hangups: make(chan struct{}, 1), gone: make(chan struct{}), skipDrain: make(chan struct{},
			1), ended: make(chan struct{}),
	}
}

// start does everything up to a mount that serves. If it fails before the kernel has the mount,
// it undoes everything. After that it leaves the outbox as it is: files may have been closed in
// the mount.
func (d *mountDaemon) start(ctx context.Context, dir string) error {
	err := d.open(ctx, dir)
	if err == nil {
		return nil
	}
	if ctx.Err() != nil {
		err = hint.ErrInterrupted
	}
	var last func() error
	if d.server == nil {
		last = func() error { return removeMade(d.made) }
	}
	failed := d.release(last)
	if failed != nil && d.log != nil {
		d.log.Error("could not clean up after a start that failed", "err", failed)
	}
	// Last, for it needs what was given back: a start fails for want of descriptors, too.
	if d.mounting && d.server == nil {
		if failed := d.undoRefused(); failed != nil {
			return hint.With(fmt.Errorf("%w; and what there is of the mount stays: %w",
				err, failed), "undo it: s3share unmount "+d.dir)
		}
	}
	return err
}

func (d *mountDaemon) open(ctx context.Context, dir string) error {
	limitHeap()
	hint.SurviveSIGPIPE()
	if err := d.check(dir); err != nil {
		return err
	}
	if err := d.acquireDirs(ctx); err != nil {
		return err
	}
	if d.settings.Notices {
		d.notices = newNotices(d.dir, d.log)
	}
	files, err := d.connect(ctx, true)
	if err != nil {
		return ui.Explain(d.settings.Destination(), err)
	}
	return d.mount(files)
}

// check checks what can be checked without taking a resource or sending a request.
func (d *mountDaemon) check(dir string) (err error) {
	if d.dir, err = mounts.ResolveDir(dir); err != nil {
		return hint.With(err, "make it first: mkdir -p "+dir)
	}
	if err := mounts.CheckMountpoint(d.dir, d.notes); err != nil {
		return err
	}
	if err := config.FillPaths(d.settings); err != nil {
		return ui.Explain(d.settings.Destination(), err)
	}
	if err := config.CheckOutside(d.dir, d.settings); err != nil {
		return err
	}
	return mounts.CheckKernel(d.settings.AllowOther)
}

// noteOwner notes the bucket's owner in the state directory, if S3 has confirmed it.
func (d *mountDaemon) noteOwner() {
	if err := statedir.NoteOwner(d.settings.StateDir, d.bucket.Owner()); err != nil {
		d.log.Warn("the state directory does not say who owns the bucket", "err", err)
	}
}

// mount has the kernel mount the exchange. The control socket is open before that.
func (d *mountDaemon) mount(files *cache.Cache) (err error) {
	s := d.settings
	if d.control, err = openControl(d.dir); err != nil {
		return err
	}
	d.registerOutbox()
	d.mounting = true
	server, err := fs.Mount(d.dir, files, fs.Config{
		UID: s.UID, GID: s.GID, Umask: uint32(s.Umask), AllowOther: s.AllowOther,
		ReadOnly: s.ReadOnly, Arrivals: s.Arrivals,
		AllThumbnails: s.Thumbnails == config.AllThumbnails,
		Source:        s.Source(), Options: s.Kernel, Health: d.health,
		Reason: d.reason, Logger: d.log,
	})
	if err != nil {
		return fmt.Errorf("the kernel refused the mount: %w", err)
	}
	d.serve(server)
	if d.served, err = statedir.NoteServes(d.lock); err != nil {
		d.log.Warn("a daemon that has handed over does not learn that this mount serves",
			"err", err)
	}
	d.control.serve(d)
	if d.notices != nil {
		d.endActs = d.notices.acts.start(d.whyText, d.retryText)
		if s.Arrivals {
			d.endArrivals = d.keepArrivals()
		}
	}
	if s.Inhibit && sessionBus() != "" {
		d.endInhibit = d.keepInhibited()
	}
	if s.Bookmark {
		d.endBookmark = d.keepBookmark()
	}
	d.notePause()
	d.reportReady()
	return nil
}

// undoRefused unmounts a mount that could not be completed: the kernel may have it already when
// its first requests fail.
func (d *mountDaemon) undoRefused() error {
	m, err := mounts.At(d.dir)
	if err != nil || m == nil || !mounts.IsOurs(m) || m.Source != d.settings.Source() {
		return err
	}
	return mounts.Unmount(d.dir, mounts.Lazy)
}

// serve takes a mount that the kernel has.
func (d *mountDaemon) serve(server mountServer) {
	d.server = server
	d.serving.Store(true)
	go func() {
		server.Wait()
		d.serving.Store(false)
		close(d.gone)
	}()
}

// reportReady reports that the mount serves, and leaves the terminal. Files are written to
// the mount by now: nothing that fails here ends it.
func (d *mountDaemon) reportReady() {
	d.log.Info("mounted", "dir", d.dir, "bucket", d.bucket.Bucket(), "region", d.bucket.Region(),
		"endpoint", d.settings.Endpoint, "version", hint.VersionText(), "pid", os.Getpid())
	if d.foreground {
		if err := d.manager.notify(daemon.SdNotifyReady); err != nil {
			d.log.Warn("cannot tell systemd that the mount serves", "err", err)
		}
		d.keepWatchdog()
		return
	}
	if err := errors.Join(os.Chdir("/"), d.logFile.takeStderr()); err != nil {
		d.log.Warn("the mount still uses the terminal that it was started from", "err", err)
	}
}

// run waits until the mount is undone, by anybody, or ctx ends; then it delivers
// what is pending. If something is left undelivered, its error is a *outbox.LeftError.
func (d *mountDaemon) run(ctx context.Context) error {
	stopHangups := d.serveHangups()
	// Once it hears that this process is stopping, systemd waits 90 s, and sends no signal. So it
	// hears nothing of an unmount by a person before all is delivered, whatever that takes, nor
	// of a handover, after which this process may have to deliver again.
	ending := sync.OnceFunc(func() {
		stopHangups()
		d.notifyStopping()
	})
	context.AfterFunc(ctx, ending)
	select {
	case <-d.gone:
		if !d.takesBack { // it has heard that of the daemon that has handed over
			_ = d.manager.notify("STATUS=unmounted, and delivers what waits")
		}
	case <-ctx.Done():
		d.log.Info("ending, as a signal asks for")
		if d.serving.Load() {
			d.forceUnmount()
		}
	}
	if d.endBookmark != nil {
		d.endBookmark() // at once: it leads to an empty directory, and a new mount adds its own
	}
	d.drainErr = d.finalDrain(ctx)
	d.noteReasons() // as long as it is known whether S3 can be reached
	var left *outbox.LeftError
	if errors.As(d.drainErr, &left) {
		d.words(left.Left)
	}
	if errors.Is(d.drainErr, errHandedOver) {
		stopHangups()
	} else {
		ending()
	}
	switch {
	case errors.Is(d.drainErr, errHandedOver):
		d.log.Info("handed over to a new mount",
			"files", len(control.Undelivered(d.deliveries.Status())))
	case d.drainErr != nil:
		d.log.Error("not everything is delivered; the rest stays in the state directory",
			"err", d.drainErr)
	}
	d.log.Info("unmounted", "dir", d.dir)
	err := d.release(nil)
	if errors.Is(d.drainErr, errHandedOver) {
		return err
	}
	return errors.Join(d.drainErr, err)
}
