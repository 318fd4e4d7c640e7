package cache

import (
	"context"

	"github.com/s3share/s3share/s3backend"
)

// Space is room for what is written, in bytes.
type Space struct{ Total, Free int64 }

// Statfs returns how much can be written before the outbox is full.
func (c *Cache) Statfs() (Space, error) {
	total, free, err := c.out.Space()
	return Space{total, free}, err
}

// Version asks for S3's id of the version that a file has; "" where the bucket
// keeps no versions.
func (c *Cache) Version(ctx context.Context, a Attr) (string, error) {
	if a.ETag == "" {
		return "", nil
	}
	o, err := c.bucket.Head(ctx, a.Key)
	if err != nil {
		return "", err
	}
	if o.ETag != a.ETag {
		return "", &s3backend.Error{Op: "HeadObject", Key: a.Key, Kind: s3backend.Stale}
	}
	return o.Version, nil
}
