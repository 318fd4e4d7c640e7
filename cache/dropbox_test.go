package cache

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/s3share/s3share/cache/buckettest"
	"github.com/s3share/s3share/cache/ledger"
	"github.com/s3share/s3share/s3backend"
)

// dropbox is a bucket into which may be put, and nothing else.
func dropbox(b buckettest.S3) buckettest.S3 {
	for _, op := range []string{buckettest.List, buckettest.Head, buckettest.Get, buckettest.Delete,
		buckettest.DeleteAll, buckettest.MayDelete} {
		b = buckettest.Deny(b, op, "")
	}
	return b
}

// TestBlindDropbox lists what was sent where nobody may list or read, with its size
// and time, also after a remount; what is taken already is not overwritten.
func TestBlindDropbox(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, dir := buckettest.New(), t.TempDir()
		p := new(policy)
		p.put.Store(true)
		mount := func() *rig {
			c, err := New(dropbox(b),
				Config{Folders: []string{"Delivery"}, StateDir: dir, Who: "me", Checker: p})
			if err != nil {
				t.Fatal(err)
			}
			return &rig{t, c, b}
		}
		r := mount()
		r.wantShown("Delivery")
		at := time.Date(2026, 1, 2, 3, 4, 5, 6, time.UTC)
		h := r.create("Delivery/sent", "content")
		if err := h.SetMtime(r.Context(), at); err != nil {
			t.Fatal(err)
		}
		h.Release()
		if err := r.Mkdir(r.Context(), "Delivery/dir", nil); err != nil {
			t.Fatal(err)
		}
		r.create("Delivery/dir/below", "content below").Release()
		r.drain()
		if err := r.SetMode(r.Context(), "Delivery/sent", 0o640); err != nil {
			t.Fatal(err)
		}
		r.b.Store("Delivery/taken", []byte("the other party's"), nil)
		r.create("Delivery/taken", "ours").Release()
		r.drain()
		for range 2 {
			r.wantShown("Delivery/dir", "below")
			a, err := r.Stat(r.Context(), "Delivery/sent")
			if err != nil || a.Size != 7 || !a.Mtime.Equal(at) || a.Mode != 0o640 || a.Deny != 0 {
				t.Errorf("Stat = %+v, %v", a, err)
			}
			if a, err := r.Stat(r.Context(), "Delivery/dir/below"); err != nil || a.Size != 13 {
				t.Errorf("Stat = %+v, %v", a, err)
			}
			if _, err := r.Stat(r.Context(),
				"Delivery/nothing"); !errors.Is(err, s3backend.NotExist) {
				t.Errorf("Stat of nothing = %v", err)
			}
			if err := r.Close(); err != nil {
				t.Fatal(err)
			}
			r = mount()
			synctest.Wait()
		}
		defer r.Close()
		h = r.open("Delivery/sent", OpenMode{})
		if n, err := h.ReadAt(r.Context(), make([]byte, 7), 0); !errors.Is(err, s3backend.Denied) {
			t.Errorf("reading back = %d, %v, want Denied", n, err)
		}
		h.Release()
		got := map[string]bool{}
		for key, data := range contents(b) {
			got[data] = true
			if key == "Delivery/taken" && data != "the other party's" {
				t.Errorf("the other party's file holds %q", data)
			}
		}
		if !got["ours"] {
			t.Errorf("ours is nowhere: %v", contents(b))
		}
	})
}

// contents is what a bucket holds.
func contents(b *buckettest.Bucket) map[string]string {
	all := map[string]string{}
	for _, key := range b.Keys() {
		data, _ := b.Data(key)
		all[key] = string(data)
	}
	return all
}

// TestSentPages lists what was sent in pages, as S3 does.
func TestSentPages(t *testing.T) {
	bubble(t, nil, func(r *rig) {
		for _, key := range []string{"Delivery/a", "Delivery/b/", "Delivery/b/1",
			"Delivery/b/2", "Delivery/c", "Other/x"} {
			if err := r.sent.Put(ledger.Entry{Key: key, ETag: "e",
				Size: 1, Sent: time.Now()}); err != nil {
				r.Fatal(err)
			}
		}
		var got []string
		in := s3backend.ListInput{Prefix: "Delivery/", Delimiter: "/", Max: 1}
		for {
			page := listFromLedger(r.sent, in)
			for _, o := range page.Objects {
				got = append(got, o.Key)
			}
			got = append(got, page.Prefixes...)
			if in.Token = page.Next; in.Token == "" {
				break
			}
		}
		if want := []string{"Delivery/a", "Delivery/b/", "Delivery/c"}; len(got) != 3 ||
			got[0] != want[0] || got[1] != want[1] || got[2] != want[2] {
			t.Errorf("pages: %q, want %q", got, want)
		}
		if page := listFromLedger(r.sent,
			s3backend.ListInput{Prefix: "Delivery/b/", Delimiter: "/"}); len(page.Objects) != 3 {
			t.Errorf("below a folder: %+v", page)
		}
	})
}
