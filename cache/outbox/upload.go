package outbox

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"github.com/s3share/s3share/cache/outbox/journal"
	"github.com/s3share/s3share/cache/outbox/multipart"
	"github.com/s3share/s3share/cache/outbox/parts"
	"github.com/s3share/s3share/s3backend"
)

// uploading is the multipart upload of an item, and why none may be begun. It is a plain value,
// which Item.mu guards.
type uploading struct {
	up          *multipart.Upload // nil for none
	noPreupload bool              // preuploading failed; the commit sends all
	denied      error             // why S3 refuses this while it is still written
	sendsAll    atomic.Bool       // S3 copies no part of the base
}

// uploadOwner is an item as its multipart upload sees it.
type uploadOwner struct{ it *Item }

func (u uploadOwner) Key() string { return u.it.Key() }

func (u uploadOwner) Header(ctx context.Context) (*s3backend.Header, error) {
	return u.it.makeHeader(ctx, newCommitID())
}

func (u uploadOwner) Materialize(ctx context.Context, off, end int64) error {
	return u.it.materialize(ctx, off, end)
}

func (u uploadOwner) Note(recs ...journal.Record) error { return u.it.log.note(recs...) }

// NotCreated makes the next write to the file return the error if S3 has refused the upload. Else
// no parts are sent until the file is closed: the commit tries again, with all its patience.
func (u uploadOwner) NotCreated(err error) {
	if isPermanent(err) {
		u.it.denyWrites(err)
		return
	}
	u.it.stopPreupload()
}

func (u uploadOwner) Refused(err error) { u.it.denyWrites(err) }

func (u uploadOwner) PartSent(up *multipart.Upload) { u.it.goOn(up) }

// stopPreupload has no parts sent until the file is closed.
func (it *Item) stopPreupload() {
	it.mu.Lock()
	defer it.mu.Unlock()
	it.noPreupload = true
}

// denyWrites makes the next write to the file return err, since it cannot be delivered, and no more
// parts are sent until it is closed.
func (it *Item) denyWrites(err error) {
	it.mu.Lock()
	defer it.mu.Unlock()
	if it.denied == nil {
		it.o.log.Warn("S3 refuses a file that is being written", "key", it.Key(), "err", err)
	}
	it.denied = err
}

// uploadFile is the item as a file to upload, which was made from base.
func (it *Item) uploadFile(base s3backend.Object) multipart.File {
	return multipart.File{Owner: uploadOwner{it}, Content: it.stage, Base: base,
		Progress: &it.progress}
}

// preupload sends the complete parts of a new file while it is written. end is where the last write
// ended. It returns at once.
func (it *Item) preupload(end int64) {
	if it.stage.BaseFitsOnePut() {
		it.materializeAsync()
		return
	}
	if !it.partsMayGo() {
		return
	}
	it.mu.Lock()
	if !it.mayPreuploadLocked() {
		it.mu.Unlock()
		return
	}
	if it.up == nil {
		it.up = multipart.New(it.o.uploads, it.uploadFile(it.Base()), it.stage.Size())
	}
	up := it.up
	it.mu.Unlock()
	up.SendReady(end)
}

// goOn sends the parts that are complete by now, after one of this upload was sent. It begins no
// other upload: the file may have been removed, renamed or delivered since.
func (it *Item) goOn(up *multipart.Upload) {
	if !it.partsMayGo() {
		return
	}
	it.mu.Lock()
	ok := it.up == up && it.mayPreuploadLocked()
	it.mu.Unlock()
	if ok {
		up.SendReady(it.stage.Size())
	}
}

// partsMayGo reports whether the file is to be sent by parts, and requests may be made now.
func (it *Item) partsMayGo() bool {
	if it.stage.Size() <= parts.Size || it.stage.OverBase() {
		return false // as yet it goes by one PutObject
	}
	return it.o.Admission.Suspension() == nil
}

// mayPreuploadLocked reports whether parts may be sent before the commit.
func (it *Item) mayPreuploadLocked() bool {
	return it.denied == nil && !it.noPreupload && !it.isPrivate()
}

// preuploadTail sends the rest of a closed file, without waiting for what is in flight.
func (it *Item) preuploadTail() {
	up := it.upload()
	if up == nil {
		return
	}
	up.Seal()
	it.preupload(it.stage.Size())
}

// upload returns the present upload, or nil.
func (it *Item) upload() *multipart.Upload {
	it.mu.Lock()
	defer it.mu.Unlock()
	return it.up
}

func (it *Item) setUpload(up *multipart.Upload) {
	it.mu.Lock()
	defer it.mu.Unlock()
	it.up = up
}

// takeUpload returns the upload that was begun, which is not the item's any more; nil for none.
func (it *Item) takeUpload() *multipart.Upload {
	it.mu.Lock()
	defer it.mu.Unlock()
	up := it.up
	it.up = nil
	return up
}

// giveUpUpload aborts an upload that will not be completed.
func (it *Item) giveUpUpload(up *multipart.Upload) {
	if up == nil {
		return
	}
	it.mu.Lock()
	if it.up == up {
		it.up = nil
	}
	it.mu.Unlock()
	if err := it.log.note(journal.Record{Op: journal.OpGiveUp}); err != nil {
		it.o.log.Debug("the journal names an upload that was given up", "key", it.Key(), "err", err)
	}
	it.o.abort(up)
}

// abort aborts an upload that will not be completed.
func (o *Outbox) abort(up *multipart.Upload) {
	if up == nil {
		return
	}
	up.Cancel()
	o.work.Go(func() {
		// Also of an outbox that is being closed: its streams have been cut off.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(o.ctx), 10*time.Second)
		defer cancel()
		up.Abort(ctx)
	})
}

// uploadParts sends the parts that S3 lacks of a content of size bytes, to the upload that was
// begun or to a new one, and returns all of them.
func (a *commitAttempt) uploadParts(ctx context.Context, size int64) (*multipart.Upload,
	[]s3backend.Part, error) {
	up, planned, err := a.upload(ctx, size)
	if err != nil {
		return nil, nil, err
	}
	list, err := up.SendMissing(ctx, planned)
	if refused := (*multipart.CopyRefusedError)(nil); errors.As(err, &refused) {
		a.it.sendAll(refused)
		a.it.giveUpUpload(up)
		return a.uploadParts(ctx, size)
	}
	return up, list, err
}

// upload returns the upload to complete and the parts that it has to have: the present one if the
// content still fits it, else a new one.
func (a *commitAttempt) upload(ctx context.Context, size int64) (*multipart.Upload, []parts.Part,
	error) {
	it := a.it
	seq := it.seq()
	if up := it.upload(); up != nil {
		list, ok, err := up.TakeOver(ctx, size)
		if ok || err != nil {
			return up, list, err
		}
		it.giveUpUpload(up)
	}
	var edit *multipart.Edit
	if !it.sendsWhole() {
		now := it.stage.Snapshot()
		if list := parts.PlanEdit(size, now.BaseValid, now.Dirty); list != nil {
			edit = &multipart.Edit{Parts: list, Seq: seq}
		}
	}
	up, list, err := multipart.Create(ctx, it.o.uploads, it.uploadFile(it.Base()), a.key,
		withCommitID(a.header, newCommitID()), size, edit)
	if err != nil {
		it.o.abort(up)
		return nil, nil, err
	}
	it.setUpload(up)
	return up, list, nil
}

// sendAll makes the item send all its bytes from now on. If the server refuses such copies in
// general, other items do not try them either.
func (it *Item) sendAll(refused *multipart.CopyRefusedError) {
	it.sendsAll.Store(true)
	if refused.OfSource() {
		return
	}
	if it.o.copiesNoParts.CompareAndSwap(false, true) {
		it.o.log.Warn("this server copies no parts; an edited file is sent as a whole",
			"reply", refused.Err)
	}
}

// sendsWhole reports whether all bytes of the item are to be sent.
func (it *Item) sendsWhole() bool { return it.sendsAll.Load() || it.o.copiesNoParts.Load() }

// largePartsFitSettle reports whether parts larger than the first arrive while a file settles: then
// smaller ones would not deliver it sooner.
func (o *Outbox) largePartsFitSettle() bool {
	return o.uplink.FitsWithin(parts.FirstGrowth*parts.Size, o.cfg.Settle)
}
