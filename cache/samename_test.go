package cache

import (
	"context"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/s3share/s3share/cache/buckettest"
	"github.com/s3share/s3share/s3backend"
)

// TestFileAndFolderOfOneName has one party make a file and the other a folder of the same name
// before they see each other's. Nothing is listed under a name that leads to something else, and
// what is shown can be opened; in the end both are there.
func TestFileAndFolderOfOneName(t *testing.T) {
	for name, c := range map[string]struct {
		ours   func(r *rig) // at Delivery/n
		theirs string       // a key
		shown  []string     // while ours waits
		text   map[string]string
		then   []string // once ours is delivered
		bucket map[string]string
	}{
		"a file here, a folder there": {
			func(r *rig) { r.create("Delivery/n", "ours").Release() }, "Delivery/n/theirs",
			[]string{"n"}, map[string]string{"Delivery/n": "ours"},
			[]string{"n", "n␛"}, map[string]string{"Delivery/n": "ours",
				"Delivery/n/theirs": "theirs"},
		},
		"a private file here, a folder there": {
			func(r *rig) {
				r.create("Delivery/n.part", "ours").Release()
			}, "Delivery/n.part/theirs",
			[]string{"n.part"}, map[string]string{"Delivery/n.part": "ours"},
			[]string{"n.part"}, map[string]string{"Delivery/n.part/theirs": "theirs"},
		},
		"a folder here, a file there": {
			func(r *rig) {
				if err := r.Mkdir(r.Context(), "Delivery/n", nil); err != nil {
					r.Fatal(err)
				}
			}, "Delivery/n",
			[]string{"n", "n␛"}, map[string]string{"Delivery/n␛": "theirs"},
			[]string{"n", "n␛"}, map[string]string{"Delivery/n": "theirs", "Delivery/n/": ""},
		},
		"a file in a folder here, a file there": {
			func(r *rig) {
				if err := r.Mkdir(r.Context(), "Delivery/n", nil); err != nil {
					r.Fatal(err)
				}
				r.create("Delivery/n/in", "ours").Release()
			}, "Delivery/n",
			[]string{"n", "n␛"}, map[string]string{"Delivery/n␛": "theirs",
				"Delivery/n/in": "ours"},
			[]string{"n", "n␛"}, map[string]string{"Delivery/n": "theirs", "Delivery/n/in": "ours"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			var refuses atomic.Bool
			refuse := func(b buckettest.S3) buckettest.S3 {
				return buckettest.Answer(b, buckettest.Put, func() error {
					if refuses.Load() {
						return s3backend.Denied
					}
					return nil
				})
			}
			bubble(t, refuse, func(r *rig) {
				refuses.Store(true)
				c.ours(r)
				r.b.Store(c.theirs, []byte("theirs"), nil)
				time.Sleep(time.Minute)
				r.wantShown("Delivery", c.shown...)
				for path, want := range c.text {
					r.wantText(path, want)
				}
				refuses.Store(false)
				r.deliveries.Retry("")
				r.drain()
				time.Sleep(time.Minute)
				r.wantShown("Delivery", c.then...)
				for key, want := range c.bucket {
					if got, ok := r.b.Data(key); !ok || string(got) != want {
						r.Errorf("the bucket holds %q at %q, %v, want %q", got, key, ok, want)
					}
				}
			})
		})
	}
}

// TestFolderInPlaceOfAFile makes a folder under the name of a file that was set aside, which S3
// keeps for a while. A server that keeps objects as files refuses the folder's marker until then,
// as if it were there: it is not delivered before it is.
func TestFolderInPlaceOfAFile(t *testing.T) {
	for name, server := range map[string]func(buckettest.S3) buckettest.S3{
		"S3": nil,
		"objects as files": func(b buckettest.S3) buckettest.S3 {
			return buckettest.Wrap(b,
				func(ctx context.Context, op, key string, send func() error) error {
					if file, folder := strings.CutSuffix(key, "/"); folder && op == buckettest.Put {
						if _, err := b.Head(ctx, file); err == nil {
							return &s3backend.Error{Op: op, Key: key, Kind: s3backend.Stale}
						}
					}
					return send()
				})
		},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, server, func(r *rig) {
				r.b.Store("Delivery/n", []byte("file"), nil)
				r.rename("Delivery/n", "Delivery/n.part")
				if err := r.Mkdir(r.Context(), "Delivery/n", nil); err != nil {
					r.Fatal(err)
				}
				for range 10 {
					time.Sleep(400 * time.Millisecond)
					r.wantShown("Delivery", "n", "n.part")
				}
				r.drain()
				r.wantShown("Delivery", "n", "n.part")
				r.wantBucket(map[string]string{"Delivery/n/": ""})
			})
		})
	}
}
