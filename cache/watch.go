package cache

import (
	"context"
	"errors"
	"io"

	"github.com/s3share/s3share/s3backend"
)

// watched is a bucket whose refusals make the cache ask anew what the policy grants
// in the folder: whether it was the folder that was refused, or one file.
type watched struct {
	Bucket
	c *Cache
}

func (w watched) told(key string, err error) {
	if errors.Is(err, s3backend.Denied) {
		w.c.doubt(folderOf(key))
	}
}

// Get watches a read.
func (w watched) Get(ctx context.Context, obj s3backend.Object, off, n int64) (io.ReadCloser, error) {
	r, err := w.Bucket.Get(ctx, obj, off, n)
	w.told(obj.Key, err)
	return r, err
}

// Put watches a small file's way.
func (w watched) Put(ctx context.Context, key string, body io.ReadSeeker, size int64, h *s3backend.Header, cond s3backend.Condition) (s3backend.Object, error) {
	obj, err := w.Bucket.Put(ctx, key, body, size, h, cond)
	w.told(key, err)
	return obj, err
}

// CreateUpload watches the beginning of a large file's way; its parts come later.
func (w watched) CreateUpload(ctx context.Context, key string, h *s3backend.Header) (s3backend.Upload, error) {
	up, err := w.Bucket.CreateUpload(ctx, key, h)
	w.told(key, err)
	return up, err
}
