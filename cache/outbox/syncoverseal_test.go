package outbox

import (
	"context"
	"testing"
	"time"

	"github.com/s3share/s3share/cache/buckettest"
	"github.com/s3share/s3share/s3backend"
)

// TestWhatS3GetsIsOnTheDiskBefore changes a file whose end is on the disk already. When S3
// gets it, the change is on the disk as well: after a power loss the file as it was before would
// be delivered again, under its old name or with its old time.
func TestWhatS3GetsIsOnTheDiskBefore(t *testing.T) {
	for name, change := range map[string]func(*Item) error{
		"rename": func(it *Item) error { return it.Rename("Delivery/b", s3backend.Object{}, nil) },
		"time":   func(it *Item) error { return it.SetMtime(time.Unix(1e9, 0)) },
		"mode":   func(it *Item) error { return it.SetMode(0o600) },
	} {
		t.Run(name, func(t *testing.T) {
			var it *Item
			puts := 0
			look := func(b buckettest.S3) buckettest.S3 {
				return buckettest.Wrap(b,
					func(_ context.Context, op, key string, send func() error) error {
						if op == buckettest.Put {
							puts++
							it.log.mu.Lock()
							if it.log.onDiskN != it.log.lines {
								t.Errorf(
									"S3 gets %s while %d of %d lines of the journal are on the disk", key, it.log.onDiskN, it.log.lines)
							}
							it.log.mu.Unlock()
						}
						return send()
					})
			}
			bubble(t, Config{}, look, func(r *rig) {
				it = r.create("Delivery/a", []byte("data"))
				it.Release()
				if err := it.Sync(); err != nil { // its end, too
					r.Fatal(err)
				}
				if err := change(it); err != nil {
					r.Fatal(err)
				}
				it.Close()
				r.drain()
			})
			if puts != 1 {
				t.Errorf("%d requests, want 1", puts)
			}
		})
	}
}
