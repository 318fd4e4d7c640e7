package outbox

import (
	"context"

	"github.com/s3share/s3share/s3backend"
)

// copyRefusedError is returned if S3 refuses, permanently, to copy a part of the base. The bytes
// have to be sent.
type copyRefusedError struct{ err error }

func (e *copyRefusedError) Error() string { return e.err.Error() }
func (e *copyRefusedError) Unwrap() error { return e.err }

// refusesCopy reports whether the error of an UploadPartCopy is one that sending the bytes avoids.
// Some servers do not implement the request, refuse it for an upload with checksums, or never match
// the ETag of a multipart upload. And a party that may not read the base cannot copy it, though it
// may be cached here.
func (it *Item) refusesCopy(ctx context.Context, err error) bool {
	switch {
	case ctx.Err() != nil:
		return false
	case isKind(err, s3backend.Refused), refusesSource(err):
		return true
	case isKind(err, s3backend.Stale): // unless the base is really another by now
		cur, cerr := it.o.current(ctx, it.base.Key)
		return cerr == nil && cur.ETag == it.base.ETag
	}
	return false
}

// refusesSource reports whether a copy is refused because of its source or of the policy, so that
// other copies may be granted.
func refusesSource(err error) bool {
	return isKind(err, s3backend.Denied) || isKind(err, s3backend.Archived) ||
		isKind(err, s3backend.CustomerKey)
}

// sendAll makes the item send all its bytes from now on. If the server refuses such copies in
// general, other items do not try them either.
func (it *Item) sendAll(refused *copyRefusedError) {
	it.sendsAll.Store(true)
	if refusesSource(refused) {
		return
	}
	if it.o.copiesNoParts.CompareAndSwap(false, true) {
		it.o.log.Warn("this server copies no parts; an edited file is sent as a whole",
			"reply", refused.err)
	}
}

// sendsWhole reports whether all bytes of the item are to be sent.
func (it *Item) sendsWhole() bool { return it.sendsAll.Load() || it.o.copiesNoParts.Load() }
