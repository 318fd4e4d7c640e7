package ui

import (
	"bytes"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/vbauerster/mpb/v8"

	"github.com/s3share/s3share/cache"
	"github.com/s3share/s3share/cache/outbox"
	"github.com/s3share/s3share/cmd/s3share/internal/control"
)

// TestWatcher shows what a mount owes at several looks: a line for each change and
// for nothing else.
func TestWatcher(t *testing.T) {
	var (
		sealed  = outbox.Status{Path: "Delivery/a", State: outbox.Sealed, Size: 10, Sent: 4}
		blocked = outbox.Status{Path: "Delivery/b", State: outbox.Blocked, Size: 20,
			Reason: "access denied"}
	)
	up := func(sent int64) outbox.Status {
		return outbox.Status{Path: "Delivery/big", State: outbox.Uploading,
			Size: 1000, Sent: sent, Speed: 100}
	}
	writing := func(sent int64) outbox.Status {
		return outbox.Status{Path: "Delivery/w", State: outbox.Open, Size: 1000, Sent: sent}
	}
	confirmed := time.Now()
	later := sealed
	later.Since = confirmed.Add(time.Second)
	for _, tt := range []struct {
		looks [][]outbox.Status
		now   cache.Presence // what the daemon says became of it
		want  string
	}{
		{[][]outbox.Status{{sealed}, {sealed}, {}}, cache.Delivered,
			"12:00:00 /mnt/Delivery/a: waiting, 10 B\n12:00:00 /mnt/Delivery/a: delivered\n"},
		{[][]outbox.Status{{up(0)}, {up(50)}, {up(520)}, {up(530)}, {}}, cache.Delivered,
			"12:00:00 /mnt/Delivery/big: uploading 0%, 1000 B, 100 B/s\n12:00:00 /mnt/Delivery/big: uploading 52%, 1000 B, 100 B/s\n" +
				"12:00:00 /mnt/Delivery/big: delivered\n"},
		{[][]outbox.Status{{writing(10)}, {writing(700)}}, cache.Unknown, "12:00:00 /mnt/Delivery/w: open, 1000 B\n"},
		{[][]outbox.Status{{blocked}, {blocked}, {}}, cache.Removed,
			"12:00:00 /mnt/Delivery/b: blocked, access denied\n12:00:00 /mnt/Delivery/b: removed\n"},
		{[][]outbox.Status{{sealed}, {}}, cache.Renamed,
			"12:00:00 /mnt/Delivery/a: waiting, 10 B\n12:00:00 /mnt/Delivery/a: goes by another name now\n"},
		{[][]outbox.Status{{sealed}, {}}, cache.Unknown,
			"12:00:00 /mnt/Delivery/a: waiting, 10 B\n12:00:00 /mnt/Delivery/a: waits no more; what became of it is not known here\n"},
		{[][]outbox.Status{{later}, {}}, cache.Delivered, // of what was there before
			"12:00:00 /mnt/Delivery/a: waiting, 10 B\n12:00:00 /mnt/Delivery/a: waits no more; what became of it is not known here\n"},
	} {
		var out bytes.Buffer
		w := NewWatcher(&out)
		w.now = func() time.Time { return time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC) }
		w.became = func(paths []string) []control.FileState {
			return slices.Repeat([]control.FileState{{State: tt.now, At: confirmed}}, len(paths))
		}
		for _, owed := range tt.looks {
			w.Show(control.State{Dir: "/mnt", Pending: owed})
		}
		w.End()
		if out.String() != tt.want {
			t.Errorf("watching %v prints\n%swant\n%s", tt.looks, &out, tt.want)
		}
	}
}

// TestWatcherBars draws what is on its way below the lines, and takes the bar away
// with it.
func TestWatcherBars(t *testing.T) {
	var out bytes.Buffer
	w := NewWatcher(nil)
	w.became = func(paths []string) []control.FileState {
		return []control.FileState{{State: cache.Delivered, At: time.Now()}}
	}
	refresh := make(chan any)
	w.bars = mpb.New(mpb.WithOutput(&out), mpb.WithManualRefresh(refresh), mpb.WithWidth(120))
	w.Show(control.State{Dir: "/mnt", Pending: []outbox.Status{
		{Path: "Delivery/tape.tar", State: outbox.Uploading, Size: 4 << 20, Sent: 1 << 20, Speed: 1 << 19},
	}})
	refresh <- time.Now()
	w.Show(control.State{Dir: "/mnt"})
	w.End()
	for _, want := range []string{"/mnt/Delivery/tape.tar: uploading 25%", "tape.tar ",
		"1.0 MiB / 4.0 MiB", "512.0 KiB/s", "/mnt/Delivery/tape.tar: delivered"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("watching prints\n%q\nwant %q in it", &out, want)
		}
	}
}
