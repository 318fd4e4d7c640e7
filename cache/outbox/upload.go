package outbox

import (
	"context"
	"crypto/md5" // #nosec G501 -- S3's ETags are made of it, nothing is proved by it
	"encoding/hex"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/s3share/s3share/cache/outbox/journal"
	"github.com/s3share/s3share/cache/outbox/parts"
	"github.com/s3share/s3share/s3backend"
)

// upload is a multipart upload, and the parts that S3 has.
type upload struct {
	create  sync.Once // guards the next three, which createUpload sets
	remote  s3backend.Upload
	header  *s3backend.Header
	err     error
	parts   []parts.Part // as planned for an edit, which has no layout
	planned uint64       // the stage's seq that they were planned for

	ctx       context.Context // of the preuploads; ends when the upload is aborted
	cancel    context.CancelFunc
	partCut   atomic.Bool // a request for a part was canceled
	resending atomic.Bool // a refused part is being sent again

	// mu guards the fields below.
	mu        sync.Mutex
	layout    parts.Layout
	noted     bool // the journal has the layout
	sealed    bool // the file is closed: its last part can be sent
	done      map[int32]sentPart
	next      int32 // the first part that no preupload has begun to send
	inFlight  int   // preuploads
	closed    bool  // the commit has taken over: no more preuploads
	recovered bool  // done is from an earlier process, and not verified yet
	idle      chan struct{}
}

// sentPart is a part that S3 has, as it was at the stage's seq.
type sentPart struct {
	parts.Part
	seq uint64
	s3  s3backend.Part
}

func newUpload(ctx context.Context, l parts.Layout) *upload {
	up := &upload{layout: l, done: map[int32]sentPart{}, next: 1, idle: make(chan struct{})}
	up.ctx, up.cancel = context.WithCancel(ctx)
	return up
}

// record returns the record of an upload that was created.
func (up *upload) record() journal.Record {
	up.mu.Lock()
	defer up.mu.Unlock()
	up.noted = true
	l := up.layout
	return journal.Record{Op: journal.OpUpload, Key: up.remote.Key, Upload: up.remote.ID,
		Abort: up.remote.AbortDate, CRC: up.remote.CRC32, Header: (*journal.RawHeader)(up.header),
		Layout: l.First, LayoutVersion: l.Version, Restarts: l.Restarts, Parts: up.parts}
}

// drain starts no more preuploads, and waits for those in flight.
func (up *upload) drain(ctx context.Context) error {
	up.mu.Lock()
	if !up.closed {
		up.closed = true
		if up.inFlight == 0 {
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

// resume allows preuploads again, if the commit that had drained the upload is put off.
func (up *upload) resume() {
	up.mu.Lock()
	defer up.mu.Unlock()
	up.sealed = false
	if up.layout.IsZero() || !up.closed || up.inFlight > 0 {
		return
	}
	up.closed, up.idle = false, make(chan struct{})
	// The last part is longer once the file is.
	for up.next > 1 && up.done[up.next-1].Part != up.layout.Part(up.next-1) {
		up.next--
	}
}

// restartLocked makes the next part small, if it would be a larger one and S3 has none behind it.
func (up *upload) restartLocked() {
	if l := up.layout; !l.IsZero() && up.firstFreeLocked() == up.next && l.Restart(up.next) {
		up.layout, up.noted = l, false
	}
}

// useSmallParts makes all parts small that are not being sent, of a file of this size, unless it is
// huge.
func (up *upload) useSmallParts(size int64) {
	up.mu.Lock()
	defer up.mu.Unlock()
	l := up.layout
	if l.IsZero() {
		return
	}
	for n := up.firstFreeLocked(); n < parts.PerTier && l.Part(n).Off < size; n++ {
		up.noted = !l.Restart(n) && up.noted
	}
	up.layout = l
}

// firstFreeLocked returns the first of the parts whose bounds may still change.
func (up *upload) firstFreeLocked() int32 {
	from := up.next
	for n := range up.done {
		from = max(from, n+1)
	}
	return from
}

// isNoted reports whether the journal has the layout.
func (up *upload) isNoted() bool {
	up.mu.Lock()
	defer up.mu.Unlock()
	return up.noted
}

// part returns what S3 has of a part; false for nothing.
func (up *upload) part(num int32) (sentPart, bool) {
	up.mu.Lock()
	defer up.mu.Unlock()
	d, ok := up.done[num]
	return d, ok
}

// add records that S3 has a part.
func (up *upload) add(p sentPart) {
	up.mu.Lock()
	defer up.mu.Unlock()
	up.done[p.Num] = p
}

// noteLayout journals the layout of an upload that was created.
func (it *Item) noteLayout(up *upload) {
	if up.isNoted() {
		return
	}
	if err := it.note(up.record()); err != nil {
		it.o.log.Debug("some parts will be sent again by a later process", "key", up.remote.Key,
			"err", err)
	}
}

// abort aborts an upload that will not be completed, once its preuploads have ended.
func (o *Outbox) abort(up *upload) {
	if up == nil {
		return
	}
	up.cancel()
	o.work.Go(func() {
		// Also of an outbox that is being closed: its streams have been cut off.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(o.ctx), 10*time.Second)
		defer cancel()
		up.create.Do(func() {}) // nobody begins it any more
		if up.drain(ctx) != nil || up.remote.ID == "" {
			return
		}
		if up.partCut.Load() && sleep(ctx, abortAfter) != nil {
			return
		}
		// Where the policy refuses, the bucket's lifecycle has to end it.
		if err := o.bucket.Abort(ctx, up.remote); err != nil && !isKind(err, s3backend.NotExist) {
			o.log.Warn("an upload that was given up stays at S3 until the bucket's lifecycle ends it",
				"key", up.remote.Key, "upload", up.remote.ID, "err", err)
		}
	})
}

// abortAfter is how long an upload is left alone of which a part was cut off on its way:
// where S3 has all of it, it takes the part, and keeps it though the upload was ended
// meanwhile.
// Source: Amazon S3 API Reference, AbortMultipartUpload.
const abortAfter = time.Second

// upload returns the present upload, or nil.
func (it *Item) upload() *upload {
	it.mu.Lock()
	defer it.mu.Unlock()
	return it.up
}

// giveUpUpload aborts an upload that will not be completed.
func (it *Item) giveUpUpload(up *upload) {
	if up == nil {
		return
	}
	it.mu.Lock()
	if it.up == up {
		it.up = nil
	}
	it.mu.Unlock()
	if err := it.note(journal.Record{Op: journal.OpGiveUp}); err != nil {
		it.o.log.Debug("the journal names an upload that was given up", "key", up.remote.Key, "err", err)
	}
	it.o.abort(up)
}

// uploadFor returns the upload to complete and the parts that it has to have: the present one if
// the content still fits it, else a new one.
func (it *Item) uploadFor(ctx context.Context, key string, size int64,
	h *s3backend.Header) (*upload, []parts.Part, error) {
	seq := it.seq()
	if up := it.upload(); up != nil {
		if err := up.drain(ctx); err != nil {
			return nil, nil, err
		}
		if up.remote.ID != "" && !it.o.largePartsFitSettle() {
			up.useSmallParts(size)
			it.noteLayout(up)
		}
		switch {
		case up.remote.ID == "": // S3 could not be asked while the file was written
		case up.layout.IsZero() && (up.planned == seq || up.recovered && it.stage.CanCopy(up.parts)) &&
			parts.End(up.parts) == size:
			up.planned = seq
			return up, up.parts, up.verify(it.stage)
		case !up.layout.IsZero() && up.layout.Holds(size):
			return up, up.layout.Plan(size), up.verify(it.stage)
		}
		it.giveUpUpload(up)
	}
	up := newUpload(it.o.ctx, parts.LayoutFor(size))
	if !it.o.largePartsFitSettle() {
		up.useSmallParts(size)
	}
	var list []parts.Part
	if !it.sendsWhole() {
		now := it.stage.Snapshot()
		list = parts.PlanEdit(size, now.BaseValid, now.Dirty)
	}
	if list != nil {
		up.layout, up.parts, up.planned = parts.Layout{}, list, seq
	} else {
		list = up.layout.Plan(size)
	}
	var err error
	h = withCommitID(h, newCommitID())
	if up.remote, err = it.o.bucket.CreateUpload(ctx, key, h); err != nil {
		return nil, nil, err
	}
	up.create.Do(func() {}) // it is begun
	up.header = h
	if err := it.note(up.record()); err != nil {
		it.o.abort(up)
		return nil, nil, err
	}
	it.mu.Lock()
	it.up = up
	it.mu.Unlock()
	return up, list, up.drain(ctx)
}

// uploaded reports whether S3 has the part as it is here now.
func (it *Item) uploaded(up *upload, p parts.Part) bool {
	d, ok := up.part(p.Num)
	return ok && d.Part == p && !it.stage.ChangedSince(p.Off, p.Off+p.N, d.seq)
}

// etag returns the ETag of the object that the parts make, if S3 has all of size bytes.
func (up *upload) etag(size int64) string {
	if up == nil {
		return ""
	}
	up.mu.Lock()
	defer up.mu.Unlock()
	list := up.parts
	if !up.layout.IsZero() {
		list = up.layout.Plan(size)
	}
	sum := md5.New() // #nosec G401 -- see the import
	for _, p := range list {
		d, ok := up.done[p.Num]
		part, err := hex.DecodeString(d.s3.ETag)
		if !ok || err != nil || len(part) != md5.Size {
			return ""
		}
		sum.Write(part)
	}
	if parts.End(list) != size {
		return ""
	}
	return fmt.Sprintf("%x-%d", sum.Sum(nil), len(list))
}
