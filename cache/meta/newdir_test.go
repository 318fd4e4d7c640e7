package meta

import (
	"testing"
	"time"

	"github.com/s3share/s3share/cache/buckettest"
)

// TestNewDirsAreNotAsked makes a tree of folders, and looks for what is not in
// them, by one request; what the other party puts there is seen in time.
func TestNewDirsAreNotAsked(t *testing.T) {
	bubble(t, 1000, Config{}, nil, func(r *rig) {
		prefix := "Delivery/"
		for _, name := range []string{"a", "b", "c"} {
			r.want(prefix, name, -1, "")
			prefix += name + "/"
			r.NewDir(prefix)
			r.want(prefix, "file", -1, "")
		}
		if n := r.b.Count(buckettest.List); n != 1 {
			t.Errorf("%d requests for three folders made here, want one", n)
		}
		r.store(prefix + "file")
		time.Sleep(absentTTL + 1)
		r.want(prefix, "file", -1, "file")
	})
}

// TestFolderThatIsThereIsAsked: what is not known to be absent is not taken for empty.
func TestFolderThatIsThereIsAsked(t *testing.T) {
	bubble(t, 1000, Config{}, nil, func(r *rig) {
		r.store("Delivery/there/file")
		r.NewDir("Delivery/there/")
		r.want("Delivery/there/", "file", -1, "file")
		r.want("Delivery/", "there", -1, "dir")
		r.NewDir("Delivery/there/")
		r.want("Delivery/there/", "file", -1, "file")
	})
}
