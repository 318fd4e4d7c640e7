package cache

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/s3share/s3share/cache/buckettest"
)

// A folder is not empty when what was renamed away has come back to its name.
func TestFolderOfANameUsedAgain(t *testing.T) {
	bubble(t, nil, func(r *rig) {
		r.b.Store("Delivery/folder/f", []byte("one"), nil)
		r.edit("Delivery/folder/f", "O")
		r.rename("Delivery/folder/f", "Delivery/g")
		r.rename("Delivery/g", "Delivery/folder/f")
		r.drain()
		if err := r.Rmdir(r.Context(), "Delivery/folder"); !errors.Is(err, ErrNotEmpty) {
			r.Errorf("Rmdir = %v, want ErrNotEmpty", err)
		}
		r.rename("Delivery/folder", "Delivery/other")
		r.drain()
		r.wantBucket(map[string]string{"Delivery/other/f": "One"})
	})
}

// A new file takes the name of one that was renamed away, whichever S3 has first.
func TestNewFileBeforeTheRenamedOneIsDelivered(t *testing.T) {
	slow := func(b buckettest.S3) buckettest.S3 {
		return buckettest.Wrap(b, func(_ context.Context, op, key string, send func() error) error {
			if op == buckettest.Put && key == "Delivery/a.bak" {
				time.Sleep(5 * time.Second)
			}
			return send()
		})
	}
	bubble(t, slow, func(r *rig) {
		r.b.Store("Delivery/a", []byte("one"), nil)
		r.edit("Delivery/a", "o")
		r.rename("Delivery/a", "Delivery/a.bak")
		r.create("Delivery/a", "new").Release()
		r.drain()
		r.wantBucket(map[string]string{"Delivery/a": "new", "Delivery/a.bak": "one"})
	})
}
