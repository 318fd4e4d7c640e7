package cache

import (
	"fmt"
	"testing"

	"github.com/s3share/s3share/cache/buckettest"
	"github.com/s3share/s3share/s3backend"
)

// TestRemoveTreeIsFewRequests removes folders as rm -r does: it reads each, removes
// what it has read, and then the folder.
func TestRemoveTreeIsFewRequests(t *testing.T) {
	const folders, files = 20, 120
	bubble(t, nil, func(r *rig) {
		for i := range folders * files {
			r.b.Store(fmt.Sprintf("Delivery/tree/d%02d/f%03d", i/files, i%files), nil, nil)
		}
		var want []string
		for i := range folders {
			want = append(want, fmt.Sprintf("d%02d", i))
		}
		r.wantShown("Delivery/tree", want...)
		lists := r.b.Count(buckettest.List)
		for i := range folders {
			dir := fmt.Sprintf("Delivery/tree/d%02d", i)
			d, err := r.OpenDir(r.Context(), dir)
			if err != nil {
				r.Fatal(err)
			}
			for range files {
				e, _, ok, err := d.Next(r.Context())
				if !ok || err != nil {
					r.Fatalf("Next in %s = %v, %v", dir, ok, err)
				}
				r.remove(dir + "/" + e.Name)
			}
			if err := r.Rmdir(r.Context(), dir); err != nil {
				r.Fatal(err)
			}
		}
		if err := r.Rmdir(r.Context(), "Delivery/tree"); err != nil {
			r.Fatal(err)
		}
		r.drain()
		r.wantBucket(nil)
		if got := r.b.Count(buckettest.List) - lists; got > folders+1 {
			r.Errorf("%d listings for %d folders", got, folders)
		}
		if got := r.b.Count(buckettest.DeleteAll); got > 8 {
			r.Errorf("%d requests to delete %d files at once, want a batch for each thousand or so",
				got, folders*files)
		}
		for _, op := range []string{buckettest.Head, buckettest.Delete, buckettest.Put} {
			if got := r.b.Count(op); got > 0 {
				r.Errorf("%d %s requests, want none", got, op)
			}
		}
	})
}

// TestRenameIsACopyAndADelete counts what a rename asks of a bucket that checks
// conditions.
func TestRenameIsACopyAndADelete(t *testing.T) {
	bubble(t, nil, func(r *rig) {
		r.b.Store("Delivery/a", []byte("a"), nil)
		r.wantShown("Delivery", "a")
		lists := r.b.Count(buckettest.List)
		r.rename("Delivery/a", "Delivery/b")
		r.drain()
		r.wantBucket(map[string]string{"Delivery/b": "a"})
		for op, want := range map[string]int{buckettest.Copy: 1, buckettest.Delete: 1,
			buckettest.MayDelete: 1, buckettest.Head: 0} {
			if got := r.b.Count(op); got != want {
				r.Errorf("%d %s, want %d", got, op, want)
			}
		}
		if got := r.b.Count(buckettest.List) - lists; got != 0 {
			r.Errorf("%d listings, want none", got)
		}
	})
}

// TestDeleteOfUnknownPermissionIsLeftToS3 removes and renames where the server's answers
// do not tell whether the policy grants delete.
func TestDeleteOfUnknownPermissionIsLeftToS3(t *testing.T) {
	untold := func(b buckettest.S3) buckettest.S3 {
		return buckettest.Answer(b, buckettest.MayDelete,
			func() error { return s3backend.ErrUnknown })
	}
	bubble(t, untold, func(r *rig) {
		r.b.Store("Delivery/a", []byte("a"), nil)
		r.b.Store("Delivery/b", []byte("b"), nil)
		r.b.Store("Delivery/dir/c", []byte("c"), nil)
		r.wantShown("Delivery", "a", "b", "dir")
		r.remove("Delivery/a")
		r.rename("Delivery/b", "Delivery/d")
		r.rename("Delivery/dir", "Delivery/moved")
		r.drain()
		r.wantBucket(map[string]string{"Delivery/d": "b", "Delivery/moved/c": "c"})
	})
}

// TestRemoveSparesWhatCameMeanwhile removes a file that the other party replaces
// before S3 is told.
func TestRemoveSparesWhatCameMeanwhile(t *testing.T) {
	bubble(t, nil, func(r *rig) {
		r.b.Store("Delivery/plan", []byte("old"), nil)
		r.wantShown("Delivery", "plan")
		r.remove("Delivery/plan")
		r.wantShown("Delivery")
		r.b.Store("Delivery/plan", []byte("theirs"), nil)
		r.drain()
		r.wantBucket(map[string]string{"Delivery/plan": "theirs"})
		r.wantShown("Delivery", "plan")
	})
}
