package s3backend

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/s3"
)

// Head returns what the key holds, with its Header. If the key does not exist and the caller may
// not list, the error is Denied.
func (c *Client) Head(ctx context.Context, key string) (Object, error) {
	return c.head(ctx, Object{Key: key})
}

// head is Head, or with obj.ByVersion, of that version.
func (c *Client) head(ctx context.Context, obj Object) (Object, error) {
	const op = "HeadObject"
	key, asked := obj.Key, time.Now()
	out, err := c.s3.HeadObject(ctx,
		&s3.HeadObjectInput{Bucket: &c.bucket, Key: &key, VersionId: obj.versionID()})
	if err != nil {
		err = wrapError(ctx, op, key, err)
		if statusOf(err) == http.StatusBadRequest {
			err = c.explainHead(ctx, obj, err)
		}
		return Object{}, versionRefused(err, obj)
	}
	if err := checkHead(key, out); err != nil {
		return Object{}, err
	}
	if !obj.ByVersion {
		c.recentHeads.note(key, unquote(out.ETag), asked)
		c.versions.note(val(out.VersionId))
	}
	return Object{
		Key: key, ByVersion: obj.ByVersion, Size: val(out.ContentLength), ETag: unquote(out.ETag),
		Modified: val(out.LastModified), Version: val(out.VersionId),
		Class: cmp.Or(string(out.StorageClass), ClassStandard),
		Header: &Header{
			ContentType:        val(out.ContentType),
			ContentEncoding:    contentEncoding(val(out.ContentEncoding)),
			ContentDisposition: val(out.ContentDisposition),
			ContentLanguage:    val(out.ContentLanguage),
			CacheControl:       val(out.CacheControl),
			Expires:            val(out.ExpiresString),
			User:               userMetadata(out.Metadata),
			TagCount:           int(val(out.TagCount)),
			Class:              string(out.StorageClass),
		},
	}, nil
}

// mostMetadata is how much user metadata an object may have, in bytes. S3 takes 2 KB.
const mostMetadata = 16 << 10

// checkHead refuses what S3 could not have said of an object.
func checkHead(key string, out *s3.HeadObjectOutput) error {
	if size := val(out.ContentLength); size < 0 || size > maxSize {
		return protocolError("HeadObject", key, "S3 gave it a size of %d", size)
	}
	if len(val(out.ETag)) > maxTextBytes+2 {
		return protocolError("HeadObject", key, "S3 sent an ETag of %d bytes", len(val(out.ETag)))
	}
	size := 0
	for name, value := range out.Metadata {
		size += len(name) + len(value)
	}
	if size > mostMetadata {
		return protocolError("HeadObject", key, "S3 sent %d bytes of metadata", size)
	}
	return nil
}

// explainHead asks for the reason of a bad request, such as expired credentials or encryption
// with a key of the customer's: a HEAD's reply has no body and so no code, a GET's has.
func (c *Client) explainHead(ctx context.Context, obj Object, headErr error) error {
	body, err := c.Get(ctx,
		Object{Key: obj.Key, Version: obj.Version, ByVersion: obj.ByVersion}, 0, 1)
	if err == nil {
		body.Close()
	}
	if errors.Is(err, BadLogin) || statusOf(err) == http.StatusBadRequest {
		return err
	}
	return headErr
}

// Get returns the n bytes of obj from off on. It asks with If-Match: the error
// is Stale when the key holds another version by now, and so it is when a
// server sends another version all the same. The version id is sent with
// obj.ByVersion only, for reading by version is a permission of its own.
//
// The range must lie within the object. The body gives n bytes and io.EOF, or
// an error, which is an *Error too; a Read that waits 30 seconds for a byte
// fails. Where the reply breaks off, the rest is asked for. Close it.
func (c *Client) Get(ctx context.Context, obj Object, off, n int64) (io.ReadCloser, error) {
	if off < 0 || n < 0 {
		return nil, protocolError("GetObject", obj.Key, "%d bytes from %d on: not a range", n, off)
	}
	if n == 0 {
		return http.NoBody, nil
	}
	b := &body{c: c, ctx: ctx, obj: obj, off: off, left: n}
	if err := b.open(); err != nil {
		return nil, err
	}
	return b, nil
}

// get makes the request, and returns the reply with the ETag of what it holds.
func (c *Client) get(ctx context.Context, obj Object, off, n int64) (io.ReadCloser, string, error) {
	in := &s3.GetObjectInput{Bucket: &c.bucket, Key: &obj.Key, VersionId: obj.versionID()}
	want := fmt.Sprintf("bytes=%d-%d", off, off+n-1)
	in.Range = &want
	if obj.ETag != "" {
		_, in.IfMatch = Condition{IfMatch: obj.ETag}.headers()
	}
	var out *s3.GetObjectOutput
	var err error
	if obj.ByVersion {
		out, err = c.s3.GetObject(ctx, in)
	} else {
		out, err = c.direct.get(ctx, obj.Key, want, in.IfMatch)
		var sdk *notDirect
		if errors.As(err, &sdk) {
			out, err = c.s3.GetObject(ctx,
				in, c.direct.captureRoute("GetObject", obj.Key), sdk.option)
		}
	}
	if err != nil {
		err = c.explainRead(ctx, wrapError(ctx, "GetObject", obj.Key, err), obj)
		return nil, "", versionRefused(err, obj)
	}
	if err := checkRange(obj, off, n, out); err != nil {
		out.Body.Close()
		return nil, "", err
	}
	return out.Body, unquote(out.ETag), nil
}

// checkRange accepts a reply only if it is the range that was asked for, of
// the version that was asked for.
func checkRange(obj Object, off, n int64, out *s3.GetObjectOutput) error {
	const op = "GetObject"
	if got := unquote(out.ETag); obj.ETag != "" && got != "" && got != obj.ETag {
		return &Error{Op: op, Key: obj.Key, Kind: Stale,
			Err: fmt.Errorf("S3 sent version %q where %q was asked for", got, obj.ETag)}
	}
	length := int64(-1)
	if out.ContentLength != nil {
		length = *out.ContentLength
	}
	if out.ContentRange == nil { // 200: the whole object
		if off == 0 && length == n {
			return nil
		}
		return protocolError(op, obj.Key,
			"S3 ignored the range: %d bytes from %d on were asked for, %d came", n, off, length)
	}
	var first, last, total int64
	if _, err := fmt.Sscanf(*out.ContentRange, "bytes %d-%d/%d",
		&first, &last, &total); err != nil {
		total = -1 // "/*": the reply has no size
		if _, err := fmt.Sscanf(*out.ContentRange, "bytes %d-%d/", &first, &last); err != nil {
			return protocolError(op, obj.Key, "S3 sent the range %q", *out.ContentRange)
		}
	}
	if obj.ETag == "" && obj.Size > 0 && total >= 0 && total != obj.Size {
		return &Error{Op: op, Key: obj.Key, Kind: Stale,
			Err: fmt.Errorf("the object has %d bytes, not %d", total, obj.Size)}
	}
	if first != off || last != off+n-1 || length >= 0 && length != n {
		return protocolError(op, obj.Key, "S3 sent %q in %d bytes where bytes %d-%d were asked for",
			*out.ContentRange, length, off, off+n-1)
	}
	return nil
}

// resumes is how often one after another a reply may break off without a byte.
const resumes = 3

// body gives exactly left bytes, or an error.
type body struct {
	c        *Client
	ctx      context.Context
	from     io.ReadCloser // what comes of a request
	patience *timeLimit    // of that request
	obj      Object
	off      int64 // where the rest begins
	left     int64
	vain     int // replies that broke off since the last byte

	// Since a readStep has come, or the beginning:
	got    int
	waited time.Duration
}

// open asks for what is left.
func (b *body) open() error {
	began := time.Now()
	p := b.c.waiting.begin(b.ctx, b.waited)
	from, etag, err := b.c.get(p.ctx, b.obj, b.off, b.left)
	b.waited += time.Since(began)
	if err = p.finish(err); err != nil {
		p.end()
		err = b.c.met(b.ctx, "GetObject", began, err)
		return wrapError(b.ctx, "GetObject", b.obj.Key, err)
	}
	b.from, b.patience = from, p
	b.obj.ETag = etag // the rest is to be of the version that has begun
	return nil
}

func (b *body) Read(p []byte) (int, error) {
	for {
		if b.left == 0 {
			return 0, io.EOF
		}
		began := time.Now()
		n, err := b.from.Read(p[:min(int64(len(p)), b.left)])
		b.waited += time.Since(began)
		b.off, b.left = b.off+int64(n), b.left-int64(n)
		if n > 0 {
			b.vain = 0
		}
		if b.got += n; b.got >= readStep {
			b.got, b.waited = 0, 0
		}
		switch {
		case err == nil:
			return n, nil
		case b.left == 0:
			return n, io.EOF
		case err == io.EOF:
			err = io.ErrUnexpectedEOF
		}
		if err := b.resume(err); err != nil {
			return n, err
		}
		if n > 0 {
			return n, nil
		}
	}
}

// resume asks for what is left of a reply that broke off with err. A reply that
// has stalled is given up: whoever reads has waited long enough.
func (b *body) resume(err error) error {
	if b.waited >= b.c.http.quiet {
		err = errStalled
	}
	if b.vain++; b.vain > resumes || b.obj.ETag == "" || b.ctx.Err() != nil ||
		errors.Is(err, errStalled) {
		err = b.c.met(b.ctx, "GetObject", time.Now().Add(-b.waited), err)
		return wrapError(b.ctx, "GetObject", b.obj.Key, err)
	}
	b.close()
	return b.open()
}

func (b *body) Close() error {
	b.close()
	return nil
}

// close gives up the request under way.
func (b *body) close() {
	if b.patience != nil {
		_ = b.from.Close() // what it held is not wanted any more
		b.patience.end()
		b.from, b.patience = http.NoBody, nil
	}
}
