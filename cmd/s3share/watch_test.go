package main

import (
	"bytes"
	"testing"
	"time"

	"github.com/s3share/s3share/cache/outbox"
)

// TestWatcher shows what a mount owes at several looks: a line for each change and
// for nothing else.
func TestWatcher(t *testing.T) {
	up := func(sent int64) outbox.Status {
		return outbox.Status{Path: "Delivery/big", State: outbox.Uploading, Size: 1000, Sent: sent, Speed: 100}
	}
	for _, tt := range []struct {
		looks [][]outbox.Status
		gone  bool
		want  string
	}{
		{[][]outbox.Status{{sealed}, {sealed}, {}}, false,
			"12:00:00 /mnt/Delivery/a: sealed, 10 B\n12:00:00 /mnt/Delivery/a: delivered\n"},
		{[][]outbox.Status{{up(0)}, {up(50)}, {up(520)}, {up(530)}, {}}, false,
			"12:00:00 /mnt/Delivery/big: uploading 0%, 1000 B, 100 B/s\n12:00:00 /mnt/Delivery/big: uploading 52%, 1000 B, 100 B/s\n" +
				"12:00:00 /mnt/Delivery/big: delivered\n"},
		{[][]outbox.Status{{blocked}, {blocked}, {}}, true,
			"12:00:00 /mnt/Delivery/b: blocked, access denied\n12:00:00 /mnt/Delivery/b: removed\n"},
	} {
		var out bytes.Buffer
		w := newWatcher(&out)
		w.now = func() time.Time { return time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC) }
		w.gone = func(string) bool { return tt.gone }
		for _, owed := range tt.looks {
			w.show(state{Dir: "/mnt", Owed: owed})
		}
		w.end()
		if out.String() != tt.want {
			t.Errorf("watching %v prints\n%swant\n%s", tt.looks, &out, tt.want)
		}
	}
}
