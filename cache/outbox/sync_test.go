package outbox

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/s3share/s3share/cache/outbox/journal"
	"github.com/s3share/s3share/cache/outbox/stage"
	"github.com/s3share/s3share/s3backend"
)

// TestSyncNamesSyncsWhatChangedThere: a later SyncNames has nothing to do there, and
// has what changed elsewhere.
func TestSyncNamesSyncsWhatChangedThere(t *testing.T) {
	bubble(t, Config{Settle: 1 << 40}, nil, func(r *rig) {
		small, large := r.create("Delivery/d/small", []byte("small")), r.create("Delivery/d/large",
			random(1, 2*stage.SlotPayload))
		folder, err := r.CreateFolder("Delivery/d/folder/")
		if err != nil {
			r.Fatal(err)
		}
		moved, other := r.create("Delivery/d/moved",
			[]byte("moved")), r.create("Delivery/e/other", []byte("other"))
		all := []*Item{small, large, folder, moved, other}
		if err := moved.Rename("Delivery/f", s3backend.Object{}, nil); err != nil {
			r.Fatal(err)
		}
		r.Remove(s3backend.Object{Key: "Delivery/d/removed", ETag: "e", Size: 1})
		for _, it := range all {
			if it != other && !it.log.unsynced("Delivery/d/") {
				r.Errorf("nothing is to be synced of %q", it.Key())
			}
		}
		if err := r.SyncNames("Delivery/d/"); err != nil {
			r.Fatal(err)
		}
		for _, it := range all {
			if it.log.unsynced("Delivery/d/") {
				r.Errorf("%q is not synced", it.Key())
			}
		}
		if r.removals.unsynced || !other.log.unsynced("Delivery/e/") {
			r.Errorf("removals not synced: %v; synced though it is elsewhere: %v",
				r.removals.unsynced, !other.log.unsynced("Delivery/e/"))
		}
		small.Drop()
		if !r.journals.ended.Load() {
			r.Error("the end of a journal is not to be synced")
		}
		if err := r.SyncNames("Delivery/d/"); err != nil || r.journals.ended.Load() {
			r.Errorf("SyncNames: %v; the end of a journal is to be synced: %v", err,
				r.journals.ended.Load())
		}
	})
}

// TestSyncNamesFailsWithTheDisk: what could not be synced stays to be synced.
func TestSyncNamesFailsWithTheDisk(t *testing.T) {
	bubble(t, Config{Settle: 1 << 40}, nil, func(r *rig) {
		it := r.create("Delivery/large", random(1, 2*stage.SlotPayload))
		log := it.path + journal.Suffix
		if err := os.Rename(log, filepath.Join(r.dir, "away")); err != nil {
			r.Fatal(err)
		}
		if err := r.SyncNames(""); err == nil || !it.log.unsynced("Delivery/") {
			r.Errorf("SyncNames without the journal = %v", err)
		}
		if err := os.Rename(filepath.Join(r.dir, "away"), log); err != nil {
			r.Fatal(err)
		}
		if err := r.SyncNames(""); err != nil || it.log.unsynced("Delivery/") {
			r.Errorf("SyncNames = %v", err)
		}
	})
}
