package outbox

import (
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/s3share/s3share/s3backend"
)

// fakeWriter is a process that a test ends.
type fakeWriter struct {
	killed atomic.Bool
	uses   atomic.Int64
	asked  atomic.Int64
}

func (w *fakeWriter) Killed() bool {
	w.asked.Add(1)
	return w.killed.Load()
}

func (w *fakeWriter) Hold()    { w.uses.Add(1) }
func (w *fakeWriter) Release() { w.uses.Add(-1) }

// TestHowWritersEnd has processes write one file, and be ended by signals or not.
func TestHowWritersEnd(t *testing.T) {
	const later = 2 * defaultSettle
	for _, c := range []struct {
		name string
		do   func(r *rig, it *Item, a, b *fakeWriter) // the file is open; a has made it
		want string                                   // what S3 holds in the end; "" for nothing
	}{
		{"it goes on", func(r *rig, it *Item, a, _ *fakeWriter) {
			r.writeBy(it, a, "one")
			r.closeBy(it, a)
		}, "one"},
		{"it closes the file first, and is killed", func(r *rig, it *Item, a, _ *fakeWriter) {
			r.writeBy(it, a, "one")
			r.closeBy(it, a)
			time.Sleep(defaultSettle / 2)
			a.killed.Store(true)
		}, ""},
		{"it is killed when the file was delivered", func(r *rig, it *Item, a, _ *fakeWriter) {
			r.writeBy(it, a, "one")
			r.closeBy(it, a)
			time.Sleep(later)
			a.killed.Store(true)
		}, "one"},
		{"it is killed and closes the file for that", func(r *rig, it *Item, a, _ *fakeWriter) {
			r.writeBy(it, a, "one")
			it.ClosedBy(a, true)
			r.done(it)
		}, ""},
		{"it has made the file, has not written to it, and is killed",
			func(r *rig, it *Item, a, _ *fakeWriter) {
				a.killed.Store(true)
				r.done(it)
			}, ""},
		{"it has made the file for another, and is killed",
			func(r *rig, it *Item, a, b *fakeWriter) {
				r.writeBy(it, b, "one")
				a.killed.Store(true)
				it.ClosedBy(a, true)
				r.closeBy(it, b)
			}, "one"},
		{"another has written to it, and is killed while the first has it open",
			func(r *rig, it *Item, a, b *fakeWriter) {
				r.writeBy(it, b, "half")
				b.killed.Store(true)
				time.Sleep(later)
				r.closeBy(it, a)
			}, ""},
		{"another goes on after it was killed", func(r *rig, it *Item, a, b *fakeWriter) {
			r.writeBy(it, a, "one")
			a.killed.Store(true)
			r.writeBy(it, b, "two")
			r.closeBy(it, b)
		}, ""},
		{"it has written through a map, and is killed", func(r *rig, it *Item, a, b *fakeWriter) {
			it.OpenedBy(b)
			r.write(it, []byte("one"), 0)
			it.OpenedBy(b)
			b.killed.Store(true)
			r.done(it)
		}, ""},
		{"it was done with the file long before it is killed, and another has it open still",
			func(r *rig, it *Item, a, b *fakeWriter) {
				r.writeBy(it, a, "one")
				it.ClosedBy(a, false)
				it.CheckWritersLater()
				time.Sleep(later)
				a.killed.Store(true)
				r.writeBy(it, b, "two")
				r.closeBy(it, b)
			}, "onetwo"},
		{"it is killed just after it has closed the file, and another has it open still",
			func(r *rig, it *Item, a, b *fakeWriter) {
				r.writeBy(it, a, "one")
				it.ClosedBy(a, false)
				it.CheckWritersLater()
				time.Sleep(defaultSettle / 2)
				a.killed.Store(true)
				time.Sleep(later)
				r.writeBy(it, b, "two")
				r.closeBy(it, b)
			}, ""},
		{"it has come back to the file, and is killed", func(r *rig, it *Item, a, b *fakeWriter) {
			r.writeBy(it, a, "one")
			it.ClosedBy(a, false)
			it.CheckWritersLater()
			time.Sleep(later)
			r.writeBy(it, a, "two")
			a.killed.Store(true)
			r.done(it)
		}, ""},
		{"another writes the file anew after it was killed",
			func(r *rig, it *Item, a, b *fakeWriter) {
				r.writeBy(it, a, "half")
				a.killed.Store(true)
				r.done(it)
				r.hold(it)
				if err := it.Truncate(0); err != nil {
					r.Fatal(err)
				}
				it.BegunBy(b)
				r.writeBy(it, b, "two")
				r.closeBy(it, b)
			}, "two"},
		{"another goes on with the file that it has left",
			func(r *rig, it *Item, a, b *fakeWriter) {
				r.writeBy(it, a, "half")
				it.ClosedBy(a, true)
				r.done(it)
				time.Sleep(later)
				r.hold(it)
				r.writeBy(it, b, " and the rest")
				r.closeBy(it, b)
			}, "half and the rest"},
		{"so many have written to it that it is not remembered",
			func(r *rig, it *Item, a, b *fakeWriter) {
				r.writeBy(it, a, "half")
				a.killed.Store(true)
				for range maxWriters + 1 {
					r.writeBy(it, &fakeWriter{}, "x")
				}
				r.closeBy(it, b)
			}, ""},
		{"it is killed while the file has a private name",
			func(r *rig, it *Item, a, _ *fakeWriter) {
				if err := it.Rename("Delivery/a.part", s3backend.Object{}, nil); err != nil {
					r.Fatal(err)
				}
				r.writeBy(it, a, "half")
				r.closeBy(it, a)
				a.killed.Store(true)
				time.Sleep(later)
				r.hold(it)
				if err := it.Rename("Delivery/a", s3backend.Object{}, nil); err != nil {
					r.Fatal(err)
				}
				r.done(it)
			}, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			for _, again := range []bool{false, true} {
				recoverable(t, nil, func(r *rig) {
					defer func() { r.Close() }()
					a, b := &fakeWriter{}, &fakeWriter{}
					it := r.create("Delivery/a", nil)
					it.BegunBy(a)
					c.do(r, it, a, b)
					time.Sleep(later)
					synctest.Wait()
					if n := a.uses.Load() + b.uses.Load(); n != 0 {
						r.Errorf("%d uses of its writers are left", n)
					}
					if again {
						r = r.again()
						r.resume()
						time.Sleep(later)
						synctest.Wait()
					}
					if c.want != "" {
						r.wantHolds("Delivery/a", []byte(c.want))
						return
					}
					r.wantKeys()
					if st := r.Status(); len(st) != 1 ||
						st[0].State != Interrupted || st[0].Reason == "" {
						r.Errorf("status %+v, want it interrupted, and why", st)
					}
				})
			}
		})
	}
}

// writeBy has w write behind the end.
func (r *rig) writeBy(it *Item, w *fakeWriter, text string) {
	r.Helper()
	it.WrittenBy(w)
	if _, _, err := it.Append([]byte(text)); err != nil {
		r.Fatal(err)
	}
}

// closeBy has w be the last who closes the file.
func (r *rig) closeBy(it *Item, w *fakeWriter) {
	it.ClosedBy(w, false)
	r.done(it)
}

// TestWritersAreAskedSeldom: a program that writes much is not asked each time how it is.
func TestWritersAreAskedSeldom(t *testing.T) {
	bubble(t, Config{}, nil, func(r *rig) {
		w := &fakeWriter{}
		it := r.create("Delivery/a", nil)
		it.BegunBy(w)
		for range 1000 {
			r.writeBy(it, w, "x")
		}
		r.closeBy(it, w)
		r.drain()
		if n := w.asked.Load(); n != 1 {
			r.Errorf("it was asked %d times, want once", n)
		}
	})
}
