package outbox

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/s3share/s3share/cache/buckettest"
	"github.com/s3share/s3share/cache/outbox/parts"
)

// TestANewTimeOfAReplacedVersionIsNoConflict sets times and modes of versions that the
// other party replaces before they are sent: small ones, empty ones, and ones that S3
// copies. Nothing of ours is at stake.
func TestANewTimeOfAReplacedVersionIsNoConflict(t *testing.T) {
	changes := map[string]func(*Item) error{
		"time": func(it *Item) error { return it.SetMtime(time.Unix(1e9, 5)) },
		"mode": func(it *Item) error { return it.SetMode(0o640) },
		"size": func(it *Item) error { return it.Truncate(it.stage.Size()) },
		"both": func(it *Item) error { return errors.Join(it.SetMtime(time.Unix(1e9, 5)), it.SetMode(0o640)) },
	}
	for _, size := range []int{0, 1, 100, parts.Size + 1} {
		for _, theirs := range []int{0, 100, 200} {
			if size > parts.Size && theirs != 100 {
				continue // which takes long, and shows nothing else
			}
			for name, change := range changes {
				for _, commit := range []bool{false, true} {
					bubble(t, Config{}, nil, func(r *rig) {
						what := fmt.Sprintf(
							"new %s of %d bytes, replaced by %d, committed before the last close %v", name, size, theirs, commit)
						r.b.Store("Delivery/f", random(1, size), nil)
						it := r.edit("Delivery/f")
						if err := change(it); err != nil {
							r.Fatalf("%s: %v", what, err)
						}
						news := random(2, theirs)
						r.b.Store("Delivery/f", news, nil)
						if commit {
							if err := it.Commit(r.Context()); err != nil {
								r.Errorf("%s: Commit: %v", what, err)
							}
						}
						r.done(it)
						r.drain()
						r.wantHolds("Delivery/f", news)
						r.wantKeys("Delivery/f")
						if len(r.conflicted) > 0 || r.b.Count(buckettest.Delete) > 0 {
							r.Errorf("%s: conflicts %q, %v", what, r.conflicted, r.b.Log())
						}
						r.wantNothing()
					})
				}
			}
		}
	}
}
