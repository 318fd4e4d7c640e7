package s3backend

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"hash/crc32"
	"sync"

	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

const (
	// copyPartSize is the minimum size of a part of a large copy, and copyStreams how many parts
	// are in flight: their bytes do not pass through this machine.
	copyPartSize = 512 << 20
	copyStreams  = 8
)

// CopyPart copies size bytes of src from the offset off within S3, as part n of the upload. The
// error is Stale if the source has changed.
func (c *Client) CopyPart(ctx context.Context, up Upload, n int32, src Object, off,
	size int64) (Part, error) {
	return c.copyPart(ctx, up, n, source{c, src}, off, size,
		func(etag string, send func(string) error) error { return send(etag) })
}

// copyPart is CopyPart. match sends the request on the condition that src has an ETag, or, where
// the server does not support that, without.
func (c *Client) copyPart(ctx context.Context, up Upload, n int32, src source, off, size int64,
	match func(etag string, send func(etag string) error) error,
) (Part, error) {
	const op = "UploadPartCopy"
	var part Part
	send := func(etag string) error {
		name := src.name()
		span := fmt.Sprintf("bytes=%d-%d", off, off+size-1)
		in := &s3.UploadPartCopyInput{
			Bucket: &c.bucket, Key: &up.Key, UploadId: &up.ID, PartNumber: &n,
			CopySource: &name, CopySourceRange: &span,
		}
		_, in.CopySourceIfMatch = Condition{IfMatch: etag}.headers()
		out, err := c.s3.UploadPartCopy(ctx, in)
		if err != nil {
			err = src.explain(ctx, wrapError(ctx, op, up.Key, err))
			if errors.Is(err, Refused) {
				c.quirks.worked.noCopyPart.Store(true)
			}
			return err
		}
		c.quirks.worked.copyPart.Store(true)
		if out.CopyPartResult == nil || val(out.CopyPartResult.ETag) == "" {
			return protocolError(op, up.Key, "S3 did not confirm part %d", n)
		}
		r := out.CopyPartResult
		part = Part{Number: n, ETag: unquote(r.ETag), CRC32: partSum(r.ChecksumCRC32), Size: size}
		return nil
	}
	if src.ETag == "" || !c.notAWS {
		err := send(src.ETag)
		return part, err
	}
	err := c.quirks.source.run(probeAfterUses,
		func() error { return src.check(ctx, op) },
		func() error { return match(noETag, send) },
		func() error { return match(src.ETag, send) })
	return part, err
}

// partSum returns a part's checksum if it is one: some servers return that of
// the whole source ("...-2").
func partSum(s *string) string {
	if b, err := base64.StdEncoding.DecodeString(val(s)); err != nil || len(b) != crc32.Size {
		return ""
	}
	return *s
}

// Copy copies src to key within S3, if src has not changed and cond holds at key; otherwise the
// error is Stale, and does not show which. h is the header of the copy, nil for that of src. src
// needs its Size: above 5 GiB the copy is made in parts. With src.ByVersion that version is copied,
// whatever its key holds now: see CopiesVersions.
func (c *Client) Copy(ctx context.Context, src Object, key string,
	h *Header, cond Condition) (Object, error) {
	if src.ByVersion && c.notAWS && src.ETag != "" {
		// What AWS checks in the request: a version "null" can be replaced.
		if err := (source{c, src}).checkNow(ctx, copyOp); err != nil {
			return Object{}, err
		}
		src.ETag = ""
	}
	if src.Size > c.largestCopy {
		return c.copyLarge(ctx, source{c, src}, key, h, cond, copyPartSize)
	}
	class, err := (source{c, src}).class(ctx, h)
	if err != nil {
		return Object{}, err
	}
	return c.copyWhole(ctx,
		copyRequest{src: source{c, src}, key: key, header: h, class: class}, cond)
}

const copyOp = "CopyObject"

// copyRequest is a copy by CopyObject.
type copyRequest struct {
	src    source
	key    string
	header *Header // of the copy; nil keeps that of src
	class  *Header // with the storage class of the copy
}

// copyWhole is Copy by one CopyObject.
func (c *Client) copyWhole(ctx context.Context, r copyRequest, cond Condition) (Object, error) {
	const op = copyOp
	src, key := r.src, r.key
	var obj Object
	send := func(etag string, cond Condition) error {
		holds := func() bool { return cond.zero() || c.conditions.check(ctx, op, key, cond) == nil }
		return src.match(ctx, op, etag, holds, func(etag string) error {
			tagged := r.header != nil && r.header.Tagging != ""
			return src.withTagsAndAnnotations(ctx, tagged, func(untagged, excluded bool) error {
				made, err := c.copyOnce(ctx, r, etag, cond, untagged, excluded)
				if err == nil {
					obj = made
				}
				return err
			})
		})
	}
	checked := func() error { return nil } // waits for the check of the source, where there is one
	conditionally := func() error {
		w := conditional{op: op, key: key, probes: &c.quirks.destination, absentUse: probeAfterUses,
			matchUse: probeAfterUses, sourced: true}
		w.send = func(cond Condition) error {
			if err := checked(); err != nil {
				return &checkError{err}
			}
			return retryConflictOnce(func() error { return send(src.ETag, cond) })
		}
		return c.conditions.send(ctx, w, cond)
	}
	if src.ETag == "" || !c.notAWS {
		err := conditionally()
		return obj, err
	}
	// The two conditions are probed one after the other, or a 412 would not show which of them
	// was checked. So HEADs check both before the first probe. The two HEADs are sent at once.
	err := c.quirks.source.run(probeAfterUses,
		func() error {
			checked = async(func() error { return src.check(ctx, op) })
			return nil
		},
		func() error {
			if !cond.zero() {
				if err := c.conditions.check(ctx, op, key, cond); err != nil {
					return &checkError{err}
				}
			}
			if err := checked(); err != nil {
				return &checkError{err}
			}
			return send(noETag, Condition{})
		},
		conditionally)
	_ = checked() // the goroutine ends before this returns; its error was returned if it counts
	var seen *checkError
	if errors.As(err, &seen) {
		err = seen.err
	}
	return obj, err
}

// copyOnce sends one CopyObject, on the condition that src has an ETag, "" for none, and that cond
// holds at its key. The copy has no tags if untagged is true, and no annotations if excluded is.
func (c *Client) copyOnce(ctx context.Context, r copyRequest, etag string, cond Condition, untagged,
	excluded bool) (Object, error) {
	name := r.src.name()
	in := &s3.CopyObjectInput{Bucket: &c.bucket, Key: &r.key, CopySource: &name}
	_, in.CopySourceIfMatch = Condition{IfMatch: etag}.headers()
	in.IfNoneMatch, in.IfMatch = cond.headers()
	opts := r.header.toCopy(in)
	in.StorageClass = types.StorageClass(val(r.class.storageClass()))
	if untagged {
		in.TaggingDirective = types.TaggingDirectiveReplace
	}
	if excluded {
		in.AnnotationDirective = types.AnnotationDirectiveExclude
	}
	out, err := c.s3.CopyObject(ctx, in, opts...)
	c.recentHeads.forget(r.key)
	if err != nil {
		return Object{}, c.conditions.whichMissing(ctx,
			r.src.explain(ctx, wrapError(ctx, copyOp, r.key, err)), r.key, cond)
	}
	if out.CopyObjectResult == nil || val(out.CopyObjectResult.ETag) == "" {
		return Object{}, protocolError(copyOp, r.key, "S3 did not confirm the copy")
	}
	made := out.CopyObjectResult
	return Object{
		Key: r.key, Size: r.src.Size, ETag: unquote(made.ETag),
		Modified: val(made.LastModified), Version: val(out.VersionId), Class: classOf(r.class),
	}, nil
}

// class returns a header with the storage class of s: a copy for which none is named is
// STANDARD. If the class is not known, AWS is asked for it, but no other server.
// Source: Amazon S3 API Reference, CopyObject, x-amz-storage-class.
func (s source) class(ctx context.Context, h *Header) (*Header, error) {
	switch {
	case h != nil:
		return h, nil
	case s.Class != "" || s.c.notAWS:
		return &Header{Class: s.Class}, nil
	}
	now, err := s.c.head(ctx, s.Object)
	switch {
	case errors.Is(err, Denied): // then the copy is refused as well
		return nil, nil
	case err != nil:
		return nil, err
	case now.ETag != s.ETag && s.ETag != "":
		return nil, &Error{Op: "HeadObject", Key: s.Key, Kind: Stale,
			Err: errors.New("the source has changed")}
	}
	return now.Header, nil
}

// async calls f in a goroutine, and returns a function that waits for its result.
func async(f func() error) func() error {
	done := make(chan error, 1)
	go func() { done <- f() }()
	return sync.OnceValue(func() error { return <-done })
}

// checkError keeps the error of a check apart from S3's reply to a probe.
type checkError struct{ err error }

func (e *checkError) Error() string { return e.err.Error() }

// check asks whether s is still what its key holds. What may not be
// asked counts as holding, as in check.
func (s source) check(ctx context.Context, op string) error {
	if s.c.recentHeads.has(s.Key, s.ETag) {
		return nil
	}
	return s.checkNow(ctx, op)
}

// checkNow is check by a request that is sent now.
func (s source) checkNow(ctx context.Context, op string) error {
	etag, err := s.etagNow(ctx)
	switch {
	case errors.Is(err, Denied):
		return nil
	case err != nil:
		return err
	case etag != s.ETag:
		return &Error{Op: op, Key: s.Key, Kind: Stale, Err: errors.New("the source has changed")}
	}
	return nil
}

// etagNow returns the ETag of what the key of s holds, or with s.ByVersion, of that version.
func (s source) etagNow(ctx context.Context) (string, error) {
	if !s.ByVersion {
		return s.c.conditions.currentETag(ctx, s.Key)
	}
	now, err := s.c.head(ctx, s.Object)
	return now.ETag, err
}

// toCopy asks to keep the source's header, or to replace it by h.
func (h *Header) toCopy(in *s3.CopyObjectInput) []func(*s3.Options) {
	if h == nil {
		in.MetadataDirective = types.MetadataDirectiveCopy
		return nil
	}
	in.MetadataDirective = types.MetadataDirectiveReplace
	in.ContentType = opt(h.ContentType)
	in.ContentEncoding = opt(h.ContentEncoding)
	in.ContentDisposition = opt(h.ContentDisposition)
	in.ContentLanguage = opt(h.ContentLanguage)
	in.CacheControl = opt(h.CacheControl)
	in.Metadata = userMetadata(h.User)
	if h.Tagging != "" {
		in.TaggingDirective = types.TaggingDirectiveReplace
		in.Tagging = &h.Tagging
	}
	return h.expires()
}
