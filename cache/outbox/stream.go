package outbox

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/s3share/s3share/cache/outbox/journal"
	"github.com/s3share/s3share/cache/outbox/parts"
	"github.com/s3share/s3share/s3backend"
)

// streams is how many parts of one file go up while it is written.
const streams = 32

// transfer is a multipart upload that was begun, and the parts that S3 has.
type transfer struct {
	create  sync.Once // guards the next three, which begin sets
	up      s3backend.Upload
	header  *s3backend.Header
	err     error
	parts   []parts.Part // as planned for an edit; there is no layout then
	planned uint64       // the stage's seq that they were planned for

	ctx    context.Context // of the streams; ends when the upload is given up
	cancel context.CancelFunc
	cut    atomic.Bool // a part was cut off on its way
	asking atomic.Bool // a refused part is being sent again

	// mu guards the fields below.
	mu        sync.Mutex
	layout    parts.Layout
	noted     bool // the journal has the layout
	whole     bool // the file is closed: its last part can go up
	done      map[int32]sentPart
	next      int32 // the first part that no stream has begun to send
	running   int   // streams under way
	closed    bool  // the commit has taken over: no more streams
	recovered bool  // done is an earlier process's word, and not verified yet
	idle      chan struct{}
}

// sentPart is a part that S3 has, as it was at the stage's seq.
type sentPart struct {
	parts.Part
	seq uint64
	s3  s3backend.Part
}

func newTransfer(o *Outbox, l parts.Layout) *transfer {
	up := &transfer{layout: l, done: map[int32]sentPart{}, next: 1, idle: make(chan struct{})}
	up.ctx, up.cancel = context.WithCancel(o.ctx)
	return up
}

// record is what the journal says of an upload that has begun.
func (up *transfer) record() journal.Record {
	up.mu.Lock()
	defer up.mu.Unlock()
	up.noted = true
	l := up.layout
	return journal.Record{Op: journal.OpUpload, Key: up.up.Key, Upload: up.up.ID, Abort: up.up.AbortDate, CRC: up.up.CRC32, Header: (*journal.RawHeader)(up.header), Layout: l.First, LayoutVersion: l.Version, Restarts: l.Restarts, Parts: up.parts}
}

// settle begins no more streams, and waits for those under way.
func (up *transfer) settle(ctx context.Context) error {
	up.mu.Lock()
	if !up.closed {
		up.closed = true
		if up.running == 0 {
			close(up.idle)
		}
	}
	idle := up.idle
	up.mu.Unlock()
	select {
	case <-idle:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// resume lets streams begin again, where the commit that had taken over was not
// to be yet.
func (up *transfer) resume() {
	up.mu.Lock()
	defer up.mu.Unlock()
	up.whole = false
	if up.layout.IsZero() || !up.closed || up.running > 0 {
		return
	}
	up.closed, up.idle = false, make(chan struct{})
	// The last part is longer once the file is.
	for up.next > 1 && up.done[up.next-1].Part != up.layout.Part(up.next-1) {
		up.next--
	}
}

// stream sends the complete parts of a new file while it is written; end is where
// the last write ended. It returns at once.
func (it *Item) stream(end int64) {
	if it.stage.BaseFitsOnePut() {
		it.fillBehind()
		return
	}
	if it.stage.Size() <= parts.Size || it.stage.OverBase() {
		return // as yet it goes by one PutObject
	}
	it.mu.Lock()
	if it.denied != nil || it.offline || it.privateLocked() {
		it.mu.Unlock()
		return
	}
	if it.up == nil {
		it.up = newTransfer(it.o, parts.LayoutFor(it.stage.Size()))
	}
	up := it.up
	it.mu.Unlock()
	up.mu.Lock()
	defer up.mu.Unlock()
	for !up.closed && up.running < streams && up.next <= parts.MaxCount {
		p := up.layout.Part(up.next)
		if p.N > up.layout.First && up.next < parts.PerTier && !it.o.fast() {
			up.beginAnewLocked()
			p = up.layout.Part(up.next)
		}
		if up.whole {
			p.N = min(p.N, end-p.Off)
		} else if end < p.Off+p.N || !it.stage.Has(p.Off, p.Off+p.N) {
			return
		}
		if p.N <= 0 {
			return
		}
		up.next++
		if d, ok := up.done[p.Num]; ok && d.Part == p && !it.stage.ChangedSince(p.Off, p.Off+p.N, d.seq) {
			continue // sent when the file was closed before
		}
		up.running++
		it.o.work.Go(func() { it.streamPart(up, p) })
	}
}

// fast reports whether larger parts than the first are there while a file settles: with
// smaller ones it would not be delivered sooner.
func (o *Outbox) fast() bool { return o.uplink.FitsWithin(parts.FirstGrowth*parts.Size, o.cfg.Settle) }

// streamRest sends the rest of a closed file, without waiting for what is under way.
func (it *Item) streamRest() {
	up := it.upload()
	if up == nil {
		return
	}
	up.mu.Lock()
	up.beginAnewLocked()
	up.whole = !up.layout.IsZero()
	up.mu.Unlock()
	it.stream(it.stage.Size())
}

// beginAnewLocked has the next part be small, if that would be a larger one and S3 has
// none behind it.
func (up *transfer) beginAnewLocked() {
	if l := up.layout; !l.IsZero() && up.fromLocked() == up.next && l.Restart(up.next) {
		up.layout, up.noted = l, false
	}
}

// keepSmall has all parts be small that nobody has begun to send, of a file of this
// size, but for a huge one.
func (up *transfer) keepSmall(size int64) {
	up.mu.Lock()
	defer up.mu.Unlock()
	l := up.layout
	if l.IsZero() {
		return
	}
	for n := up.fromLocked(); n < parts.PerTier && l.Part(n).Off < size; n++ {
		up.noted = !l.Restart(n) && up.noted
	}
	up.layout = l
}

// fromLocked is the first part of those that may be divided in another way.
func (up *transfer) fromLocked() int32 {
	from := up.next
	for n := range up.done {
		from = max(from, n+1)
	}
	return from
}

// noteLayout has the journal know the layout of an upload that was begun.
func (it *Item) noteLayout(up *transfer) {
	up.mu.Lock()
	noted := up.noted
	up.mu.Unlock()
	if noted {
		return
	}
	if err := it.note(up.record()); err != nil {
		it.o.log.Debug("some parts will be sent again by a later process", "key", up.up.Key, "err", err)
	}
}

// streamPart sends one part early. Whatever fails is done again by the commit.
func (it *Item) streamPart(up *transfer, p parts.Part) {
	err := it.begin(up)
	if err == nil {
		it.noteLayout(up)
		err = it.stage.Open()
	}
	if err == nil {
		err = it.sendPart(up.ctx, up, p)
		if blocks(err) {
			err = it.sendRefusedPart(up, p, err)
		}
		it.stage.Close()
	}
	if err != nil && up.ctx.Err() == nil {
		it.o.log.Debug("part not sent yet", "key", it.Key(), "part", p.Num, "err", err)
	}
	up.mu.Lock()
	up.running--
	if up.closed && up.running == 0 {
		close(up.idle)
	}
	up.mu.Unlock()
	if err == nil {
		it.stream(it.stage.Size())
	}
}

// sendRefusedPart sends a part again that S3 has refused, once for all parts that
// were on their way. If it is refused again, the program that still writes the file
// is told by its next write: the file cannot be delivered. One refusal alone does not
// prove that: right after a policy was changed, some of S3's servers still go by the
// old one.
func (it *Item) sendRefusedPart(up *transfer, p parts.Part, because error) error {
	if !up.asking.CompareAndSwap(false, true) {
		return because
	}
	defer up.asking.Store(false)
	err := it.sendPart(up.ctx, up, p)
	if blocks(err) {
		it.refuse(err)
	}
	return err
}

// refuse fails the next write to the file with err, and sends no more parts until it
// is closed.
func (it *Item) refuse(err error) {
	it.mu.Lock()
	defer it.mu.Unlock()
	if it.denied == nil {
		it.o.log.Warn("S3 refuses a file that is being written", "key", it.key, "err", err)
	}
	it.denied = err
}

// begin creates the upload that the parts go to, once. Where S3 refuses it, the
// program that still writes is told by its next write.
func (it *Item) begin(up *transfer) error {
	up.create.Do(func() {
		h, err := it.makeHeader(up.ctx, newCommitID())
		if err == nil {
			up.up, err = it.o.bucket.CreateUpload(up.ctx, it.Key(), h)
		}
		if err == nil {
			up.header = h
			err = it.note(up.record())
		}
		up.err = err
		switch {
		case err == nil:
		case blocks(err):
			it.refuse(err)
		default:
			it.mu.Lock()
			it.offline = true // the commit tries again, with all its patience
			it.mu.Unlock()
		}
	})
	return up.err
}

// bringWait is how long a write waits for the base; offline, it goes on without.
const bringWait = 5 * time.Second

// Bring copies a small base here, before it is changed for the first time: the put
// will need it, and the other party may replace it meanwhile. Its error is Stale
// where that has happened already, or why the base may not be read. Where S3 does
// not answer it is nil: the commit asks again. A signal does not cut it short, for
// programs do not expect that of a write; it takes bringWait at most. The caller tells a
// program of an error.
func (it *Item) Bring(ctx context.Context) error {
	if !it.edits.Load() || !it.stage.BaseFitsOnePut() || it.stage.Complete() || it.unbrought.Load() {
		return nil
	}
	short, cancel := context.WithTimeout(context.WithoutCancel(ctx), bringWait)
	defer cancel()
	switch err := it.stage.Materialize(short, 0, parts.Size); {
	case err == nil:
		return nil
	case passing(err):
		it.unbrought.Store(true)
		return nil
	default:
		it.Refuse(err)
		return err
	}
}

// fillBehind copies a small base here as soon as it is edited: the put will need
// it, and the other party may replace it before.
func (it *Item) fillBehind() {
	it.mu.Lock()
	defer it.mu.Unlock()
	if it.filling {
		return
	}
	it.filling = true
	it.o.work.Go(func() {
		if it.stage.Open() != nil {
			return
		}
		defer it.stage.Close()
		if err := it.stage.Materialize(it.o.ctx, 0, parts.Size); err != nil {
			it.o.log.Debug("base not here yet", "key", it.Key(), "err", err)
		}
	})
}

// abandon ends an upload that will not be completed, once its streams are.
func (o *Outbox) abandon(up *transfer) {
	if up == nil {
		return
	}
	up.cancel()
	o.work.Go(func() {
		// Also of an outbox that is being closed: its streams have been cut off.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(o.ctx), 10*time.Second)
		defer cancel()
		up.create.Do(func() {}) // nobody begins it any more
		if up.settle(ctx) != nil || up.up.ID == "" {
			return
		}
		if up.cut.Load() && sleep(ctx, abortAfter) != nil {
			return
		}
		// Where the policy refuses, the bucket's lifecycle has to end it.
		if err := o.bucket.Abort(ctx, up.up); err != nil && !isKind(err, s3backend.NotExist) {
			o.log.Warn("an upload that was given up stays at S3 until the bucket's lifecycle ends it", "key", up.up.Key, "upload", up.up.ID, "err", err)
		}
	})
}

// abortAfter is how long an upload is left alone of which a part was cut off on its way:
// where S3 has all of it, it takes the part, and keeps it though the upload was ended
// meanwhile.
// Source: Amazon S3 API Reference, AbortMultipartUpload.
const abortAfter = time.Second
