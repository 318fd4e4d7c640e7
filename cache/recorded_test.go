package cache

import (
	"bytes"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/s3share/s3share/cache/buckettest"
	"github.com/s3share/s3share/cache/receipts"
	"github.com/s3share/s3share/s3backend"
)

// TestWhatIsRecorded delivers, renames and reads files of both parties.
func TestWhatIsRecorded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, dir := buckettest.New(), t.TempDir()
		var got []string
		c, err := New(b, Config{
			Folders: []string{"Delivery"}, StateDir: dir, Memory: 16 << 20,
			Recorded: func(e receipts.Entry) {
				if e.ETag == "" || e.Size == 0 {
					t.Errorf("the entry %+v", e)
				}
				got = append(got, fmt.Sprintf("%s %s", e.Event, e.Key))
			},
		})
		if err != nil {
			t.Fatal(err)
		}
		r := &rig{t, c, b}
		want := func(after string, events ...string) {
			t.Helper()
			synctest.Wait()
			if !slices.Equal(got, events) {
				t.Errorf("after %s: %q, want %q", after, got, events)
			}
			got = nil
		}
		if err := c.Mkdir(t.Context(), "Delivery/d", nil); err != nil {
			t.Fatal(err)
		}
		h := r.create("Delivery/ours", "content")
		want("a write")
		h.Release()
		time.Sleep(time.Second)
		want("a close", "delivered Delivery/ours")
		r.rename("Delivery/ours", "Delivery/d/ours")
		time.Sleep(time.Second)
		want("a rename", "delivered Delivery/d/ours")
		read := func(path string, from, to int) {
			t.Helper()
			h := r.open(path, OpenMode{})
			p := make([]byte, to-from)
			if n, err := h.ReadAt(t.Context(), p, int64(from)); n != len(p) {
				t.Fatalf("ReadAt = %d, %v", n, err)
			}
			h.Release()
		}
		read("Delivery/d/ours", 0, 7)
		want("reading our own")
		body := bytes.Repeat([]byte("x"), 300<<10)
		if _, err := b.Put(t.Context(), "Delivery/theirs", bytes.NewReader(body), int64(len(body)), nil, s3backend.Condition{}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		read("Delivery/theirs", 0, len(body)-1)
		want("reading theirs, but for a byte")
		read("Delivery/theirs", 0, len(body))
		want("reading theirs", "received Delivery/theirs")
		if err := c.Close(); err != nil {
			t.Fatal(err)
		}
		var missed []string
		for _, e := range MissedReceipts(dir) {
			missed = append(missed, fmt.Sprintf("%s %s %t", e.Event, e.Key, e.ETag != ""))
		}
		if !slices.Equal(missed, []string{"delivered Delivery/d/ours true"}) {
			t.Errorf("the next process may have missed %q", missed)
		}
	})
}
