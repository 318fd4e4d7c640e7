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
	odd := outbox.Status{Path: "Delivery/a\nb", State: outbox.Conflict, Theirs: "Delivery/t",
		Size: 1 << 20, Sent: 1 << 20, Since: now.Add(-49 * time.Hour)}
	moving := outbox.Status{Path: "Delivery/m", State: outbox.Uploading, Size: 3 << 20,
		Sent: 1 << 20, Speed: 512 << 10, Since: now.Add(-90 * time.Second)}
	stuck := outbox.Status{Path: "Delivery/b", State: outbox.Blocked,
		Size: 20, Reason: "access denied", Hint: "ask"}
	stuck.Since = now.Add(-3 * time.Hour)
	var out bytes.Buffer
	err := PrintStates(&out, []control.State{
		{Dir: "/mnt/a", Bucket: "b", Mounted: true},
		{Dir: "/mnt/c", Bucket: "d", Exchange: "team", ReadOnly: true, Pending: []outbox.Status{stuck, moving}, Unresolved: []outbox.Status{odd}},
		{Dir: "/mnt/e", Bucket: "b", Mounted: true, Path: "Delivery/x", File: &control.FileState{State: cache.Delivered}},
		// The daemon is of an earlier version.
		{Dir: "/mnt/e", Bucket: "b", Mounted: true, Path: "Delivery/x"},
		{Dir: "/mnt/e", Bucket: "b", Mounted: true, Path: "Delivery/x", File: &control.FileState{State: cache.Unknown, Words: control.Words{Reason: "nothing answers"}}},
		{Dir: "/mnt/e", Bucket: "b", Mounted: true, Path: "Delivery/x", File: &control.FileState{State: cache.Delivered, At: noon, Words: control.Words{Reason: "nothing answers"}}},
		{Dir: "/mnt/e", Bucket: "b", Mounted: true, Path: "Delivery", File: &control.FileState{State: cache.Directory}},
		{Dir: "/mnt/f", Bucket: "b", Mounted: true, Connection: &control.Connection{State: control.Online, Answered: noon}},
		{Dir: "/mnt/f", Bucket: "b", Mounted: true, Connection: &control.Connection{State: control.Offline, Answered: noon, Since: noon.Add(time.Second), Words: control.Words{Reason: "nothing answers", Hint: "check it"}}},
		{Dir: "/mnt/f", Bucket: "b", Mounted: true, Connection: &control.Connection{State: control.NoAnswer, Answered: noon, Words: control.Words{Reason: "no answer from S3 in 2s"}}},
		{Dir: "/mnt/f", Bucket: "b", Mounted: true, Connection: &control.Connection{State: control.Refused, Answered: noon, Since: noon, Words: control.Words{Reason: "expired"}}, Paused: &control.Pause{Words: control.Words{Reason: "expired", Hint: "s3share login"}}},
		{Dir: "/mnt/f", Bucket: "b", Mounted: true, Connection: &control.Connection{State: control.Refused, Answered: noon, Since: noon, Words: control.Words{Reason: "no bucket"}}, Pending: []outbox.Status{stuck}},
	}, false)
	want := strings.TrimPrefix(`
/mnt/a (b)
  all is delivered

/mnt/c (team, the bucket d, read-only)
  no longer mounted, still delivering; 2 files need attention; 1 file on its way
  blocked: access denied
    to do: ask; then s3share retry
    Delivery/b  20 B  3h ago
  conflict: it changed in the bucket too; this is our version
    to do: join it with "Delivery/t", then remove or rename it
    Delivery/a\nb  1.0 MiB  2d ago
  to deliver: 1.0 MiB of 3.0 MiB, 512.0 KiB/s, 4 s left
    Delivery/m  uploading 33%  3.0 MiB  512.0 KiB/s  4 s left

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
  online; all is delivered

/mnt/f (b)
  offline since 2026-01-02 12:00: nothing answers; all is delivered as of 2026-01-02 12:00
  to do: check it

/mnt/f (b)
  no answer from S3 in 2s; all is delivered as of 2026-01-02 12:00

/mnt/f (b)
  refused since 2026-01-02 12:00: expired; all is delivered as of 2026-01-02 12:00
  to do: s3share login

/mnt/f (b)
  refused since 2026-01-02 12:00: no bucket; 1 file needs attention
  blocked: access denied
    to do: ask; then s3share retry
    Delivery/b  20 B  3h ago
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
