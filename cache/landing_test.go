package cache

import (
	"context"
	"testing"
	"time"

	"github.com/s3share/s3share/cache/buckettest"
)

// TestRenameFolderWhileItIsDelivered renames a folder whose files are delivered
// after S3 has listed it, and before they could be held back.
func TestRenameFolderWhileItIsDelivered(t *testing.T) {
	slow := func(b buckettest.S3) buckettest.S3 {
		return buckettest.Wrap(b, func(_ context.Context, op, key string, send func() error) error {
			err := send()
			if op == buckettest.List && key == "Delivery/old/" {
				time.Sleep(time.Second) // the answer takes so long
			}
			return err
		})
	}
	bubble(t, slow, func(r *rig) {
		for _, dir := range []string{"Delivery/old", "Delivery/old/sub"} {
			if err := r.Mkdir(r.Context(), dir); err != nil {
				r.Fatal(err)
			}
		}
		r.create("Delivery/old/a", "a").Release()
		r.create("Delivery/old/sub/b", "b").Release()
		r.rename("Delivery/old", "Delivery/new")
		r.drain()
		r.wantShown("Delivery", "new")
		r.wantShown("Delivery/new", "a", "sub")
		r.wantBucket(map[string]string{"Delivery/new/": "", "Delivery/new/a": "a", "Delivery/new/sub/": "", "Delivery/new/sub/b": "b"})
	})
}
