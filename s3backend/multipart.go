package s3backend

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

// MaxPartSize is the largest part. The other limits are in region.go.
// Source: Amazon S3 User Guide, "Amazon S3 multipart upload limits".
const MaxPartSize = 5 << 30

// Upload is a multipart upload that has begun. Nobody sees its parts until
// Complete makes them one object.
type Upload struct {
	Key, ID   string
	AbortDate time.Time // when the bucket's lifecycle rule aborts it; zero where no rule does
	CRC32     bool      // begun with checksums: then S3 wants one of each part
}

// Part is one part that S3 has.
type Part struct {
	Number int32 // from 1 to MaxParts
	ETag   string
	CRC32  string // base64; "" if none was sent or returned
	Size   int64
}

// createGrace is how long CreateUpload waits for S3's answer after its ctx has ended.
const createGrace = 2 * time.Second

// CreateUpload begins a multipart upload. The ACL, h and the promise of
// checksums are given here, for the object that Complete makes.
//
// If ctx ends after the request was sent, CreateUpload waits createGrace for the answer and may
// succeed: only who knows the ID of an upload can abort it.
func (c *Client) CreateUpload(ctx context.Context, key string, h *Header) (Upload, error) {
	const op = "CreateMultipartUpload"
	ctx, release := outlive(ctx, createGrace)
	defer release()
	var up Upload
	err := c.withChecksum(func(on bool) error {
		in := &s3.CreateMultipartUploadInput{Bucket: &c.bucket, Key: &key}
		if on {
			// A checksum of the whole object, not one of its parts' checksums: both
			// parties can compare it with their file, and a later copy of a range
			// of the object does not inherit one that no part can have.
			in.ChecksumAlgorithm, in.ChecksumType = types.ChecksumAlgorithmCrc32,
				types.ChecksumTypeFullObject
		}
		out, err := c.s3.CreateMultipartUpload(ctx, in, h.toCreate(in)...)
		if err != nil {
			return wrapError(ctx, op, key, err)
		}
		if val(out.UploadId) == "" {
			return protocolError(op, key, "S3 sent no upload ID")
		}
		up = Upload{Key: key, ID: *out.UploadId, AbortDate: val(out.AbortDate), CRC32: on}
		return nil
	})
	if err == nil && c.notAWS && h != nil && len(h.User) > 0 && !c.quirks.completeETag.isChecked() {
		c.begun.Store(up.ID, h.User)
	}
	return up, err
}

// outlive returns a context that ends d after parent does, at once where parent has ended already.
// The caller calls release at the end.
func outlive(parent context.Context, d time.Duration) (ctx context.Context, release func()) {
	if parent.Err() != nil {
		return parent, func() {}
	}
	ctx, end := context.WithCancelCause(context.WithoutCancel(parent))
	stop := context.AfterFunc(parent, func() {
		t := time.NewTimer(d)
		defer t.Stop()
		select {
		case <-t.C:
			end(context.Cause(parent))
		case <-ctx.Done():
		}
	})
	return ctx, func() { stop(); end(nil) }
}

// confirmETag returns the ETag of what Complete has made of the upload: some servers return
// another one than the object has from then on. So the first upload of each client is looked
// at once it is complete, and all are where that differed. Only what has the metadata of
// the upload is its object, and not what somebody else has put since: the metadata of s3share
// names each version. Of an upload that an earlier process began nothing is known.
func (c *Client) confirmETag(ctx context.Context, up Upload, told string) string {
	user, ok := c.begun.LoadAndDelete(up.ID)
	if !ok || c.quirks.completeETag.isChecked() || c.quirks.noHead.has(up.Key) {
		return told
	}
	now, err := c.Head(ctx, up.Key)
	switch {
	case errors.Is(err, Denied):
		c.quirks.noHead.note(up.Key)
		return told
	case err != nil || now.Header == nil || !maps.Equal(now.Header.User, user.(map[string]string)):
		return told
	case now.ETag == told:
		c.quirks.completeETag.result.CompareAndSwap(probeUnknown, probeChecked)
		return told
	}
	if told != "" && c.quirks.completeETag.result.Swap(probeIgnored) != probeIgnored {
		c.log.Warn(
			"this server does not tell the ETag of an upload that is complete; a HEAD follows each",
			"told", told, "is", now.ETag)
	}
	return now.ETag
}

func (h *Header) toCreate(in *s3.CreateMultipartUploadInput) []func(*s3.Options) {
	if h == nil {
		return nil
	}
	in.ContentType = opt(h.ContentType)
	in.ContentEncoding = opt(h.ContentEncoding)
	in.ContentDisposition = opt(h.ContentDisposition)
	in.ContentLanguage = opt(h.ContentLanguage)
	in.CacheControl = opt(h.CacheControl)
	in.Metadata = userMetadata(h.User)
	in.StorageClass = types.StorageClass(val(h.storageClass()))
	in.Tagging = opt(h.Tagging)
	return h.expires()
}

// UploadPart sends body's first size bytes, from where it stands, as part n;
// a part that is sent again replaces the one before. The body is read as Put's is.
// NotExist: there is no such upload (any more).
func (c *Client) UploadPart(ctx context.Context, up Upload, n int32, body io.ReadSeeker,
	size int64) (Part, error) {
	const op = "UploadPart"
	s, sum, err := c.prepare(ctx, op, up.Key, body, size)
	if err != nil {
		return Part{}, err
	}
	var part Part
	send := func(on, signed bool) error {
		in := &s3.UploadPartInput{
			Bucket: &c.bucket, Key: &up.Key, UploadId: &up.ID,
			PartNumber: &n, Body: s, ContentLength: &size,
		}
		part = Part{Number: n, Size: size}
		if on {
			in.ChecksumCRC32, part.CRC32 = opt(sum), sum
		}
		hash, err := s.payloadSum(ctx, signed)
		if err != nil {
			return wrapError(ctx, op, up.Key, err)
		}
		if _, err := s.Seek(0, io.SeekStart); err != nil {
			return wrapError(ctx, op, up.Key, err)
		}
		out, err := c.s3.UploadPart(ctx, in, payload(hash), expectOnRetry)
		if err != nil {
			return wrapError(ctx, op, up.Key, err)
		}
		if part.ETag = unquote(out.ETag); part.ETag == "" {
			return protocolError(op, up.Key, "S3 told no ETag of part %d", n)
		}
		return nil
	}
	err = c.withChecksum(func(on bool) error {
		return c.payloads.send(up.Key, Condition{},
			func(signed bool) error { return send(on, signed) })
	})
	return part, err
}

// Complete makes the parts one object of size bytes, if cond holds. The parts
// may come in any order. The Object's ETag is "" only where the server does not
// tell it and may not be asked. NotExist: there is no such upload, which after a lost
// reply may mean that it is complete already.
func (c *Client) Complete(ctx context.Context, up Upload, parts []Part, size int64,
	cond Condition) (Object, error) {
	const op = "CompleteMultipartUpload"
	parts = slices.SortedFunc(slices.Values(parts),
		func(a, b Part) int { return int(a.Number) - int(b.Number) })
	sums := up.CRC32 || !slices.ContainsFunc(parts, func(p Part) bool { return p.CRC32 == "" })
	var obj Object
	complete := func(cond Condition, sums bool) error {
		in := &s3.CompleteMultipartUploadInput{
			Bucket: &c.bucket, Key: &up.Key, UploadId: &up.ID, MpuObjectSize: opt(size),
			MultipartUpload: &types.CompletedMultipartUpload{Parts: completed(parts, sums)},
		}
		in.IfNoneMatch, in.IfMatch = cond.headers()
		out, err := c.s3.CompleteMultipartUpload(ctx, in)
		c.recentHeads.forget(up.Key)
		if err != nil {
			return missingIsStale(wrapError(ctx, op, up.Key, err), cond)
		}
		if val(out.ETag) == "" && val(out.Key) == "" { // the reply began with 200 and broke off
			return protocolError(op, up.Key, "S3 did not confirm the object")
		}
		obj = Object{
			Key: up.Key, Size: size, ETag: unquote(out.ETag),
			Modified: serverTime(out.ResultMetadata), Version: val(out.VersionId),
		}
		return nil
	}
	w := conditional{op: op, key: up.Key, probes: &c.quirks.complete, absentUse: probeAfterUses,
		matchUse: probeAfterUses}
	w.send = func(cond Condition) error {
		if !sums || c.quirks.noPartSums.Load() {
			return complete(cond, false)
		}
		err := complete(cond, true)
		if err == nil {
			c.quirks.worked.partSums.Store(true)
		}
		if !refusesSums(err) {
			return err
		}
		again := complete(cond, false)
		if again != nil && !errors.Is(again, Stale) { // it was not for them
			return err
		}
		if codeOf(err) == "MalformedXML" && c.quirks.noPartSums.CompareAndSwap(false, true) {
			c.log.Warn(
				"this server refuses the checksums of parts; an upload is completed by their ETags alone", "reply", err)
		}
		return afterAttempt(err, again)
	}
	err := c.conditions.send(ctx, w, cond)
	if err == nil {
		obj.ETag = c.confirmETag(ctx, up, obj.ETag)
	}
	if err == nil && obj.ETag == "" { // one server confirms the object and leaves its ETag empty
		if now, look := c.Head(ctx, up.Key); look == nil && now.Size == size {
			obj.ETag = now.ETag
		}
	}
	return obj, err
}

// refusesSums reports whether it was the parts' checksums that Complete did not
// like. That is so where none were promised at the start, perhaps by an earlier
// process; and some servers return a wrong checksum for a copied part, want all
// or none, or do not know the element (MalformedXML). Without them the ETags still name the parts,
// and each part's bytes were checked as they arrived.
func refusesSums(err error) bool {
	if statusOf(err) != http.StatusBadRequest {
		return false
	}
	switch codeOf(err) {
	case "InvalidPart", "InvalidRequest", "InvalidArgument", "BadDigest", "MalformedXML":
		return true
	}
	return false
}

func completed(parts []Part, sums bool) []types.CompletedPart {
	done := make([]types.CompletedPart, len(parts))
	for i, p := range parts {
		number, etag := p.Number, quote(p.ETag)
		done[i] = types.CompletedPart{PartNumber: &number, ETag: &etag}
		if sums {
			done[i].ChecksumCRC32 = opt(p.CRC32)
		}
	}
	return done
}

// Abort forgets the upload and its parts. An upload that is gone is success.
func (c *Client) Abort(ctx context.Context, up Upload) error {
	const op = "AbortMultipartUpload"
	c.begun.Delete(up.ID)
	_, err := c.s3.AbortMultipartUpload(ctx, &s3.AbortMultipartUploadInput{
		Bucket: &c.bucket, Key: &up.Key, UploadId: &up.ID,
	})
	if err = wrapError(ctx, op, up.Key, err); isGone(err) {
		return nil
	}
	return err
}

// partSize returns the size of each part but the last, at least least, so that
// MaxParts hold size bytes.
func partSize(size, least int64) (int64, error) {
	p := max(least, (size+int64(MaxParts)-1)/int64(MaxParts))
	if p > MaxPartSize {
		return 0, fmt.Errorf("%d bytes are more than %d parts hold", size, MaxParts)
	}
	return p, nil
}
