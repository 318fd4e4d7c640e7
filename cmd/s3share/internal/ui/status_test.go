package ui

import (
	"bytes"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/s3share/s3share/cache"
	"github.com/s3share/s3share/cache/outbox"
	"github.com/s3share/s3share/cmd/s3share/internal/control"
)

func TestPrintStates(t *testing.T) {
	now, noon := time.Now(), time.Date(2026, 1, 2, 12, 0, 0, 0, time.Local)
	odd := outbox.Status{Path: "Delivery/a\nb", State: outbox.Conflict, Size: 1 << 20, Sent: 1 << 20, Since: now.Add(-49 * time.Hour)}
	moving := outbox.Status{Path: "Delivery/m", State: outbox.Uploading, Size: 3 << 20, Sent: 1 << 20, Speed: 512 << 10, Since: now.Add(-90 * time.Second)}
	stuck := outbox.Status{Path: "Delivery/b", State: outbox.Blocked, Size: 20, Reason: "access denied"}
	stuck.Since = now.Add(-3 * time.Hour)
	var out bytes.Buffer
	err := PrintStates(&out, []control.State{
		{Dir: "/mnt/a", Bucket: "b", Mounted: true},
		{Dir: "/mnt/c", Bucket: "d", Exchange: "team", ReadOnly: true, Pending: []outbox.Status{stuck, moving}, Conflicts: []outbox.Status{odd}},
		{Dir: "/mnt/e", Bucket: "b", Mounted: true, Path: "Delivery/x", File: &control.FileState{State: cache.Delivered}},
		{Dir: "/mnt/e", Bucket: "b", Mounted: true, Path: "Delivery/x"}, // of an earlier version's daemon
		{Dir: "/mnt/e", Bucket: "b", Mounted: true, Path: "Delivery/x", File: &control.FileState{State: cache.Unknown, Words: control.Words{Reason: "nothing answers"}}},
		{Dir: "/mnt/e", Bucket: "b", Mounted: true, Path: "Delivery/x", File: &control.FileState{State: cache.Delivered, At: noon, Words: control.Words{Reason: "nothing answers"}}},
		{Dir: "/mnt/e", Bucket: "b", Mounted: true, Path: "Delivery", File: &control.FileState{State: cache.Directory}},
		{Dir: "/mnt/f", Bucket: "b", Mounted: true, Connection: &control.Connection{State: control.Online, Answered: noon}},
		{Dir: "/mnt/f", Bucket: "b", Mounted: true, Connection: &control.Connection{State: control.Offline, Answered: noon, Since: noon.Add(time.Second), Words: control.Words{Reason: "nothing answers", Hint: "check it"}}},
		{Dir: "/mnt/f", Bucket: "b", Mounted: true, Connection: &control.Connection{State: control.NoAnswer, Answered: noon, Words: control.Words{Reason: "no answer from S3 in 2s"}}},
		{Dir: "/mnt/f", Bucket: "b", Mounted: true, Connection: &control.Connection{State: control.Refused, Answered: noon, Since: noon}, Paused: &control.Pause{Words: control.Words{Reason: "expired", Hint: "s3share login"}}},
		{Dir: "/mnt/f", Bucket: "b", Mounted: true, Connection: &control.Connection{State: control.Refused, Answered: noon, Since: noon, Words: control.Words{Reason: "no bucket"}}, Pending: []outbox.Status{stuck}},
	})
	want := strings.TrimPrefix(`
/mnt/a (b)
  all is delivered

/mnt/c (team, the bucket d, read-only, no longer mounted, still delivering)
  FILE           STATE          SIZE     SENT     SPEED        AGE  REASON
  Delivery/b     blocked        20 B     0 B                   3h   access denied
  Delivery/m     uploading 33%  3.0 MiB  1.0 MiB  512.0 KiB/s  1m   being sent
  Delivery/a\nb  conflict       1.0 MiB  1.0 MiB               2d   delivered beside the other party's version

/mnt/e (b)
  Delivery/x is delivered

/mnt/e (b)
  it is not known whether Delivery/x is delivered

/mnt/e (b)
  it is not known whether Delivery/x is delivered: nothing answers

/mnt/e (b)
  Delivery/x is delivered, as S3 confirmed at 2026-01-02 12:00; it cannot be asked again now: nothing answers

/mnt/e (b)
  all below Delivery is delivered

/mnt/f (b)
  all is delivered

/mnt/f (b)
  offline since 2026-01-02 12:00: nothing answers; S3 answered last at 2026-01-02 12:00
  to do:  check it
  all is delivered as of 2026-01-02 12:00

/mnt/f (b)
  no answer from S3 in 2s; S3 answered last at 2026-01-02 12:00
  all is delivered as of 2026-01-02 12:00

/mnt/f (b)
  paused: expired
  to do:  s3share login
  all is delivered as of 2026-01-02 12:00

/mnt/f (b)
  refused since 2026-01-02 12:00: no bucket; S3 answered last at 2026-01-02 12:00
  FILE        STATE    SIZE  SENT  SPEED  AGE  REASON
  Delivery/b  blocked  20 B  0 B          3h   access denied
`, "\n")
	if err != nil || out.String() != want {
		t.Errorf("printStates: %v\n%s\nwant\n%s", err, &out, want)
	}
}

func TestSizeText(t *testing.T) {
	for _, tt := range []struct {
		n    int64
		want string
	}{
		{0, "0 B"}, {1023, "1023 B"}, {1024, "1.0 KiB"}, {1<<20 - 1, "1.0 MiB"}, {1536 << 10, "1.5 MiB"},
		{5 << 40, "5.0 TiB"}, {math.MaxInt64, "8192.0 PiB"},
	} {
		if got := SizeText(tt.n); got != tt.want {
			t.Errorf("sizeText(%d) = %q, want %q", tt.n, got, tt.want)
		}
	}
}
