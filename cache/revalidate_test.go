package cache

import (
	"bytes"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/s3share/s3share/cache/buckettest"
	"github.com/s3share/s3share/s3backend"
)

// list makes the folder's listing known, as a lookup of any name does.
func (r *rig) list(dir string) {
	r.Helper()
	d, err := r.OpenDir(r.Context(), dir)
	for ok := true; ok && err == nil; {
		_, _, ok, err = d.Next(r.Context())
	}
	if err != nil {
		r.Fatalf("list %q: %v", dir, err)
	}
}

// TestOpenIsProvenByItsBytes opens what was listed longer ago than an answer may
// be old: the request for the bytes is the only one.
func TestOpenIsProvenByItsBytes(t *testing.T) {
	bubble(t, nil, func(r *rig) {
		r.b.Store("Delivery/f", []byte("one"), nil)
		r.list("Delivery")
		time.Sleep(2 * fresh)
		r.b.ForgetLog()
		h := r.open("Delivery/f", OpenMode{})
		if got := r.text(h); got != "one" {
			r.Errorf("reads %q", got)
		}
		h.Release()
		if log := r.b.Log(); len(log) != 1 || log[0].Op != buckettest.Get {
			r.Errorf("requests %v, want one %s", log, buckettest.Get)
		}
		r.open("Delivery/f", OpenMode{}).Release()
		if n := r.b.Count(""); n != 1 {
			r.Errorf("%d requests after a second open, want no other", n)
		}
		time.Sleep(2 * fresh)
		r.open("Delivery/f", OpenMode{}).Release()
		if n := r.b.Count(""); n != 2 {
			r.Errorf("%d requests after an open a while later, want one more", n)
		}
	})
}

// TestOpenOfWhatWasReplaced opens, a while after it was listed, what the other
// party has replaced or removed since.
func TestOpenOfWhatWasReplaced(t *testing.T) {
	for _, size := range []int{3, 3 << 20} {
		for _, entries := range []int{1, 3000} {
			t.Run(fmt.Sprintf("%d bytes of %d", size, entries), func(t *testing.T) {
				bubble(t, nil, func(r *rig) {
					for i := range entries {
						r.b.Store(fmt.Sprintf("Delivery/e%04d", i), nil, nil)
					}
					r.b.Store("Delivery/f", bytes.Repeat([]byte("1"), size), nil)
					r.list("Delivery")
					time.Sleep(2 * fresh)
					r.b.Store("Delivery/f", bytes.Repeat([]byte("2"), size+10), nil)
					h := r.open("Delivery/f", OpenMode{})
					if got := r.text(h); got[:1] != "2" || h.File().Attr().Size != int64(size+10) {
						r.Errorf("reads %q of %d bytes, want the new version",
							got[:1], h.File().Attr().Size)
					}
					h.Release()
					if a, err := r.Stat(r.Context(), "Delivery/f"); err != nil ||
						a.Size != int64(size+10) {
						r.Errorf("Stat = %+v, %v, want what was just opened", a, err)
					}

					time.Sleep(2 * fresh)
					r.b.Discard("Delivery/f")
					if h, err := r.Open(r.Context(), "Delivery/f",
						OpenMode{}); !errors.Is(err, s3backend.NotExist) {
						r.Errorf("Open of what was removed = %v, %v, want NotExist", h, err)
					}
				})
			})
		}
	}
}

// TestOpenSaysWhatReadingWould has S3 refuse the bytes.
func TestOpenSaysWhatReadingWould(t *testing.T) {
	fault := func(b buckettest.S3) buckettest.S3 { return buckettest.Deny(b, buckettest.Get, "") }
	bubble(t, fault, func(r *rig) {
		r.b.Store("Delivery/f", []byte("one"), nil)
		r.list("Delivery")
		time.Sleep(2 * fresh)
		if h, err := r.Open(r.Context(),
			"Delivery/f", OpenMode{}); !errors.Is(err, s3backend.Denied) {
			r.Errorf("Open = %v, %v, want Denied", h, err)
		}
	})
}
