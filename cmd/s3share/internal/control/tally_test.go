package control

import (
	"testing"

	"github.com/s3share/s3share/cache/outbox"
)

// TestTally counts what is delivered between looks at what waits.
func TestTally(t *testing.T) {
	var tally Tally
	file := func(key string, state outbox.State, size, sent, flying int64) outbox.Status {
		return outbox.Status{Key: key, State: state, Size: size, Sent: sent, InFlight: flying}
	}
	beside := file("a (conflict)", outbox.Sealed, 10, 0, 0)
	beside.Theirs = "a"
	for _, tt := range []struct {
		what    string
		waiting []outbox.Status
		want    Event
	}{
		{"three wait, of which one is removed later", []outbox.Status{file("a", outbox.Sealed, 10, 0, 0), file("b", outbox.Uploading, 100, 40, 5), file("c", outbox.Sealed, 7, 0, 0), file("p.part", outbox.Local, 9, 0, 0)},
			Event{Phase: PhaseDelivering, Files: 3, Bytes: 117, Sent: 40, InFlight: 5}},
		{"one is written anew", []outbox.Status{file("a", outbox.Sealed, 12, 0, 0), file("b", outbox.Uploading, 100, 90, 0), file("c", outbox.Removing, 7, 0, 0)},
			Event{Phase: PhaseDelivering, Files: 2, Bytes: 112, Sent: 90}},
		{"one is there", []outbox.Status{file("a", outbox.Sealed, 12, 0, 0), file("d", outbox.Blocked, 1, 0, 0)},
			Event{Phase: PhaseDelivering, Files: 2, Bytes: 13, Done: 1, DoneBytes: 100}},
		{"one becomes a conflict copy", []outbox.Status{beside, file("d", outbox.Blocked, 1, 0, 0)},
			Event{Phase: PhaseDelivering, Files: 2, Bytes: 11, Done: 1, DoneBytes: 100}},
		{"all but what is blocked is there", []outbox.Status{file("d", outbox.Blocked, 1, 0, 0)},
			Event{Phase: PhaseDelivering, Files: 1, Bytes: 1, Done: 2, DoneBytes: 110}},
	} {
		tally.Add("/mnt", tt.waiting)
		got := tally.Event()
		if got.Files != tt.want.Files || got.Bytes != tt.want.Bytes || got.Sent != tt.want.Sent ||
			got.InFlight != tt.want.InFlight || got.Done != tt.want.Done ||
			got.DoneBytes != tt.want.DoneBytes {
			t.Errorf("%s: %+v, want %+v", tt.what, got, tt.want)
		}
	}
}
