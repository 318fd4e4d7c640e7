package cache

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/s3share/s3share/cache/buckettest"
	"github.com/s3share/s3share/s3backend"
)

// TestRenamedFolderIsNotMadeAnew renames a folder while something in it is being made at
// S3: nothing of its old name comes back.
func TestRenamedFolderIsNotMadeAnew(t *testing.T) {
	var held *buckettest.Holder
	fault := func(b buckettest.S3) (s3 buckettest.S3) {
		s3, held = buckettest.Hold(b, buckettest.Put)
		return s3
	}
	bubble(t, fault, func(r *rig) {
		r.b.Store("Delivery/old/sub/x", []byte("x"), nil)
		r.b.Store("Delivery/old/z", []byte("z"), nil)
		r.wantShown("Delivery/old", "sub", "z")
		r.wantShown("Delivery/old/sub", "x")
		if err := r.Mkdir(r.Context(), "Delivery/old/y", nil); err != nil {
			r.Fatal(err)
		}
		<-held.Entered // it is on its way, and the rename waits for it
		renamed := make(chan error)
		go func() {
			renamed <- second(r.Rename(r.Context(), "Delivery/old", "Delivery/new", ShownVersion{}))
		}()
		synctest.Wait()
		held.Release()
		if err := <-renamed; err != nil {
			r.Fatal(err)
		}
		r.drain()
		if got := r.b.Keys(); !slices.Equal(got,
			[]string{"Delivery/new/sub/x", "Delivery/new/y/", "Delivery/new/z"}) {
			r.Errorf("the bucket holds %q", got)
		}
	})
}

// TestRenameFolderWhileItIsDelivered renames a folder whose files settle while S3 lists
// it.
func TestRenameFolderWhileItIsDelivered(t *testing.T) {
	slow := func(b buckettest.S3) buckettest.S3 {
		return buckettest.Wrap(b, func(_ context.Context, op, key string, send func() error) error {
			err := send()
			if op == buckettest.List && key == "Delivery/old/" {
				time.Sleep(time.Second) // the answer takes so long
			}
			return err
		})
	}
	bubble(t, slow, func(r *rig) {
		for _, dir := range []string{"Delivery/old", "Delivery/old/sub"} {
			if err := r.Mkdir(r.Context(), dir, nil); err != nil {
				r.Fatal(err)
			}
		}
		r.create("Delivery/old/a", "a").Release()
		r.create("Delivery/old/sub/b", "b").Release()
		r.rename("Delivery/old", "Delivery/new")
		r.drain()
		r.wantShown("Delivery", "new")
		r.wantShown("Delivery/new", "a", "sub")
		r.wantBucket(map[string]string{"Delivery/new/": "", "Delivery/new/a": "a",
			"Delivery/new/sub/": "", "Delivery/new/sub/b": "b"})
	})
}

// TestFolderIsRenamedWhileItsFilesGoUp: what would be delivered under its old name
// while others are copied goes with the folder.
func TestFolderIsRenamedWhileItsFilesGoUp(t *testing.T) {
	var copies, puts *buckettest.Holder
	fault := func(b buckettest.S3) (s3 buckettest.S3) {
		s3, copies = buckettest.Hold(b, buckettest.Copy)
		s3, puts = buckettest.Hold(s3, buckettest.Put)
		return s3
	}
	bubble(t, fault, func(r *rig) {
		r.b.Store("Delivery/old/theirs", []byte("theirs"), nil)
		r.create("Delivery/old/going", "going").Release()
		<-puts.Entered
		r.create("Delivery/old/closed", "closed").Release()
		renamed := make(chan error)
		go func() {
			renamed <- second(r.Rename(r.Context(), "Delivery/old", "Delivery/new", ShownVersion{}))
		}()
		puts.Release()
		<-copies.Entered
		time.Sleep(time.Minute)
		synctest.Wait()
		copies.Release()
		if err := <-renamed; err != nil {
			r.Fatal(err)
		}
		r.drain()
		r.wantBucket(map[string]string{"Delivery/new/theirs": "theirs",
			"Delivery/new/going": "going", "Delivery/new/closed": "closed"})
	})
}

// TestRenameOfAFolderIsTakenBack has S3 refuse one of the copies: the others are
// removed, and the folder that they were to be in does not come to be.
func TestRenameOfAFolderIsTakenBack(t *testing.T) {
	fault := func(b buckettest.S3) buckettest.S3 {
		return buckettest.Deny(b, buckettest.Copy, "Delivery/new/2")
	}
	bubble(t, fault, func(r *rig) {
		keys := []string{"Delivery/old/1", "Delivery/old/2", "Delivery/old/3"}
		for _, key := range keys {
			r.b.Store(key, []byte("data"), nil)
		}
		r.wantShown("Delivery", "old")
		if _, err := r.Rename(r.Context(), "Delivery/old", "Delivery/new",
			ShownVersion{}); !errors.Is(err, s3backend.Denied) {
			r.Fatalf("Rename = %v, want Denied", err)
		}
		r.drain()
		if got := r.b.Keys(); !slices.Equal(got, keys) {
			r.Errorf("the bucket holds %q, want %q", got, keys)
		}
		r.wantShown("Delivery/old", "1", "2", "3")
	})
}

// TestRenameThereAndBackAtOnce: the version that comes back is not taken for the
// one that was removed.
func TestRenameThereAndBackAtOnce(t *testing.T) {
	bubble(t, nil, func(r *rig) {
		r.b.Store("Delivery/a", []byte("data"), nil)
		r.rename("Delivery/a", "Delivery/b")
		synctest.Wait()
		r.rename("Delivery/b", "Delivery/a")
		synctest.Wait() // no time passes
		r.wantShown("Delivery", "a")
		r.wantText("Delivery/a", "data")
		if got := r.b.Keys(); !slices.Equal(got, []string{"Delivery/a"}) {
			r.Errorf("the bucket holds %q", got)
		}
	})
}

// TestDeliveredDirectoryIsNotMovedToATrash: under a private name nothing is at S3.
func TestDeliveredDirectoryIsNotMovedToATrash(t *testing.T) {
	for _, trash := range []string{"Delivery/.Trash-1000", "Delivery/.Trash-1000/files/d",
		"Delivery/sub/.Trashes/d"} {
		bubble(t, nil, func(r *rig) {
			r.b.Store("Delivery/d/1", []byte("one"), nil)
			r.wantShown("Delivery/d", "1")
			for i := len("Delivery/"); i < len(trash); i++ {
				if trash[i] != '/' {
					continue
				}
				if err := r.Mkdir(r.Context(), trash[:i], nil); err != nil {
					r.Fatal(err)
				}
			}
			if _, err := r.Rename(r.Context(), "Delivery/d",
				trash, ShownVersion{}); !errors.Is(err, ErrPrivate) {
				r.Errorf("rename to %s = %v, want %v", trash, err, ErrPrivate)
			}
			r.drain()
			for _, key := range r.b.Keys() {
				if strings.Contains(key, ".Trash") {
					r.Errorf("S3 has %q", key)
				}
			}
			r.wantShown("Delivery/d", "1")
		})
	}
}

// TestRenameOverALostAnswer renames a file over one that S3 has, without an answer to the request:
// what S3 holds there is replaced, and is not taken for a content of the renamed file.
func TestRenameOverALostAnswer(t *testing.T) {
	const path = "Delivery/f"
	for name, change := range map[string]func(*rig) *Handle{
		"delivered": func(*rig) *Handle { return nil },
		"open":      func(r *rig) *Handle { return r.open(path, OpenMode{Write: true}) },
		"of a new time": func(r *rig) *Handle {
			if err := r.SetMtime(r.Context(), path, touchedTime); err != nil {
				r.Fatal(err)
			}
			return nil
		},
		"changed": func(r *rig) *Handle { r.edit(path, "content"[:1]); return nil },
		"written": func(r *rig) *Handle {
			h := r.open(path, OpenMode{Write: true, Truncate: true})
			r.writeAt(h, "content", 0)
			return h
		},
	} {
		for _, kill := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, killed %t", name, kill), func(t *testing.T) {
				var lose atomic.Bool
				lossy := func(b buckettest.S3) buckettest.S3 {
					return buckettest.Wrap(b,
						func(ctx context.Context, op, key string, send func() error) error {
							if lose.Load() && key == "Delivery/g" &&
								(op == buckettest.Put || op == buckettest.Copy) {
								return buckettest.LoseAnswer(ctx, op, key, send)
							}
							return send()
						})
				}
				synctest.Test(t, func(t *testing.T) {
					b, dir := buckettest.New(), t.TempDir()
					begin := func() *rig { return rigIn(t, lossy(b), b, dir) }
					r := begin()
					defer func() { r.Close() }()
					b.Store(path, []byte("content"), nil)
					lose.Store(true)
					r.create("Delivery/g", "another").Release()
					time.Sleep(time.Second)
					if _, there := b.Data("Delivery/g"); !there {
						t.Fatal("S3 has got no request for g")
					}
					h := change(r)
					lose.Store(name == "open" || name == "of a new time")
					r.rename(path, "Delivery/g")
					if h != nil {
						h.Release()
					}
					if kill {
						r.Close()
						r = begin()
					}
					time.Sleep(time.Second)
					lose.Store(false)
					r.drain()
					r.wantBucket(map[string]string{"Delivery/g": "content"})
				})
			})
		}
	}
}
