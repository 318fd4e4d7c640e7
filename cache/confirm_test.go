package cache

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/s3share/s3share/cache/buckettest"
	"github.com/s3share/s3share/cache/keyname"
	"github.com/s3share/s3share/cache/outbox"
	"github.com/s3share/s3share/s3backend"
)

// outage answers no request while it is on.
func outage(on *atomic.Bool, kind s3backend.Kind) func(buckettest.S3) buckettest.S3 {
	return func(b buckettest.S3) buckettest.S3 {
		return buckettest.Answer(b, "", func() error {
			if on.Load() {
				return kind
			}
			return nil
		})
	}
}

// TestDeliveredIsSaidOfWhatS3HasConfirmed asks for paths in every situation: while S3
// answers, and then while it does not.
func TestDeliveredIsSaidOfWhatS3HasConfirmed(t *testing.T) {
	for _, kind := range []s3backend.Kind{s3backend.Other, s3backend.BadLogin,
		s3backend.Denied, s3backend.Busy} {
		t.Run(kind.Error(), func(t *testing.T) {
			var away atomic.Bool
			bubble(t, outage(&away, kind), func(r *rig) {
				r.b.Store("Delivery/theirs", []byte("theirs"), nil)
				r.b.Store("Delivery/dir/theirs", []byte("theirs"), nil)
				r.create("Delivery/ours", "ours").Release()
				r.create("Delivery/gone", "gone").Release()
				r.create("Delivery/old", "renamed").Release()
				r.create("Delivery/replaced", "ours").Release()
				r.drain()
				r.remove("Delivery/gone")
				r.rename("Delivery/old", "Delivery/new")
				r.drain()
				r.b.Store("Delivery/replaced", []byte("theirs"), nil)
				time.Sleep(time.Minute)
				r.shown("Delivery/replaced") // the other party's version was seen
				r.create("Delivery/waits", "waits").Release()

				want := func(away bool, path string, is Presence) {
					r.Helper()
					got := r.Confirm(r.Context(), path)
					if got.Is != is ||
						(got.Err != nil) != (is == Unknown || away && is == Delivered) {
						r.Errorf("S3 away: %v: Confirm(%q) = %+v, want %s", away, path, got, is)
					}
				}
				for path, is := range map[string]Presence{
					"": Directory, "Delivery": Directory, "Elsewhere": Absent,
					"Delivery/theirs": Delivered, "Delivery/dir": Directory, "Delivery/dir/theirs": Delivered,
					"Delivery/ours": Delivered, "Delivery/new": Delivered, "Delivery/replaced": Delivered,
					"Delivery/waits": Waiting, "Delivery/gone": Removed, "Delivery/old": Removed,
					"Delivery/never": Absent, "Delivery/never/ever": Absent, "Delivery/␛zz": Absent,
				} {
					want(false, path, is)
				}
				away.Store(true)
				time.Sleep(2 * time.Second) // longer than an answer counts as fresh
				for path, is := range map[string]Presence{
					"": Directory, "Delivery": Directory, "Elsewhere": Absent,
					"Delivery/theirs": Unknown, "Delivery/dir": Unknown, "Delivery/dir/theirs": Unknown,
					"Delivery/ours": Delivered, "Delivery/new": Delivered, "Delivery/replaced": Unknown,
					"Delivery/waits": Waiting, "Delivery/gone": Unknown, "Delivery/old": Unknown,
					"Delivery/never": Unknown, "Delivery/never/ever": Unknown, "Delivery/␛zz": Absent,
				} {
					want(true, path, is)
				}
				away.Store(false)
			})
		})
	}
}

// TestEveryNameIsAskedForByWhatLeadsToIt: names are bytes, and control characters are
// shown in another form than they may be typed in.
func TestEveryNameIsAskedForByWhatLeadsToIt(t *testing.T) {
	for _, tt := range []struct{ key, path string }{
		{"Delivery/a", "Delivery/a"},
		{"Delivery/a b", "Delivery/a b"},
		{"Delivery/a\tb", "Delivery/a\tb"},
		{"Delivery/a\tb", keyname.Path("Delivery/a\tb")},
		{"Delivery/a\nb", "Delivery/a\nb"},
		{"Delivery/\x1b[31m", "Delivery/\x1b[31m"},
		{"Delivery/dir\t/a", "Delivery/dir\t"},
		{"Delivery/dir/", "Delivery/dir"},
		{"Delivery/caf\xe9", keyname.Path("Delivery/caf\xe9")},
	} {
		if !Below(tt.path)(outbox.Status{Key: tt.key}) {
			t.Errorf("what waits at the key %q is not found by the path %q", tt.key, tt.path)
		}
	}
	for _, tt := range []struct{ key, path string }{
		{"Delivery/ab", "Delivery/a"},
		{"Delivery/a", "Delivery/a/b"},
		{"Delivery/a?b", "Delivery/a\tb"},
		{"Delivery/caf\xe8", keyname.Path("Delivery/caf\xe9")},
		{"Delivery/dir/a", "Delivery/dir␛"},
	} {
		if Below(tt.path)(outbox.Status{Key: tt.key}) {
			t.Errorf("what waits at the key %q is found by the path %q", tt.key, tt.path)
		}
	}
}

// TestWaitSaysWhatBecameOfAFile waits for a file that is delivered, removed or renamed
// meanwhile.
func TestWaitSaysWhatBecameOfAFile(t *testing.T) {
	const path = "Delivery/a"
	for _, tt := range []struct {
		name string
		do   func(r *rig)
		want Presence
	}{
		{"delivered", func(*rig) {}, Delivered},
		{"removed", func(r *rig) { r.remove(path) }, Absent},
		{"renamed", func(r *rig) { r.rename(path, "Delivery/b") }, Absent},
		{"replaced", func(r *rig) {
			r.create("Delivery/b", "new").Release()
			r.rename("Delivery/b", path)
		}, Delivered},
	} {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, nil, func(r *rig) {
				r.create(path, "data").Release()
				got := make(chan Confirmed)
				go func() {
					found := Confirmed{Is: Waiting}
					for found.Is == Waiting { // the rename is not over, or something new waits
						if err := r.deliveries.Wait(r.Context(), path); err != nil {
							t.Error(err)
						}
						found = r.Confirm(r.Context(), path)
					}
					got <- found
				}()
				synctest.Wait()
				tt.do(r)
				if found := <-got; found.Is != tt.want || found.Err != nil {
					t.Errorf("Wait = %+v, want %s", found, tt.want)
				}
			})
		})
	}
}

// TestBelowARemovedDirectoryIsNothing: no file is said to be delivered there.
func TestBelowARemovedDirectoryIsNothing(t *testing.T) {
	bubble(t, nil, func(r *rig) {
		if err := r.Mkdir(r.Context(), "Delivery/dir", nil); err != nil {
			t.Fatal(err)
		}
		r.create("Delivery/dir/a", "data").Release()
		r.drain()
		r.remove("Delivery/dir/a")
		if err := r.Rmdir(r.Context(), "Delivery/dir"); err != nil {
			t.Fatal(err)
		}
		for _, path := range []string{"Delivery/dir/a", "Delivery/dir", "Delivery/dir/never"} {
			err := r.deliveries.Wait(r.Context(), path)
			if found := r.Confirm(r.Context(), path); err != nil ||
				found.Is != Removed && found.Is != Absent {
				t.Errorf("Wait(%q) = %v and Confirm = %+v, want nothing there", path, err, found)
			}
		}
	})
}

// TestWaitDoesNotTakeAnErrorForAnAnswer waits for a file that was never written, and for
// one that S3 refuses.
func TestWaitDoesNotTakeAnErrorForAnAnswer(t *testing.T) {
	var away atomic.Bool
	away.Store(true)
	bubble(t, outage(&away, s3backend.Other), func(r *rig) {
		err := r.deliveries.Wait(r.Context(), "Delivery/never")
		if found := r.Confirm(r.Context(), "Delivery/never"); err != nil ||
			found.Is != Unknown || found.Err == nil {
			t.Errorf("Wait = %v and Confirm = %+v, want that it is not known and why", err, found)
		}
		ctx, cancel := context.WithTimeout(r.Context(), time.Minute)
		defer cancel()
		away.Store(false)
		h := r.create("Delivery/a", "data")
		away.Store(true)
		h.Release()
		if err := r.deliveries.Wait(ctx, "Delivery/a"); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Wait = %v while S3 is away", err)
		}
		away.Store(false)
	})
}

// TestUnlistedIsUnknown: where the policy lets this account put, and neither list nor
// get, nobody knows what is under a name that was not sent from here.
func TestUnlistedIsUnknown(t *testing.T) {
	p := &policy{}
	p.put.Store(true)
	synctest.Test(t, func(t *testing.T) {
		b := buckettest.New()
		under := buckettest.Deny(buckettest.Deny(b, buckettest.List, ""), buckettest.Get, "")
		c, err := New(under, Config{Folders: []string{"Delivery"}, StateDir: t.TempDir(),
			Memory: 4 << 20, Checker: p})
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		r := &rig{t, c, b}
		time.Sleep(time.Minute) // the probes are answered
		r.create("Delivery/ours", "ours").Release()
		r.drain()
		sent := time.Now()
		time.Sleep(time.Minute)
		for path, want := range map[string]Presence{"Delivery/ours": Delivered,
			"Delivery/never": Unknown} {
			if got := c.Confirm(t.Context(), path); got.Is != want ||
				!errors.Is(got.Err, errUnlisted) || want == Delivered && got.At.After(sent) {
				t.Errorf("Confirm(%q) = %+v, want %s", path, got, want)
			}
		}
		// The policy is another, and what was listed from the ledger is looked at still.
		p.put.Store(false)
		c.deliveries.Retry("")
		synctest.Wait()
		if got := c.Confirm(t.Context(), "Delivery/never"); got.Is != Unknown {
			t.Errorf("Confirm = %+v once the policy refuses all, want %s", got, Unknown)
		}
	})
}

// TestStateOfAnOpenFile: a file without a name has no state, since nothing of it is
// ever delivered.
func TestStateOfAnOpenFile(t *testing.T) {
	bubble(t, nil, func(r *rig) {
		h := r.create("Delivery/a", "data")
		if st := r.deliveries.StatusOf(h.File().Attr()); st.State != outbox.Open {
			t.Errorf("the state of a file being written is %q", st.State)
		}
		r.remove("Delivery/a")
		if st := r.deliveries.StatusOf(h.File().Attr()); st.State != "" {
			t.Errorf("the state of a removed file is %q", st.State)
		}
		if all := r.deliveries.StatusAt(""); len(all) > 0 {
			t.Errorf("of a removed file %+v waits", all)
		}
		r.drain()
		h.Release()
		r.create("Delivery/b", "data").Release()
		r.drain()
		h = r.open("Delivery/b", OpenMode{})
		defer h.Release()
		if st := r.deliveries.StatusOf(h.File().Attr()); st.State != outbox.Delivered {
			t.Errorf("the state of a delivered file is %q", st.State)
		}
		r.remove("Delivery/b")
		if st := r.deliveries.StatusOf(h.File().Attr()); st.State != "" {
			t.Errorf("the state of a delivered and removed file is %q", st.State)
		}
	})
}
