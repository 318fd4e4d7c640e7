package s3backend

import (
	"context"
	"errors"
	"io"

	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

// maxPut is the largest object that one PutObject or CopyObject makes.
// Source: Amazon S3 User Guide, "Uploading objects".
const maxPut = 5 << 30

// Put makes body's first size bytes, from where it stands, the object under
// key, with h where it is not nil, if cond holds. It is one request, and the
// body is read twice, or once if it is Summed or an io.ReaderAt. S3 checks the bytes
// against their CRC-32.
//
// Errors: Stale where cond does not hold, TooLarge above 5 GiB. A Stale may
// also follow an attempt whose reply was lost: then it is Ambiguous, and the
// object may be ours.
func (c *Client) Put(ctx context.Context, key string, body io.ReadSeeker, size int64,
	h *Header, cond Condition,
) (Object, error) {
	const op = "PutObject"
	if size > maxPut {
		return Object{}, &Error{Op: op, Key: key, Kind: TooLarge}
	}
	s, sum, err := c.prepare(ctx, op, key, body, size)
	if err != nil {
		return Object{}, err
	}
	var obj Object
	r := putRequest{key: key, body: s, sum: sum, header: h}
	w := conditional{op: op, key: key, probes: &c.quirks.put, send: func(cond Condition) error {
		return c.withChecksum(func(on bool) error {
			return c.payloads.send(key, cond, func(signed bool) error {
				return retryConflictOnce(func() error {
					made, err := c.putOnce(ctx, r, cond, on, signed)
					if err == nil {
						obj = made
					}
					return err
				})
			})
		})
	}}
	if size <= mostDirect {
		w.absentUse, w.matchUse, w.againUse = probePutAfterUses, probeAfterUses, probeAgainAfterUses
	}
	err = c.conditions.send(ctx, w, cond)
	return obj, err
}

// putRequest is what PutObject is to make.
type putRequest struct {
	key    string
	body   *sized
	sum    string // of the body
	header *Header
}

// putOnce sends one PutObject, with the checksum or without, its body signed or not.
func (c *Client) putOnce(ctx context.Context, r putRequest, cond Condition, checksum,
	signed bool) (Object, error) {
	const op = "PutObject"
	defer c.recentHeads.forget(r.key)
	in := &s3.PutObjectInput{Bucket: &c.bucket, Key: &r.key,
		Body: r.body, ContentLength: &r.body.size}
	in.IfNoneMatch, in.IfMatch = cond.headers()
	if checksum {
		in.ChecksumCRC32 = opt(r.sum)
	}
	if _, err := r.body.Seek(0, io.SeekStart); err != nil {
		return Object{}, wrapError(ctx, op, r.key, err)
	}
	opts := r.header.toPut(in)
	done, err := c.direct.put(ctx, in, r.header, r.body, signed)
	var sdk *notDirect
	if !errors.As(err, &sdk) {
		if err != nil {
			return Object{}, missingIsStale(err, cond)
		}
		c.versions.note(done.Version)
		return done, nil
	}
	hash, err := r.body.payloadSum(ctx, signed)
	if err != nil {
		return Object{}, wrapError(ctx, op, r.key, err)
	}
	if _, err := r.body.Seek(0, io.SeekStart); err != nil {
		return Object{}, wrapError(ctx, op, r.key, err)
	}
	out, err := c.s3.PutObject(ctx,
		in, append(opts, payload(hash), c.direct.captureRoute(op, r.key), sdk.option)...)
	if err != nil {
		return Object{}, afterAttempt(sdk.first,
			missingIsStale(wrapError(ctx, op, r.key, err), cond))
	}
	c.versions.note(val(out.VersionId))
	return Object{
		Key: r.key, Size: r.body.size, ETag: unquote(out.ETag),
		Modified: serverTime(out.ResultMetadata), Version: val(out.VersionId),
		Class: classOf(r.header),
	}, nil
}

// prepare bounds the body and sums it, unless this server wants no checksum.
func (c *Client) prepare(ctx context.Context, op, key string, body io.ReadSeeker,
	size int64) (*sized, string, error) {
	s, err := newSized(body, size)
	if err != nil {
		return nil, "", wrapError(ctx, op, key, err)
	}
	if c.quirks.noChecksum.Load() {
		return s, "", nil
	}
	sum, err := s.sum(ctx)
	return s, sum, wrapError(ctx, op, key, err)
}

// toPut fills in what h says, and returns what the SDK's input cannot say.
func (h *Header) toPut(in *s3.PutObjectInput) []func(*s3.Options) {
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

// expires sends Expires as it was received; the SDK would take a time only.
func (h *Header) expires() []func(*s3.Options) {
	if h == nil || h.Expires == "" {
		return nil
	}
	return []func(*s3.Options){setHeader("Expires", h.Expires)}
}
