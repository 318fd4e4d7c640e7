package cache

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/s3share/s3share/cache/buckettest"
)

// TestConflictsOfEarlierMounts are told by the next, but for those that the other party
// has removed meanwhile.
func TestConflictsOfEarlierMounts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, dir := buckettest.New(), t.TempDir()
		mount := func() *rig {
			c, err := New(b, Config{Folders: []string{"Delivery"}, StateDir: dir, Who: "me"})
			if err != nil {
				t.Fatal(err)
			}
			return &rig{t, c, b}
		}
		r := mount()
		for _, name := range []string{"Delivery/a", "Delivery/b"} {
			h := r.create(name, "ours")
			b.Store(name, []byte("theirs"), nil)
			h.Release()
		}
		r.drain()
		all := r.deliveries.Unresolved("")
		if len(all) != 2 {
			t.Fatalf("Unresolved = %+v, want two", all)
		}
		r.Close()
		b.Discard(all[0].Key)

		r = mount()
		defer r.Close()
		synctest.Wait()
		if left := r.deliveries.Unresolved(""); len(left) != 1 || left[0].Key != all[1].Key {
			t.Errorf("Unresolved of the next mount = %+v, want %q alone", left, all[1].Key)
		}
		b.Discard(all[1].Key)
		time.Sleep(time.Minute)
		r.wantShown("Delivery", "a", "b") // looks
		if left := r.deliveries.Unresolved(""); len(left) > 0 {
			t.Errorf("Unresolved once the copies are gone = %+v", left)
		}
	})
}
