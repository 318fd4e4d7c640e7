package multipart

import (
	"context"
	"errors"

	"github.com/s3share/s3share/s3backend"
)

// CopyRefusedError is returned if S3 refuses, permanently, to copy a part of the base. The bytes
// have to be sent.
type CopyRefusedError struct{ Err error }

func (e *CopyRefusedError) Error() string { return e.Err.Error() }

// Unwrap returns the refusal.
func (e *CopyRefusedError) Unwrap() error { return e.Err }

// OfSource reports whether the copy was refused because of its source or of the policy, so that
// copies of other files may be granted.
func (e *CopyRefusedError) OfSource() bool { return refusesSource(e.Err) }

func refusesSource(err error) bool {
	return errors.Is(err, s3backend.Denied) || errors.Is(err, s3backend.Archived) ||
		errors.Is(err, s3backend.CustomerKey)
}

// refusesCopy reports whether the error of an UploadPartCopy is one that sending the bytes avoids.
// Some servers do not implement the request, refuse it for an upload with checksums, or never match
// the ETag of a multipart upload. And a party that may not read the base cannot copy it, though it
// may be cached here.
func (up *Upload) refusesCopy(ctx context.Context, err error) bool {
	switch {
	case ctx.Err() != nil:
		return false
	case errors.Is(err, s3backend.Refused), refusesSource(err):
		return true
	case errors.Is(err, s3backend.Stale): // unless the base is really another by now
		cur, cerr := s3backend.HeadOrList(ctx, up.s.Bucket, up.f.Base.Key)
		return cerr == nil && cur.ETag == up.f.Base.ETag
	}
	return false
}
