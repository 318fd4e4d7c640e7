package fs

import (
	"context"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/time/rate"

	"github.com/s3share/s3share/cache"
	"github.com/s3share/s3share/cache/outbox"
	"github.com/s3share/s3share/fs/arrival"
)

// A watched directory is listed every minListInterval while programs open it or something changes
// there. The longer it is quiet, the longer the pause, up to maxListInterval. docs/arrivals.md has
// the cost of these requests.
const (
	minListInterval = time.Second
	maxListInterval = 5 * time.Second
	// quietDivisor: a directory quiet for t is listed every t/quietDivisor.
	quietDivisor = 100
	// watchedPerInterval is how many directories maxListInterval is for. With n times as many, it
	// is n times as long.
	watchedPerInterval = 4
	// listingsPerSecond is how many requests a second all listings make at most; listingBurst is
	// the burst.
	listingsPerSecond, listingBurst = 2, 10
	// seedAge is the maximum age of the listing with which the first look at a directory begins:
	// programs have seen no later one.
	seedAge = time.Minute
	// listDeadline bounds one listing.
	listDeadline = 30 * time.Second

	// maxNames bounds the names that are remembered of all watched directories, and maxChanges what
	// is announced after one listing.
	maxNames   = 200_000
	maxChanges = 20_000
	// changesPerSecond and changeBurst bound the announcements: some 400 µs of processor time each.
	changesPerSecond, changeBurst = 2000, 2000
	// callsInARow is how many calls the helper makes before it closes the directory, so that the
	// mount can be undone.
	callsInARow = 64
	// helperIdle is how long the helper is kept without work.
	helperIdle = 30 * time.Second

	// scanDelay is the time from a request of a program, which may be about to watch a directory,
	// to the scan for watches. Two scans are at least minScanInterval apart, and at least
	// scanCostFactor times as long as one takes.
	scanDelay       = 50 * time.Millisecond
	minScanInterval = time.Second
	scanCostFactor  = 100
	// idleScanInterval is the time between two scans if no program makes requests: a watch may have
	// ended.
	idleScanInterval = 30 * time.Second
)

// ArrivalState has the counts of announcements.
type ArrivalState struct {
	Watched   int   // directories
	Announced int64 // changes, since the mount began
	// Failed counts changes that were not announced, since the helper or a call of it failed, or
	// the mount was being unmounted.
	Failed  int64
	Skipped int64 // changes that were not announced, since there were too many
}

// announcer has the kernel make events of what the other party does in directories of the mount
// that programs watch. One goroutine does all of it. start, close, pause, opened and asks accept a
// nil announcer, and do nothing then.
type announcer struct {
	s          *Server
	mountpoint string
	ctx        context.Context
	cancel     context.CancelFunc
	done       chan struct{}

	requests atomic.Uint64 // counts those of programs that may lead to a watch
	waiting  atomic.Bool   // the goroutine sleeps until the next request
	wake     chan struct{}

	helper  atomic.Pointer[arrival.Helper] // nil for none
	current atomic.Pointer[announcement]   // that the helper works at; nil for none
	// batch has the announcements that the helper was sent together, by name; nil for none.
	batch  atomic.Pointer[map[string]*announcement]
	used   time.Time // when the helper was used last
	states time.Time // when the states of pending files are looked at again
	retry  time.Time // when a helper that could not be started is tried again

	// calls is held while the helper has something of the mount open.
	calls   sync.Mutex
	pausing atomic.Int32

	listLimit            *rate.Limiter
	callLimit            *rate.Limiter
	dirRenameEvents      atomic.Int64 // renames of directories that have begun or ended
	dirRenamesInProgress atomic.Int64 // and those in progress

	// uncached has the inode numbers of directories whose attributes the kernel must not cache: the
	// helper is shown other attributes than programs are.
	uncached sync.Map

	// mu guards the field below.
	mu      sync.Mutex
	watched map[*dir]*watch

	announced, failed, skipped atomic.Int64
}

// watch is a directory that a program watches. Only the goroutine uses it, except for active.
type watch struct {
	d *dir
	// active is when a program last opened it, or something last changed, in nanoseconds since
	// 1970.
	active atomic.Int64
	next   time.Time // when it is listed again
	large  bool      // it has too many names
	// states has the states of delivery of its pending files, as its watchers know them; nil
	// before they were looked at.
	states map[string]outbox.State
}

func newAnnouncer(s *Server, mountpoint string) *announcer {
	a := &announcer{
		s: s, mountpoint: mountpoint, done: make(chan struct{}), wake: make(chan struct{},
			1), watched: map[*dir]*watch{},
		listLimit: rate.NewLimiter(listingsPerSecond,
			listingBurst), callLimit: rate.NewLimiter(changesPerSecond, changeBurst),
	}
	a.ctx, a.cancel = context.WithCancel(context.Background())
	return a
}

func (a *announcer) start() {
	if a != nil {
		go a.run()
	}
}

// close ends the announcements and waits for that.
func (a *announcer) close() {
	if a == nil {
		return
	}
	a.cancel()
	if h := a.helper.Load(); h != nil {
		h.Close()
	}
	<-a.done
}

// pause keeps the helper from using the mount until resume is called. It waits for a second at
// most, since a program may hold up the helper; then it ends the helper.
func (a *announcer) pause() (resume func()) {
	if a == nil {
		return func() {}
	}
	a.pausing.Add(1)
	for deadline := time.Now().Add(time.Second); !a.calls.TryLock(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			if h := a.helper.Load(); h != nil {
				h.Close()
			}
			return func() { a.pausing.Add(-1) }
		}
	}
	return func() {
		a.calls.Unlock()
		a.pausing.Add(-1)
	}
}

// Arrivals returns the counts of announcements; ok is false if none are made.
func (s *Server) Arrivals() (st ArrivalState, ok bool) {
	a := s.announcer
	if a == nil {
		return st, false
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	return ArrivalState{Watched: len(a.watched), Announced: a.announced.Load(),
		Failed: a.failed.Load(), Skipped: a.skipped.Load()}, true
}

// asked notes a request of a program.
func (a *announcer) asked() {
	a.requests.Add(1)
	if a.waiting.CompareAndSwap(true, false) {
		select {
		case a.wake <- struct{}{}:
		default:
		}
	}
}

// opened notes that a program has opened a directory.
func (a *announcer) opened(d *dir) {
	if a == nil {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if w := a.watched[d]; w != nil {
		w.active.Store(time.Now().UnixNano())
	}
}

// changing notes that a program begins to change a name. The function that it returns notes the
// outcome: then, or no change if its argument is an error.
func (d *dir) changing(name string, then arrival.Outcome) (ended func(*syscall.Errno)) {
	if d.s.announcer == nil {
		return func(*syscall.Errno) {}
	}
	d.names.Begin(name)
	return func(n *syscall.Errno) {
		if *n != 0 {
			then = arrival.Unchanged
		}
		d.names.End(name, then)
	}
}

// moving is changing, for a rename.
func (d *dir) moving(name string, to *dir, newName string) (ended func(*syscall.Errno)) {
	a := d.s.announcer
	if a == nil {
		return func(*syscall.Errno) {}
	}
	then := arrival.File
	ch := d.GetChild(name)
	dir := ch != nil && ch.IsDir()
	if dir {
		then = arrival.Directory
		a.dirRenameEvents.Add(1)
		a.dirRenamesInProgress.Add(1)
	}
	old, dest := d.changing(name, arrival.Absent), to.changing(newName, then)
	return func(n *syscall.Errno) {
		if dir {
			a.dirRenameEvents.Add(1)
			a.dirRenamesInProgress.Add(-1)
		}
		old(n)
		dest(n)
	}
}

// announce has the helper make the call of each change. It blocks while the helper is paused.
func (a *announcer) announce(w *watch, changes []arrival.Changed, attrs map[string]cache.Attr) {
	defer a.uncacheAttrs(w.d)()
	for len(changes) > 0 && a.ctx.Err() == nil {
		n := min(callsInARow, len(changes))
		if a.callLimit.WaitN(a.ctx, n) != nil {
			return
		}
		a.announceFew(w, changes[:n], attrs)
		changes = changes[n:]
		for a.pausing.Load() > 0 && a.ctx.Err() == nil {
			time.Sleep(time.Millisecond)
		}
	}
}

// uncacheAttrs keeps the kernel from caching the attributes of a directory in which programs may
// not write, until ended is called: the helper gets other attributes, by which it may.
func (a *announcer) uncacheAttrs(d *dir) (ended func()) {
	attr, err := a.s.cache.DirAttr(d.path())
	if err != nil || d.s.modeOf(attr)&0o200 != 0 {
		return func() {}
	}
	ino := d.StableAttr().Ino
	a.uncached.Store(ino, true)
	_ = d.NotifyContent(-1, 0) // the attributes alone; the kernel may have none
	return func() { a.uncached.Delete(ino) }
}

// isUncached reports whether the kernel must not cache the attributes of this inode.
func (a *announcer) isUncached(ino uint64) bool {
	_, ok := a.uncached.Load(ino)
	return ok
}

func (a *announcer) announceFew(w *watch, changes []arrival.Changed, attrs map[string]cache.Attr) {
	a.calls.Lock()
	defer a.calls.Unlock()
	for begun := false; len(changes) > 0; begun = true {
		if a.pausing.Load() > 0 && begun {
			a.failed.Add(int64(len(changes))) // the mount is being undone
			break
		}
		h := a.ensureHelper()
		if h == nil {
			a.failed.Add(int64(len(changes)))
			return
		}
		n := w.countNew(changes, attrs)
		if n > 1 {
			a.announceNew(h, w, changes[:n], attrs)
		} else {
			n = 1
			a.announceOne(h, w, changes[0], attrs[changes[0].Name])
		}
		changes = changes[n:]
	}
	if h := a.helper.Load(); h != nil && h.Rest() != nil {
		a.endHelper()
	}
	a.used = time.Now()
}

// announceOne announces one change, and counts it.
func (a *announcer) announceOne(h *arrival.Helper, w *watch, c arrival.Changed, attr cache.Attr) {
	if !w.d.names.Current(c) {
		return
	}
	err := a.tryOne(h, w, c, attr)
	switch {
	case err != nil:
		a.s.log.Debug("a change was not announced", "name", w.d.join(c.Name), "err", err)
		if c.Op != arrival.Touch {
			a.failed.Add(1)
		}
	case c.Op != arrival.Touch: // a state of delivery is no arrival
		a.announced.Add(1)
	}
}

// ensureHelper returns the helper, and starts it if need be. It returns nil if that fails, and for
// a minute after that.
func (a *announcer) ensureHelper() *arrival.Helper {
	if h := a.helper.Load(); h != nil {
		if h.PID() != 0 {
			return h
		}
		a.endHelper()
	}
	if time.Now().Before(a.retry) || a.ctx.Err() != nil {
		return nil
	}
	h, err := arrival.Start(a.mountpoint, a.s.device())
	if err != nil {
		a.s.log.Warn("programs that watch a directory are not told of arrivals", "err", err)
		a.retry = time.Now().Add(time.Minute)
		return nil
	}
	a.helper.Store(h)
	if a.ctx.Err() != nil { // close has not seen it
		h.Close()
	}
	return h
}

func (a *announcer) endHelper() {
	if h := a.helper.Swap(nil); h != nil {
		h.Close()
	}
}

func (a *announcer) endIdleHelper() {
	if a.helper.Load() != nil && time.Since(a.used) >= helperIdle {
		a.endHelper()
	}
}
