package outbox

import (
	"slices"
	"testing"

	"github.com/s3share/s3share/cache/outbox/journal"
	"github.com/s3share/s3share/s3backend"
)

// TestRefusedRenameLeavesTheOtherFileItsCommits has the disk refuse a rename over a file of which
// S3 may hold an earlier state: that file still knows its own commits.
func TestRefusedRenameLeavesTheOtherFileItsCommits(t *testing.T) {
	for _, size := range []int{100, 100_000} {
		bubble(t, Config{}, nil, func(r *rig) {
			it, other := r.create("Delivery/a",
				random(1, size)), r.create("Delivery/b", random(2, size))
			sent := journal.Ambiguous{Key: "Delivery/b", Size: int64(size), Commit: "id", Seq: 1}
			other.changeTarget(func(t *target) { t.ambiguous.record(sent) })
			i := slices.IndexFunc(spoils, func(s spoil) bool { return s.name == journalGone })
			mend := spoils[i].do(r, it)
			err := it.Rename("Delivery/b", s3backend.Object{}, other)
			mend()
			if err == nil {
				r.Fatal("the rename was not refused")
			}
			if it.Key() != "Delivery/a" || len(it.target().ambiguous) > 0 {
				r.Errorf("a refused rename left %q, with the commits %v",
					it.Key(), it.target().ambiguous)
			}
			if !slices.ContainsFunc(other.target().ambiguous, func(l journal.Ambiguous) bool {
				return l.Key == sent.Key && l.Commit == sent.Commit
			}) {
				r.Errorf("the other file does not know its commit any more: %v",
					other.target().ambiguous)
			}
			r.done(it)
			r.done(other)
			r.drain()
		})
	}
}
