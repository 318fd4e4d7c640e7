package cache

import (
	"bytes"
	"context"
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
		if _, err := b.Put(t.Context(), "Delivery/theirs", bytes.NewReader(body),
			int64(len(body)), nil, s3backend.Condition{}); err != nil {
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

// TestADeliveryIsRecordedOnce closes a file of which each close waits for S3, which is recorded
// once. Then it sets the time, and the other party replaces the file before that is delivered:
// their version is neither recorded nor taken for ours.
func TestADeliveryIsRecordedOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, dir := buckettest.New(), t.TempDir()
		l, err := receipts.Open(dir, "receipts.jsonl")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		begin := func(sync bool) *rig {
			c, err := New(b, Config{
				Folders: []string{"Delivery"}, StateDir: dir, Memory: 16 << 20, Sync: sync,
				Recorded: func(e receipts.Entry) {
					if err := l.Append(context.Background(), e); err != nil {
						t.Error(err)
					}
				},
			})
			if err != nil {
				t.Fatal(err)
			}
			return &rig{t, c, b}
		}
		want := func(after string, keys ...string) {
			t.Helper()
			var got []string
			_, err := l.Read(t.Context(), nil, func(e *receipts.Entry) error {
				got = append(got, string(e.Key))
				return nil
			})
			if err != nil || !slices.Equal(got, keys) {
				t.Fatalf("after %s: %q, %v, want %q", after, got, err, keys)
			}
		}
		r := begin(true)
		h := r.create("Delivery/synced", "content")
		if err := h.Flush(t.Context(), Closing{Last: true}); err != nil {
			t.Fatal(err)
		}
		want("a close", "Delivery/synced")
		h.Release()
		time.Sleep(time.Second)
		want("the last close", "Delivery/synced")

		theirs := []byte("by the other party")
		if err := r.SetMtime(t.Context(), "Delivery/synced", time.Unix(1e9, 0)); err != nil {
			t.Fatal(err)
		}
		if _, err := b.Put(t.Context(), "Delivery/synced", bytes.NewReader(theirs),
			int64(len(theirs)), nil, s3backend.Condition{}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		want("their version", "Delivery/synced")
		obj, err := b.Head(t.Context(), "Delivery/synced")
		if err != nil || r.sent.IsOurs("Delivery/synced", obj.ETag) {
			t.Errorf("the version of the other party is taken for ours, %v", err)
		}
		if err := r.Close(); err != nil {
			t.Fatal(err)
		}
	})
}
