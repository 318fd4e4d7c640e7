package outbox

import (
	"testing"

	"github.com/s3share/s3share/cache/buckettest"
	"github.com/s3share/s3share/s3backend"
)

// TestNotRemoved lists what S3 refuses to delete until something makes that untrue.
func TestNotRemoved(t *testing.T) {
	for name, then := range map[string]struct {
		do   func(r *rig, b *buckettest.Bucket, o s3backend.Object)
		left bool // it is listed still
	}{
		"nothing": {func(*rig, *buckettest.Bucket, s3backend.Object) {}, true},
		"another file is removed": {func(r *rig, b *buckettest.Bucket, _ s3backend.Object) {
			r.Remove(b.Store("Delivery/other", nil, nil))
		}, true},
		"refused once more":                        {func(r *rig, _ *buckettest.Bucket, o s3backend.Object) { r.Remove(o) }, true},
		"removed as one version, which is refused": {func(r *rig, _ *buckettest.Bucket, o s3backend.Object) { r.removals.addVersion(o) }, true},
		"written anew": {func(r *rig, _ *buckettest.Bucket, o s3backend.Object) {
			it := r.edit(o.Key)
			r.write(it, []byte("new"), 0)
			r.done(it)
		}, false},
		"found to be gone": {func(r *rig, _ *buckettest.Bucket, o s3backend.Object) { r.Resolved(o.Key) }, false},
	} {
		t.Run(name, func(t *testing.T) {
			refuse := func(b buckettest.S3) buckettest.S3 {
				return buckettest.DenyDelete(b)
			}
			var told []Status
			bubble(t, Config{OnStatus: func(st Status) { told = append(told, st) }},
				refuse, func(r *rig) {
					o := r.b.Store("Delivery/a", []byte("before"), nil)
					r.Remove(o)
					r.drain()
					if all := r.NotRemoved(); len(all) != 1 || all[0].Key != o.Key ||
						all[0].State != NotRemoved || all[0].Err == nil {
						t.Fatalf("NotRemoved() = %+v, want Delivery/a with a reason", all)
					}
					if len(told) != 1 || told[0].State != NotRemoved {
						t.Errorf("told %+v, want that Delivery/a is not removed", told)
					}
					then.do(r, r.b, o)
					r.drain()
					listed := 0
					for _, st := range r.NotRemoved() {
						if st.Key == o.Key {
							listed++
						}
					}
					if want := map[bool]int{true: 1}[then.left]; listed != want {
						t.Errorf("Delivery/a is listed %d times, want %d: %+v",
							listed, want, r.NotRemoved())
					}
				})
		})
	}
}
