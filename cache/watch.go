package cache

import (
	"context"
	"errors"
	"io"

	"github.com/s3share/s3share/cache/keyname"
	"github.com/s3share/s3share/s3backend"
)

// watched is a bucket of which the cache knows when it is in use, and whose refusals
// make it ask anew what the policy grants in the folder: whether it was the folder that
// was refused, or one file.
type watched struct {
	Bucket
	c *Cache
}

// List notes a listing.
func (w watched) List(ctx context.Context, in s3backend.ListInput) (s3backend.Page, error) {
	w.c.traffic.note()
	return w.Bucket.List(ctx, in)
}

// UploadPart watches a part of a large file's way.
func (w watched) UploadPart(ctx context.Context, up s3backend.Upload, num int32, body io.ReadSeeker, size int64) (s3backend.Part, error) {
	w.c.traffic.note()
	part, err := w.Bucket.UploadPart(ctx, up, num, body, size)
	w.told(up.Key, err)
	return part, err
}

func (w watched) told(key string, err error) {
	if errors.Is(err, s3backend.Denied) {
		w.c.doubt(keyname.Folder(key))
	}
}

// Get watches a read.
func (w watched) Get(ctx context.Context, obj s3backend.Object, off, n int64) (io.ReadCloser, error) {
	w.c.traffic.note()
	r, err := w.Bucket.Get(ctx, obj, off, n)
	w.told(obj.Key, err)
	if err != nil {
		return nil, err
	}
	w.c.wasRead(obj.Key, obj.ETag)
	return flow{r, &w.c.traffic}, nil
}

// flow is a body, each read of which is traffic.
type flow struct {
	io.ReadCloser
	traffic *traffic
}

// Read reads on.
func (f flow) Read(p []byte) (int, error) {
	f.traffic.note()
	return f.ReadCloser.Read(p)
}

// Put watches a small file's way.
func (w watched) Put(ctx context.Context, key string, body io.ReadSeeker, size int64, h *s3backend.Header, cond s3backend.Condition) (s3backend.Object, error) {
	w.c.traffic.note()
	obj, err := w.Bucket.Put(ctx, key, body, size, h, cond)
	w.told(key, err)
	return obj, err
}

// CreateUpload watches the beginning of a large file's way.
func (w watched) CreateUpload(ctx context.Context, key string, h *s3backend.Header) (s3backend.Upload, error) {
	w.c.traffic.note()
	up, err := w.Bucket.CreateUpload(ctx, key, h)
	w.told(key, err)
	return up, err
}

// Copy watches a rename.
func (w watched) Copy(ctx context.Context, src s3backend.Object, key string, h *s3backend.Header, cond s3backend.Condition) (s3backend.Object, error) {
	w.c.traffic.note()
	obj, err := w.Bucket.Copy(ctx, src, key, h, cond)
	w.told(key, err)
	return obj, err
}
