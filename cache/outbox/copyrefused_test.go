package outbox

import (
	"sync/atomic"
	"testing"

	"github.com/s3share/s3share/cache/buckettest"
	"github.com/s3share/s3share/s3backend"
)

// TestRefusedPartCopySendsTheBytes edits a large file on servers that copy no part of it:
// its bytes are sent, whatever the refusal was, and a server that cannot is not asked again.
func TestRefusedPartCopySendsTheBytes(t *testing.T) {
	for _, tt := range []struct {
		name  string
		kind  s3backend.Kind
		tries int // UploadPartCopy requests of two edits, at most
	}{
		{"the policy grants no get", s3backend.Denied, 4},
		{"the upload has a checksum", s3backend.Refused, 2},
		{"the ETag of an upload in parts never matches", s3backend.Stale, 2},
		{"it is archived", s3backend.Archived, 4},
	} {
		if testing.Short() && tt.kind != s3backend.Denied && tt.kind != s3backend.Stale {
			continue // one kind that is tried again, and one that is not
		}
		t.Run(tt.name, func(t *testing.T) {
			var tries atomic.Int64
			fault := func(b buckettest.S3) buckettest.S3 {
				return buckettest.Answer(b, buckettest.CopyPart,
					func() error { tries.Add(1); return tt.kind })
			}
			bubble(t, Config{}, fault, func(r *rig) {
				for _, key := range []string{"Delivery/a", "Delivery/b"} {
					data := random(1, 30<<20)
					r.b.Store(key, data, nil)
					it := r.edit(key)
					copy(data[15<<20:], "changed")
					r.write(it, []byte("changed"), 15<<20)
					r.done(it)
					r.drain()
					r.wantHolds(key, data)
				}
				if n := int(tries.Load()); n == 0 || n > tt.tries {
					r.Errorf("%d copies were tried, want %d at most", n, tt.tries)
				}
				r.wantNothing()
			})
		})
	}
}

// TestChangedBaseIsNoRefusedCopy leaves a copy whose source has really changed to what
// finds conflicts.
func TestChangedBaseIsNoRefusedCopy(t *testing.T) {
	theirs := []byte("the other party's")
	bubble(t, Config{}, nil, func(r *rig) {
		data := random(1, 30<<20)
		r.b.Store("Delivery/a", data, nil)
		it := r.edit("Delivery/a")
		r.write(it, []byte("changed"), 15<<20)
		r.b.Store("Delivery/a", theirs, nil)
		r.done(it)
		if err := r.Drain(r.Context()); err == nil {
			r.Error("an edit of what is gone was delivered")
		}
		r.wantHolds("Delivery/a", theirs)
		if it.uploading.sendsWhole() {
			r.Error("the server is taken for one that copies no parts")
		}
		if st := it.Status(); st.State != Blocked {
			r.Errorf("the edit is %+v", st)
		}
		if err := it.Hold(r.Context()); err != nil {
			r.Fatal(err)
		}
		it.Drop()
	})
}
