package cache

import (
	"context"
	"errors"
	"io"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/s3share/s3share/cache/buckettest"
	"github.com/s3share/s3share/cache/outbox"
	"github.com/s3share/s3share/cache/outbox/parts"
	"github.com/s3share/s3share/s3backend"
)

// writeOnly is a bucket of AWS whose policy lets us list and put, and not get: whatever
// has to read is refused, If-Match too.
type writeOnly struct {
	buckettest.S3
	get       atomic.Bool // it is granted
	put       atomic.Bool // it is not granted
	refused   atomic.Int64
	between   func() // is called between a look and what follows it; nil for nothing
	unwatched atomic.Int64
}

func (w *writeOnly) denied(op, key string) error {
	w.refused.Add(1)
	return &s3backend.Error{Op: op, Key: key, Kind: s3backend.Denied,
		Err: errors.New("AccessDenied")}
}

func (w *writeOnly) Head(ctx context.Context, key string) (s3backend.Object, error) {
	if !w.get.Load() {
		return s3backend.Object{}, w.denied("HeadObject", key)
	}
	return w.S3.Head(ctx, key)
}

func (w *writeOnly) Get(ctx context.Context, obj s3backend.Object,
	off, n int64) (io.ReadCloser, error) {
	if !w.get.Load() {
		return nil, w.denied("GetObject", obj.Key)
	}
	return w.S3.Get(ctx, obj, off, n)
}

func (w *writeOnly) List(ctx context.Context, in s3backend.ListInput) (s3backend.Page, error) {
	page, err := w.S3.List(ctx, in)
	if w.between != nil && in.Max == 1 {
		w.between()
	}
	return page, err
}

func (w *writeOnly) Copy(ctx context.Context, src s3backend.Object, key string, h *s3backend.Header,
	cond s3backend.Condition) (s3backend.Object, error) {
	if !w.get.Load() {
		return s3backend.Object{}, w.denied("CopyObject", key)
	}
	return w.S3.Copy(ctx, src, key, h, cond)
}

func (w *writeOnly) mayPut(op, key string, cond s3backend.Condition) error {
	if w.put.Load() || cond.IfMatch != "" && !w.get.Load() {
		return w.denied(op, key)
	}
	if !cond.IfNoneMatch && cond.IfMatch == "" {
		w.unwatched.Add(1)
	}
	return nil
}

func (w *writeOnly) Put(ctx context.Context, key string, body io.ReadSeeker, size int64,
	h *s3backend.Header, cond s3backend.Condition) (s3backend.Object, error) {
	if err := w.mayPut("PutObject", key, cond); err != nil {
		return s3backend.Object{}, err
	}
	return w.S3.Put(ctx, key, body, size, h, cond)
}

func (w *writeOnly) Complete(ctx context.Context, up s3backend.Upload, parts []s3backend.Part,
	size int64, cond s3backend.Condition) (s3backend.Object, error) {
	if err := w.mayPut("CompleteMultipartUpload", up.Key, cond); err != nil {
		return s3backend.Object{}, err
	}
	return w.S3.Complete(ctx, up, parts, size, cond)
}

// replace writes the whole of a file anew, as `>` does.
func (r *rig) replace(path, data string) {
	r.Helper()
	h := r.open(path, OpenMode{Write: true, Truncate: true})
	r.writeAt(h, data, 0)
	h.Release()
}

// conflicts are the names of conflict copies in the bucket.
func (r *rig) conflicts() (names []string) {
	for _, key := range r.b.Keys() {
		if strings.Contains(key, "(conflict") {
			names = append(names, key)
		}
	}
	return names
}

// TestReplaceWithoutGet saves files again and again where the policy grants no get: what
// is ours is replaced, what is not stays and ours goes beside it, and nothing is blocked.
func TestReplaceWithoutGet(t *testing.T) {
	large := strings.Repeat("x", parts.Size+1)
	for _, tt := range []struct {
		name      string
		do        func(r *rig, w *writeOnly)
		holds     string // what the file holds in the end, in S3
		conflicts int
		blocked   bool
		refused   int64 // requests that were refused, at most
	}{
		{name: "own file, three times", holds: "third", refused: 2, do: func(r *rig, _ *writeOnly) {
			for _, data := range []string{"second", "third"} {
				r.replace("Delivery/f", data)
				r.drain()
			}
		}},
		{name: "own file by parts", holds: large, refused: 2, do: func(r *rig, _ *writeOnly) {
			r.replace("Delivery/f", large)
			r.drain()
		}},
		{name: "the other party has changed it", holds: "theirs", conflicts: 1, refused: 2,
			do: func(r *rig, _ *writeOnly) {
				h := r.open("Delivery/f", OpenMode{Write: true, Truncate: true})
				r.b.Store("Delivery/f", []byte("theirs"), nil)
				r.writeAt(h, "ours", 0)
				h.Release()
				r.drain()
			}},
		{name: "the other party's file, seen before", holds: "theirs", conflicts: 1,
			refused: 3, do: func(r *rig, _ *writeOnly) {
				r.b.Store("Delivery/f", []byte("theirs"), nil)
				time.Sleep(time.Minute)
				r.wantShown("Delivery", "f")
				r.replace("Delivery/f", "ours")
				r.drain()
			}},
		{name: "the other party has removed it", holds: "second",
			refused: 2, do: func(r *rig, _ *writeOnly) {
				h := r.open("Delivery/f", OpenMode{Write: true, Truncate: true})
				if err := r.b.Delete(r.Context(), "Delivery/f", s3backend.Condition{}); err != nil {
					r.Fatal(err)
				}
				r.writeAt(h, "second", 0)
				h.Release()
				r.drain()
			}},
		{name: "put is refused as well", holds: "first", blocked: true, refused: 100,
			do: func(r *rig, w *writeOnly) {
				w.put.Store(true)
				r.replace("Delivery/f", "second")
				time.Sleep(time.Minute)
			}},
		{name: "get is granted", holds: "second", do: func(r *rig, w *writeOnly) {
			w.get.Store(true)
			r.replace("Delivery/f", "second")
			r.drain()
			if n := w.unwatched.Load(); n > 0 {
				r.Errorf("%d puts had no condition", n)
			}
		}},
		{name: "put is refused, get is not", holds: "first", blocked: true, refused: 100,
			do: func(r *rig, w *writeOnly) {
				w.get.Store(true)
				w.put.Store(true)
				r.replace("Delivery/f", "second")
				time.Sleep(time.Minute)
			}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := new(writeOnly)
			bubble(t, func(b buckettest.S3) buckettest.S3 { w.S3 = b; return w }, func(r *rig) {
				r.create("Delivery/f", "first").Release()
				r.drain()
				w.refused.Store(0)
				tt.do(r, w)
				if data, _ := r.b.Data("Delivery/f"); string(data) != tt.holds {
					t.Errorf("the object holds %d bytes %.20q, want %d bytes %.20q",
						len(data), data, len(tt.holds), tt.holds)
				}
				if got := r.conflicts(); len(got) != tt.conflicts {
					t.Errorf("conflict copies: %q, want %d", got, tt.conflicts)
				}
				blocked := slices.ContainsFunc(r.deliveries.Status(),
					func(s outbox.Status) bool { return s.State == outbox.Blocked })
				if blocked != tt.blocked {
					t.Errorf("blocked is %t, want %t: %+v", blocked,
						tt.blocked, r.deliveries.Status())
				}
				if n := w.refused.Load(); n > tt.refused {
					t.Errorf("%d requests were refused, want %d at most", n, tt.refused)
				}
			})
		})
	}
}

// TestReplaceAfterRemount replaces what an earlier mount has put: the ledger tells.
func TestReplaceAfterRemount(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, dir := buckettest.New(), t.TempDir()
		w := &writeOnly{S3: b}
		p := new(policy)
		p.put.Store(true)
		mount := func() *rig {
			c, err := New(w,
				Config{Folders: []string{"Delivery"}, StateDir: dir, Who: "me", Checker: p})
			if err != nil {
				t.Fatal(err)
			}
			return &rig{t, c, b}
		}
		r := mount()
		r.create("Delivery/f", "first").Release()
		r.drain()
		for _, data := range []string{"second", "third"} {
			if err := r.Close(); err != nil {
				t.Fatal(err)
			}
			r = mount()
			r.replace("Delivery/f", data)
			r.drain()
			if got, _ := b.Data("Delivery/f"); string(got) != data || len(r.conflicts()) > 0 {
				t.Errorf("the object holds %q, want %q; conflict copies: %q",
					got, data, r.conflicts())
			}
		}
		if err := r.Close(); err != nil {
			t.Fatal(err)
		}
	})
}

// TestTouchWithoutGet sets the time of delivered files that S3 does not let us copy: it
// is kept here, survives a remount, and blocks nothing.
func TestTouchWithoutGet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, dir := buckettest.New(), t.TempDir()
		w := &writeOnly{S3: b}
		mount := func() *rig {
			c, err := New(w, Config{Folders: []string{"Delivery"}, StateDir: dir})
			if err != nil {
				t.Fatal(err)
			}
			return &rig{t, c, b}
		}
		r := mount()
		b.Store("Delivery/theirs", []byte("content"), nil)
		r.wantShown("Delivery", "theirs")
		r.create("Delivery/ours", "content").Release()
		r.drain()
		at := time.Date(2001, 2, 3, 4, 5, 6, 7, time.UTC)
		for _, path := range []string{"Delivery/ours", "Delivery/theirs"} {
			if err := r.SetMtime(r.Context(), path, at); err != nil {
				t.Errorf("touch of %s: %v", path, err)
			}
		}
		r.drain()
		if all := r.deliveries.Status(); len(all) > 0 {
			t.Errorf("not delivered: %+v", all)
		}
		for range 2 {
			for _, path := range []string{"Delivery/ours", "Delivery/theirs"} {
				if a, err := r.Stat(r.Context(), path); err != nil || !a.Mtime.Equal(at) {
					t.Errorf("%s is of %s, %v, want %s", path, a.Mtime, err, at)
				}
			}
			if err := r.Close(); err != nil {
				t.Fatal(err)
			}
			r = mount()
		}
		// What was touched is still not what we have put.
		r.replace("Delivery/theirs", "ours")
		r.drain()
		if data, _ := b.Data("Delivery/theirs"); string(data) != "content" ||
			len(r.conflicts()) != 1 {
			t.Errorf("theirs holds %q, and the conflict copies are %q", data, r.conflicts())
		}
		if err := r.Close(); err != nil {
			t.Fatal(err)
		}
	})
}

// TestAppendWithoutGet refuses to change a part of what may not be read, small or large,
// before anything is written.
func TestAppendWithoutGet(t *testing.T) {
	for name, size := range map[string]int{"small": 100, "large": parts.Size + 1} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := buckettest.New()
				b.Store("Delivery/theirs", []byte(strings.Repeat("x", size)), nil)
				p := new(policy)
				p.put.Store(true)
				p.list.Store(true)
				c, err := New(&writeOnly{S3: b},
					Config{Folders: []string{"Delivery"}, StateDir: t.TempDir(), Checker: p})
				if err != nil {
					t.Fatal(err)
				}
				r := &rig{t, c, b}
				defer r.Close()
				r.wantShown("Delivery", "theirs")
				time.Sleep(time.Minute) // it is known what is granted
				synctest.Wait()
				h := r.open("Delivery/theirs", OpenMode{Write: true, Append: true})
				if n, err := h.WriteAt(r.Context(), []byte("more"),
					0); !errors.Is(err, s3backend.Denied) {
					t.Errorf("append = %d, %v, want Denied", n, err)
				}
				h.Release()
				r.drain()
				if all := r.deliveries.Status(); len(all) > 0 {
					t.Errorf("not delivered: %+v", all)
				}
				if data, _ := b.Data("Delivery/theirs"); len(data) != size {
					t.Errorf("the object holds %d bytes", len(data))
				}
			})
		})
	}
}
