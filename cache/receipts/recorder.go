package receipts

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"sync"
	"time"
)

const (
	// maxQueue is how many entries wait in memory, of some hundred bytes each, while the ledger
	// cannot be written. Further ones are counted. A delivery has up to 50,000 files.
	maxQueue = 100_000
	// appendInterval is the time between two appends while all goes well. Each of them reads the
	// end of the ledger: one for each of 2,000 small files read in 1.5 s took a quarter of the CPU
	// time of the mount.
	appendInterval = 100 * time.Millisecond
	// The pauses between tries to write after one that failed.
	minPause = time.Second
	maxPause = time.Minute
	// appendPatience is how long a try waits for other processes. The last try waits for
	// lastPatience.
	appendPatience = 10 * time.Second
	lastPatience   = 2 * time.Second
	// syncDelay is how long what was appended waits for the disk.
	syncDelay = 3 * time.Second
)

// Config is what a Recorder needs besides its ledger. All is optional.
type Config struct {
	Bucket, By, How string // of all entries
	// Principal returns whose credentials are used, "" if that cannot be found out. It is
	// called once, before the first entry is appended.
	Principal func(ctx context.Context) string
	// Missed, which NewRecorder calls, returns what an earlier process may not have recorded, as
	// it was killed. With it, the recorder leaves a file beside the ledger while it runs, by which
	// the next one finds out. One process at a time uses it.
	Missed func() []Entry
	Logger *slog.Logger

	maxQueue int // for tests; 0 for maxQueue
}

// Recorder appends entries to a ledger in the background, in their order. Nobody waits for it.
type Recorder struct {
	ledger *Ledger
	cfg    Config
	ctx    context.Context // ends a while after Close was called
	cancel context.CancelFunc
	wake   chan struct{}
	done   chan struct{}

	// These are the goroutine's, once it runs.
	missed    []Entry // what an earlier process may not have recorded
	principal string
	asked     bool
	err       error // why the last try failed; read it after done

	mu     sync.Mutex // guards the fields below
	queue  []Entry
	lost   int       // entries that had no room in the queue
	from   time.Time // when the first of them happened
	closed bool
}

// NewRecorder begins to record. Close ends that.
func NewRecorder(l *Ledger, cfg Config) *Recorder {
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	if cfg.maxQueue == 0 {
		cfg.maxQueue = maxQueue
	}
	r := &Recorder{ledger: l, cfg: cfg, wake: make(chan struct{}, 1), done: make(chan struct{})}
	r.ctx, r.cancel = context.WithCancel(context.Background())
	r.begin()
	go r.run()
	return r
}

// Record records that something happens now. It returns at once.
func (r *Recorder) Record(e Entry) {
	if r == nil {
		return
	}
	if e.Time.IsZero() {
		e.Time = now()
	}
	r.mu.Lock()
	if len(r.queue) < r.cfg.maxQueue {
		r.queue = append(r.queue, e)
	} else {
		if r.lost == 0 {
			r.from = e.Time
		}
		r.lost++
	}
	r.mu.Unlock()
	r.notify()
}

func (r *Recorder) notify() {
	select {
	case r.wake <- struct{}{}:
	default:
	}
}

// Close appends what is left, or tries to for a few seconds. It returns an error if entries are not
// recorded.
func (r *Recorder) Close() error {
	if r == nil {
		return nil
	}
	r.mu.Lock()
	r.closed = true
	r.mu.Unlock()
	r.notify()
	timer := time.AfterFunc(lastPatience, r.cancel)
	<-r.done
	timer.Stop()
	r.cancel()
	r.mu.Lock()
	defer r.mu.Unlock()
	if n := len(r.queue) + r.lost; n > 0 {
		return fmt.Errorf("%d entries are not recorded: %w", n, r.err)
	}
	return nil
}

func (r *Recorder) isClosed() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.closed
}

func (r *Recorder) run() {
	defer close(r.done)
	var (
		pause    time.Duration    // after the last try, which failed; 0 if it did not
		again    <-chan time.Time // the next try is due then; nil if it is with the next entry
		unsynced <-chan time.Time
	)
	for {
		if closed := r.isClosed(); again == nil || closed {
			wrote, err := r.try(pause > 0)
			switch {
			case err != nil:
				pause = min(max(2*pause, minPause), maxPause)
				again = time.After(pause)
			case wrote:
				pause, again = 0, time.After(appendInterval)
				if unsynced == nil {
					unsynced = time.After(syncDelay)
				}
			default:
				pause = 0
			}
			if closed && (err != nil || r.empty()) {
				r.end(err)
				return
			}
		}
		select {
		case <-r.wake:
		case <-again:
			again = nil
		case <-unsynced:
			unsynced = nil
			r.sync()
		}
	}
}

// try appends what is in the queue. failed is set if the last try failed.
func (r *Recorder) try(failed bool) (wrote bool, err error) {
	entries, lost, from := r.take()
	if err = r.append(entries, lost, from); err != nil {
		r.putBack(entries, lost, from)
	}
	r.report(err, failed)
	return len(entries)+lost > 0, err
}

func (r *Recorder) take() (entries []Entry, lost int, from time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	entries, lost, from = r.queue, r.lost, r.from
	r.queue, r.lost = nil, 0
	return entries, lost, from
}

// putBack undoes take.
func (r *Recorder) putBack(entries []Entry, lost int, from time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.queue = append(entries, r.queue...)
	if n := len(r.queue) - r.cfg.maxQueue; n > 0 {
		if first := r.queue[r.cfg.maxQueue].Time; r.lost == 0 || first.Before(r.from) {
			r.from = first
		}
		r.queue, r.lost = r.queue[:r.cfg.maxQueue], r.lost+n
	}
	if lost > 0 {
		r.lost, r.from = r.lost+lost, from
	}
}

func (r *Recorder) empty() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.queue)+r.lost == 0
}

// append appends entries, and a gap for those that are lost.
func (r *Recorder) append(entries []Entry, lost int, from time.Time) error {
	if len(entries)+lost+len(r.missed) == 0 {
		return nil
	}
	if r.cfg.Principal != nil && !r.asked {
		r.principal, r.asked = r.cfg.Principal(r.ctx), true
	}
	all := make([]Entry, 0, len(r.missed)+len(entries)+1)
	for _, e := range append(r.missed[:len(r.missed):len(r.missed)], entries...) {
		if e.Event != Gap {
			e.Bucket, e.By, e.How = r.cfg.Bucket, r.cfg.By, r.cfg.How
			if !e.Late {
				e.Principal = r.principal
			}
		}
		all = append(all, e)
	}
	if lost > 0 {
		all = append(all,
			Entry{Event: Gap, Time: now(), Reason: NotWritten, Lost: lost, From: from})
	}
	ctx, cancel := context.WithTimeout(r.ctx, appendPatience)
	defer cancel()
	err := r.ledger.Append(ctx, all...)
	if err == nil {
		r.missed = nil
	}
	return err
}

// report logs that the ledger cannot be written, once, or that it can again.
func (r *Recorder) report(err error, failed bool) {
	r.err = err
	switch {
	case err != nil && !failed:
		r.cfg.Logger.Warn("deliveries are recorded later: the ledger of receipts cannot be written",
			"err", err)
	case err == nil && failed:
		r.cfg.Logger.Info("the ledger of receipts is written again")
	}
}

func (r *Recorder) sync() {
	if err := r.ledger.Sync(); err != nil && !errors.Is(err, fs.ErrNotExist) {
		r.cfg.Logger.Warn("the ledger of receipts is not on the disk", "err", err)
	}
}

// mark is the file that is there while a Recorder with Missed runs.
func (r *Recorder) mark() string { return r.ledger.name + ".recording" }

// begin finds out whether the process before was killed, and what it may have missed.
func (r *Recorder) begin() {
	if r.cfg.Missed == nil {
		return
	}
	f, err := r.ledger.dir.OpenFile(r.mark(), os.O_RDWR|os.O_CREATE|os.O_EXCL)
	if err == nil {
		_ = f.Close()
		return
	}
	if !errors.Is(err, fs.ErrExist) {
		r.cfg.Logger.Warn("the ledger of receipts cannot be marked as in use", "err", err)
		return
	}
	missed := r.cfg.Missed()
	for i := range missed {
		missed[i].Late, missed[i].Once, missed[i].Time = true, true, now()
	}
	r.missed = append(missed, Entry{Event: Gap, Time: now(), Reason: Killed})
}

// end takes the mark away if all is recorded.
func (r *Recorder) end(err error) {
	r.sync()
	if r.cfg.Missed == nil || err != nil {
		return
	}
	if err := r.ledger.dir.Remove(r.mark()); err != nil && !errors.Is(err, fs.ErrNotExist) {
		r.cfg.Logger.Warn("the ledger of receipts stays marked as in use", "err", err)
	}
}
