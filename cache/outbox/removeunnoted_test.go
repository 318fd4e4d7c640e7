package outbox

import (
	"os"
	"testing"
	"testing/synctest"

	"github.com/s3share/s3share/cache/buckettest"
)

// TestRemovalThatCannotBeJournaledIsRefusedOrJournaledLater has the disk refuse the journal of
// removals. The removal of a file is refused then. Any other is journaled once the disk takes it,
// so that a later process carries it out.
func TestRemovalThatCannotBeJournaledIsRefusedOrJournaledLater(t *testing.T) {
	for _, before := range []bool{false, true} { // the journal has another removal
		synctest.Test(t, func(t *testing.T) {
			r := newRig(t, buckettest.New(), t.TempDir(), Config{}, nil)
			defer func() { r.Close() }()
			r.recover()
			for _, key := range []string{"Delivery/a", "Delivery/b", "Delivery/c"} {
				r.b.Store(key, []byte(key), nil)
			}
			r.Suspend(&SuspendedError{}) // nothing is sent meanwhile
			log := r.removals.journalPath
			if before {
				if err := r.Remove(r.b.Object("Delivery/c")); err != nil {
					t.Fatal(err)
				}
				if err := os.Rename(log, log+"-aside"); err != nil {
					t.Fatal(err)
				}
			}
			if err := os.Mkdir(log, 0o700); err != nil {
				t.Fatal(err)
			}
			_, err := r.RemoveLater(r.b.Object("Delivery/a"), false)
			if err == nil || r.Remove(r.b.Object("Delivery/a")) == nil {
				t.Error("a removal was accepted that no journal has")
			}
			if _, removing := r.Removing("Delivery/a"); removing {
				t.Error("a removal that was refused is pending")
			}
			r.MustRemove(r.b.Object("Delivery/b"))
			_ = sleep(t.Context(), 2*syncAfter)
			synctest.Wait()
			if err := os.Remove(log); err != nil {
				t.Fatal(err)
			}
			if before {
				if err := os.Rename(log+"-aside", log); err != nil {
					t.Fatal(err)
				}
			}
			_ = sleep(t.Context(), 2*syncAfter)
			synctest.Wait()
			r = r.again()
			r.resume()
			r.drain()
			if want := []string{"Delivery/a", "Delivery/c"}; before {
				r.wantKeys(want[:1]...)
			} else {
				r.wantKeys(want...)
			}
			r.wantNothing()
		})
	}
}
