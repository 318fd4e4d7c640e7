package outbox

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"

	"github.com/s3share/s3share/cache/outbox/journal"
	"github.com/s3share/s3share/cache/outbox/multipart"
	"github.com/s3share/s3share/cache/outbox/parts"
	"github.com/s3share/s3share/cache/outbox/uplink"
	"github.com/s3share/s3share/s3backend"
)

// uploading is what is sent of an item by parts: its multipart upload, and why none may be begun.
// It sends the parts of a file that is still written. Its lock is taken after that of the schedule,
// and before those of the target and of the stage.
type uploading struct {
	c        *content
	progress uplink.Progress
	sendsAll atomic.Bool // S3 copies no part of the base

	mu          sync.Mutex        // guards the fields below
	up          *multipart.Upload // nil for none
	noPreupload bool              // preuploading failed; the commit sends all
	denied      error             // why S3 refuses this while it is still written
}

// uploadOwner is a content as its multipart upload sees it.
type uploadOwner struct{ c *content }

func (u uploadOwner) Key() string { return u.c.object.Key() }

func (u uploadOwner) Header(ctx context.Context) (*s3backend.Header, error) {
	return u.c.makeHeader(ctx, newCommitID())
}

func (u uploadOwner) Materialize(ctx context.Context, off, end int64) error {
	return u.c.materializing.copy(ctx, off, end)
}

func (u uploadOwner) Note(recs ...journal.Record) error { return u.c.log.note(recs...) }

// NotCreated makes the next write to the file return the error if S3 has refused the upload. Else
// no parts are sent until the file is closed: the commit tries again, with all its patience.
func (u uploadOwner) NotCreated(err error) {
	if isPermanent(err) {
		u.c.uploading.deny(err)
	} else {
		u.c.uploading.stopPreupload()
	}
}

func (u uploadOwner) Refused(err error) { u.c.uploading.deny(err) }

func (u uploadOwner) PartSent(up *multipart.Upload) { u.c.uploading.goOn(up) }

// deny makes the next write to the file return err, since it cannot be delivered, and no more parts
// are sent until it is closed.
func (u *uploading) deny(err error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.denied == nil {
		u.c.o.log.Warn("S3 refuses a file that is being written",
			"key", u.c.object.Key(), "err", err)
	}
	u.denied = err
}

// denial returns why S3 refuses the file while it is still written, or nil.
func (u *uploading) denial() error {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.denied
}

// stopPreupload has no parts sent until the file is closed.
func (u *uploading) stopPreupload() {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.noPreupload = true
}

// retry forgets what was refused: the file is closed, and the commit tries again, or it has got
// another key.
func (u *uploading) retry() {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.denied, u.noPreupload = nil, false
}

// file is the item as a file to upload, which was made from base.
func (u *uploading) file(base s3backend.Object) multipart.File {
	return multipart.File{Owner: uploadOwner{u.c}, Content: u.c.stage, Base: base,
		Progress: &u.progress}
}

// preupload sends the complete parts of a new file while it is written. end is where the last write
// ended. It returns at once.
func (u *uploading) preupload(end int64) {
	if u.c.stage.BaseFitsOnePut() {
		u.c.materializing.begin()
		return
	}
	if !u.partsMayGo() {
		return
	}
	if up := u.begin(); up != nil {
		up.SendReady(end)
	}
}

// goOn sends the parts that are complete by now, after one of this upload was sent. It begins no
// other upload: the file may have been removed, renamed or delivered since.
func (u *uploading) goOn(up *multipart.Upload) {
	if u.partsMayGo() && u.mayPreupload(up) {
		up.SendReady(u.c.stage.Size())
	}
}

// partsMayGo reports whether the file is to be sent by parts, and requests may be made now.
func (u *uploading) partsMayGo() bool {
	if u.c.stage.Size() <= parts.Size || u.c.stage.OverBase() {
		return false // as yet it goes by one PutObject
	}
	return u.c.o.Admission.Suspension() == nil
}

// begin returns the present upload, or a new one; nil if no parts may be sent before the commit.
func (u *uploading) begin() *multipart.Upload {
	u.mu.Lock()
	defer u.mu.Unlock()
	if !u.mayPreuploadLocked() {
		return nil
	}
	if u.up == nil {
		u.up = multipart.New(u.c.o.uploads, u.file(u.c.object.Base()), u.c.stage.Size())
	}
	return u.up
}

// mayPreupload reports whether up is the present upload, and parts of it may be sent before the
// commit.
func (u *uploading) mayPreupload(up *multipart.Upload) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.up == up && u.mayPreuploadLocked()
}

func (u *uploading) mayPreuploadLocked() bool {
	return u.denied == nil && !u.noPreupload && !u.c.isPrivate()
}

// preuploadTail sends the rest of a closed file, without waiting for what is in flight.
func (u *uploading) preuploadTail() {
	up := u.upload()
	if up == nil {
		return
	}
	up.Seal()
	u.preupload(u.c.stage.Size())
}

// upload returns the present upload, or nil.
func (u *uploading) upload() *multipart.Upload {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.up
}

func (u *uploading) set(up *multipart.Upload) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.up = up
}

// take returns the upload that was begun, which is not the item's any more; nil for none.
func (u *uploading) take() *multipart.Upload {
	u.mu.Lock()
	defer u.mu.Unlock()
	up := u.up
	u.up = nil
	return up
}

// giveUp aborts an upload that will not be completed.
func (u *uploading) giveUp(up *multipart.Upload) {
	if up == nil {
		return
	}
	u.mu.Lock()
	if u.up == up {
		u.up = nil
	}
	u.mu.Unlock()
	c := u.c
	if err := c.log.note(journal.Record{Op: journal.OpGiveUp}); err != nil {
		c.o.log.Debug("the journal names an upload that was given up",
			"key", c.object.Key(), "err", err)
	}
	up.Discard()
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
		a.it.uploading.sendAll(refused)
		a.it.uploading.giveUp(up)
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
	if up := it.uploading.upload(); up != nil {
		list, ok, err := up.TakeOver(ctx, size)
		if ok || err != nil {
			return up, list, err
		}
		it.uploading.giveUp(up)
	}
	var edit *multipart.Edit
	if !it.uploading.sendsWhole() {
		now := it.stage.Snapshot()
		if list := parts.PlanEdit(size, now.BaseValid, now.Dirty); list != nil {
			edit = &multipart.Edit{Parts: list, Seq: seq}
		}
	}
	up, list, err := multipart.Create(ctx, it.o.uploads, it.uploading.file(it.Base()), a.key,
		withCommitID(a.header, newCommitID()), size, edit)
	if err != nil {
		up.Discard()
		return nil, nil, err
	}
	it.uploading.set(up)
	return up, list, nil
}

// sendAll makes the item send all its bytes from now on. If the server refuses such copies in
// general, other items do not try them either.
func (u *uploading) sendAll(refused *multipart.CopyRefusedError) {
	u.sendsAll.Store(true)
	if refused.OfSource() {
		return
	}
	if u.c.o.copiesNoParts.CompareAndSwap(false, true) {
		u.c.o.log.Warn("this server copies no parts; an edited file is sent as a whole",
			"reply", refused.Err)
	}
}

// sendsWhole reports whether all bytes of the item are to be sent.
func (u *uploading) sendsWhole() bool { return u.sendsAll.Load() || u.c.o.copiesNoParts.Load() }
