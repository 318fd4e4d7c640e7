package grants

import (
	"context"
	"errors"
	"io"

	"github.com/s3share/s3share/cache/content"
	"github.com/s3share/s3share/cache/keyname"
	"github.com/s3share/s3share/cache/meta"
	"github.com/s3share/s3share/cache/outbox"
	"github.com/s3share/s3share/s3backend"
)

// Bucket is a bucket that a Policy can watch; *s3backend.Client implements it.
type Bucket interface {
	meta.Bucket
	content.Source
	outbox.Bucket
}

// Watch returns a bucket of which p records when it is in use, and whose refusals make it
// ask again what the policy grants in the folder: whether it was the folder that was refused,
// or one file. read is called with the key and the ETag of each version that is read.
func (p *Policy) Watch(b Bucket, read func(key, etag string)) Bucket { return watched{b, p, read} }

type watched struct {
	Bucket
	p    *Policy
	read func(key, etag string)
}

// List records a listing as traffic.
func (w watched) List(ctx context.Context, in s3backend.ListInput) (s3backend.Page, error) {
	w.p.traffic.note()
	return w.Bucket.List(ctx, in)
}

// UploadPart watches a part of a large file.
func (w watched) UploadPart(ctx context.Context, up s3backend.Upload, num int32, body io.ReadSeeker,
	size int64) (s3backend.Part, error) {
	w.p.traffic.note()
	part, err := w.Bucket.UploadPart(ctx, up, num, body, size)
	w.recordDenial(up.Key, err)
	return part, err
}

// recordDenial asks again what the folder grants if err is a refusal.
func (w watched) recordDenial(key string, err error) {
	if errors.Is(err, s3backend.Denied) {
		w.p.refreshAfterDenial(keyname.Folder(key))
	}
}

// Get watches a read.
func (w watched) Get(ctx context.Context, obj s3backend.Object,
	off, n int64) (io.ReadCloser, error) {
	w.p.traffic.note()
	r, err := w.Bucket.Get(ctx, obj, off, n)
	w.recordDenial(obj.Key, err)
	if err != nil {
		return nil, err
	}
	w.read(obj.Key, obj.ETag)
	return watchedBody{r, &w.p.traffic}, nil
}

// watchedBody is a body, each read of which is traffic.
type watchedBody struct {
	io.ReadCloser
	traffic *traffic
}

// Read notes the traffic.
func (f watchedBody) Read(p []byte) (int, error) {
	f.traffic.note()
	return f.ReadCloser.Read(p)
}

// Put watches a small file.
func (w watched) Put(ctx context.Context, key string, body io.ReadSeeker, size int64,
	h *s3backend.Header, cond s3backend.Condition) (s3backend.Object, error) {
	w.p.traffic.note()
	obj, err := w.Bucket.Put(ctx, key, body, size, h, cond)
	w.recordDenial(key, err)
	return obj, err
}

// CreateUpload watches the beginning of a large file.
func (w watched) CreateUpload(ctx context.Context, key string,
	h *s3backend.Header) (s3backend.Upload, error) {
	w.p.traffic.note()
	up, err := w.Bucket.CreateUpload(ctx, key, h)
	w.recordDenial(key, err)
	return up, err
}

// Copy watches a rename.
func (w watched) Copy(ctx context.Context, src s3backend.Object, key string, h *s3backend.Header,
	cond s3backend.Condition) (s3backend.Object, error) {
	w.p.traffic.note()
	obj, err := w.Bucket.Copy(ctx, src, key, h, cond)
	w.recordDenial(key, err)
	return obj, err
}
