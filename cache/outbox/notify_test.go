package outbox

import (
	"io/fs"
	"os"
	"testing"
	"testing/synctest"

	"github.com/s3share/s3share/cache/buckettest"
	"github.com/s3share/s3share/cache/outbox/journal"
	"github.com/s3share/s3share/s3backend"
)

// told looks at the journals while it is told of a delivery.
type told struct {
	*rig
	journals []string
}

func (e *told) Delivered(_ *Item, _ s3backend.Object, _ string) {
	e.journals, _ = fs.Glob(os.DirFS(e.dir), "*"+journal.Suffix)
}

// TestJournalEndsBeforeDelivery: whoever is told may begin the file anew, and a
// later process must not find both.
func TestJournalEndsBeforeDelivery(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := &told{rig: &rig{T: t, b: buckettest.New(), dir: t.TempDir()}}
		o, err := New(e.b, e, Config{Dir: e.dir})
		if err != nil {
			t.Fatal(err)
		}
		defer o.Close()
		e.Outbox = o
		e.done(e.create("Delivery/a", []byte("data")))
		e.drain()
		if len(e.journals) > 0 {
			t.Errorf("when the delivery was told there were %q", e.journals)
		}
	})
}
