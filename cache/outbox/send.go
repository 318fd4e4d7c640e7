package outbox

import (
	"context"
	"github.com/s3share/s3share/cache/outbox/parts"
	"github.com/s3share/s3share/cache/outbox/uplink"
	"github.com/s3share/s3share/s3backend"
)

// send makes the request, or the requests, that commit the content.
func (a *commitAttempt) send(ctx context.Context) (s3backend.Object, error) {
	it, cond, size := a.it, s3backend.Replacing(a.over), a.it.stage.Size()
	if src, ok := a.elsewhere(); ok {
		obj, err := it.o.bucket.Copy(ctx, src, a.key, a.header, cond)
		if err == nil || s3backend.Ambiguous(err) || isKind(err, s3backend.Busy) ||
			isKind(err, s3backend.BadLogin) {
			return obj, a.noteIfAmbiguous(err, a.header)
		}
		a.forgetElsewhere() // it is gone from there, or may not be read: the bytes are sent again
	}
	switch {
	case it.headerOnly():
		obj, err := it.o.bucket.Copy(ctx, it.Base(), a.key, a.header, cond)
		return obj, a.noteIfAmbiguous(err, a.header)
	case size > parts.Size:
		return a.sendParts(ctx, size, cond)
	}
	it.uploading.giveUp(it.uploading.upload()) // the file was longer once
	if err := it.materializing.copy(ctx, 0, size); err != nil {
		return s3backend.Object{}, err
	}
	if err := it.annotations.save(ctx, it.Base()); err != nil {
		return s3backend.Object{}, err
	}
	var ticket *uplink.Ticket
	if size > uplink.UnmeteredSize {
		var err error
		if ticket, err = it.o.uplink.Acquire(ctx, &it.uploading.progress, size); err != nil {
			return s3backend.Object{}, err
		}
		if err := it.o.Admission.Suspension(); err != nil { // meanwhile
			ticket.Done(err)
			return s3backend.Object{}, err
		}
	}
	it.uploading.progress.Begin(ticket)
	obj, err := it.o.bucket.Put(ctx, a.key, it.stage.Body(0, size, ticket), size, a.header, cond)
	ticket.Done(err)
	if err == nil {
		it.uploading.progress.SetSent(size)
	}
	return obj, a.noteIfAmbiguous(err, a.header)
}

// elsewhere returns the version at an earlier key of the item that has its present content; false
// for none.
func (a *commitAttempt) elsewhere() (s3backend.Object, bool) {
	t := a.it.target()
	at := t.committed
	return at.obj, at.has(a.it.seq()) && at.obj.Key != t.key
}

func (a *commitAttempt) forgetElsewhere() {
	a.it.changeTarget(func(t *target) { t.committed = confirmed{} })
}

// noteIfAmbiguous returns the error of a request that commits the content with the header h. If
// the request may have been carried out all the same, that is recorded.
func (a *commitAttempt) noteIfAmbiguous(err error, h *s3backend.Header) error {
	if s3backend.Ambiguous(err) {
		a.it.recordAmbiguous(a.key, h, a.seq)
	}
	return err
}

// headerOnly reports whether the time or the mode was changed, and no byte, so that S3 can copy
// what it holds.
func (c *content) headerOnly() bool { return c.object.Base().Size > 0 && c.sameBytes() }

// sameBytes reports whether the item has the bytes of its base.
func (c *content) sameBytes() bool {
	base := c.object.Base()
	return base.ETag != "" && c.stage.IsBase(base.Size)
}

// sendParts sends the parts that S3 lacks, and completes the upload.
func (a *commitAttempt) sendParts(ctx context.Context, size int64,
	cond s3backend.Condition) (s3backend.Object, error) {
	it := a.it
	up, list, err := a.uploadParts(ctx, size)
	if err != nil {
		return s3backend.Object{}, err
	}
	if err := it.annotations.save(ctx, it.Base()); err != nil {
		return s3backend.Object{}, err
	}
	if err := it.o.Admission.Suspension(); err != nil { // while the parts were sent
		return s3backend.Object{}, err
	}
	obj, err := up.Complete(ctx, list, size, cond)
	if isKind(err, s3backend.OtherPart) {
		// A request for a part that was canceled, here or in an earlier process, was carried out
		// after the one that replaced it. All parts are sent again.
		it.uploading.giveUp(up)
	}
	if err = a.noteIfAmbiguous(err, up.Header()); err != nil {
		return obj, err
	}
	obj.Key = a.key
	return a.correctHeader(ctx, obj, up.Header())
}

// correctHeader sets the time and the mode that a program set after the upload was created with
// the header had: S3 takes the header of an upload only then. The server copies the object onto
// itself. If it may not, the file keeps the time of its upload.
func (a *commitAttempt) correctHeader(ctx context.Context, obj s3backend.Object,
	had *s3backend.Header) (s3backend.Object, error) {
	it, want := a.it, a.header
	if !it.target().explicit || obj.Size > parts.MaxSize ||
		had.User[metaMtime] == want.User[metaMtime] && had.User[metaMode] == want.User[metaMode] {
		return obj, nil
	}
	corrected, err := it.o.bucket.Copy(ctx, obj, obj.Key, want,
		s3backend.Condition{IfMatch: obj.ETag})
	switch {
	case err == nil:
		return corrected, nil
	case s3backend.Ambiguous(err): // the next attempt finds one of both
		it.recordAmbiguous(obj.Key, had, a.seq)
		it.recordAmbiguous(obj.Key, want, a.seq)
		return obj, err
	}
	it.o.log.Info("the time of the file is that of its upload", "key", obj.Key, "err", err)
	return obj, nil
}
