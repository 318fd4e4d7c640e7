package cache

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/s3share/s3share/cache/buckettest"
	"github.com/s3share/s3share/cache/grants"
	"github.com/s3share/s3share/s3backend"
)

// Times of package grants.
const (
	rest        = time.Second
	restless    = 5 * time.Second
	refusalAge  = 10 * time.Minute
	maxRefusals = 6
	firstWait   = time.Second
)

// policy answers probes as a bucket's policy would.
type policy struct {
	list, get, put atomic.Bool
	slow           atomic.Int64 // nanoseconds that an answer takes
	asked, read    atomic.Int32 // probes of put, and of get
}

func (p *policy) says(ctx context.Context, granted *atomic.Bool) error {
	select {
	case <-time.After(time.Duration(p.slow.Load())):
	case <-ctx.Done():
		return ctx.Err()
	}
	if granted.Load() {
		return nil
	}
	return &s3backend.Error{Op: "Probe", Kind: s3backend.Denied}
}

func (p *policy) MayList(ctx context.Context, _ string) error { return p.says(ctx, &p.list) }

func (p *policy) MayGet(ctx context.Context, _ string, _ error) error {
	p.read.Add(1)
	return p.says(ctx, &p.get)
}

func (p *policy) MayPut(ctx context.Context,
	_ string, u s3backend.Upload) (s3backend.Upload, error) {
	p.asked.Add(1)
	return u, p.says(ctx, &p.put)
}

// governed runs a test under a policy, in its own time.
func governed(t *testing.T, p *policy, test func(*rig)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		b := buckettest.New()
		under := buckettest.Answer(b, buckettest.Copy, func() error {
			if !p.put.Load() {
				return s3backend.Denied
			}
			return nil
		})
		c, err := New(under, Config{Folders: []string{"Delivery"}, StateDir: t.TempDir(),
			Memory: 4 << 20, Checker: p})
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		test(&rig{t, c, b})
	})
}

func (r *rig) wantDenied(path string, want uint32) {
	r.Helper()
	a, err := r.Stat(r.Context(), path)
	if err != nil || a.Deny != want {
		r.Errorf("Stat %q denies %#o, %v, want %#o", path, a.Deny, err, want)
	}
}

// TestGrantsShown shows what the policy grants as permission bits.
func TestGrantsShown(t *testing.T) {
	for _, tt := range []struct {
		list, get, put bool
		folder, file   uint32
	}{
		{true, true, true, 0, 0},
		{true, true, false, grants.WriteBits, grants.WriteBits},
		{true, false, true, 0, grants.ReadBits},
		{true, false, false, grants.WriteBits, grants.ReadBits | grants.WriteBits},
	} {
		p := new(policy)
		p.list.Store(tt.list)
		p.get.Store(tt.get)
		p.put.Store(tt.put)
		governed(t, p, func(r *rig) {
			r.b.Store("Delivery/dir/f", []byte("theirs"), nil)
			time.Sleep(2 * rest)
			r.wantDenied("Delivery", tt.folder)
			r.wantDenied("Delivery/dir", tt.folder)
			r.wantDenied("Delivery/dir/f", tt.file)
		})
	}
}

// TestPutRefused refuses what could not be delivered before a byte is staged, from
// the first file on, and believes it for a while only.
func TestPutRefused(t *testing.T) {
	p := new(policy)
	p.list.Store(true)
	p.get.Store(true)
	p.slow.Store(int64(100 * time.Millisecond))
	governed(t, p, func(r *rig) {
		r.b.Store("Delivery/theirs", []byte("theirs"), nil)
		// S3 itself refuses the copy of a rename, which nothing need go before.
		for call, do := range map[string]func() error{
			"Create":   func() error { return second(r.Create(r.Context(), "Delivery/f", nil, true, OpenMode{})) },
			"Open":     func() error { return second(r.Open(r.Context(), "Delivery/theirs", OpenMode{Write: true})) },
			"Truncate": func() error { return r.Truncate(r.Context(), "Delivery/theirs", 0) },
			"Mkdir":    func() error { return r.Mkdir(r.Context(), "Delivery/dir", nil) },
			"Rename":   func() error { return second(r.Rename(r.Context(), "Delivery/theirs", "Delivery/f", ShownVersion{})) },
		} {
			if err := do(); !errors.Is(err, s3backend.Denied) {
				t.Errorf("%s = %v, want Denied", call, err)
			}
		}
		if left := r.deliveries.Status(); len(left) > 0 {
			t.Errorf("owed: %+v", left)
		}
		p.put.Store(true)
		time.Sleep(refusalAge + time.Second)
		r.wantDenied("Delivery", grants.WriteBits) // asks behind us
		time.Sleep(time.Second)
		r.wantDenied("Delivery", 0)
		r.create("Delivery/f", "ours").Release()
		r.drain()
	})
}

// TestProbesWaitForRest asks nothing while a new mount is in use, and of putting alone
// when a file is made.
func TestProbesWaitForRest(t *testing.T) {
	p := new(policy)
	for _, granted := range []*atomic.Bool{&p.list, &p.get, &p.put} {
		granted.Store(true)
	}
	governed(t, p, func(r *rig) {
		want := func(when string, put, get int32) {
			t.Helper()
			synctest.Wait()
			if p.asked.Load() != put || p.read.Load() != get {
				t.Errorf("%s: %d probes of put and %d of get, want %d and %d", when, p.asked.Load(),
					p.read.Load(), put, get)
			}
		}
		look := func() { r.Cache.names.List("Delivery/", 0) } // as whoever reads the folder
		for range 4 {
			look()
			time.Sleep(rest - time.Millisecond)
		}
		want("in use", 0, 0)
		r.create("Delivery/f", "ours").Release()
		want("with a file made", 1, 0)
		time.Sleep(2 * rest)
		want("at rest", 1, 1)
		time.Sleep(time.Hour)
		want("while nobody looks", 1, 1)
		look()
		r.wantDenied("Delivery", 0)
		want("when somebody looks again", 2, 2)
	})
	p.asked.Store(0)
	governed(t, p, func(r *rig) {
		for begun := time.Now(); time.Since(begun) <= restless; time.Sleep(rest / 2) {
			r.Cache.names.List("Delivery/", 0)
		}
		synctest.Wait()
		if p.asked.Load() != 1 {
			t.Errorf("%d probes of a mount that has no rest, want 1", p.asked.Load())
		}
	})
}

// TestDoubt probes a folder anew when S3 refuses what had been granted, and refuses
// the next file at once.
func TestDoubt(t *testing.T) {
	p := new(policy)
	p.put.Store(true)
	p.get.Store(true)
	synctest.Test(t, func(t *testing.T) {
		b := buckettest.New()
		denied := &s3backend.Error{Op: "PutObject", Kind: s3backend.Denied}
		c, err := New(buckettest.Fail(b, buckettest.Put, 1, denied),
			Config{Folders: []string{"Delivery"}, StateDir: t.TempDir(), Checker: p})
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		r := &rig{t, c, b}
		time.Sleep(10 * time.Second)
		p.put.Store(false)
		r.create("Delivery/f", "ours").Release()
		time.Sleep(time.Second)
		if n := p.asked.Load(); n != 2 {
			t.Errorf("probed %d times, want 2", n)
		}
		if _, err := r.Create(r.Context(), "Delivery/g", nil,
			true, OpenMode{}); !errors.Is(err, s3backend.Denied) {
			t.Errorf("Create after a refusal = %v, want Denied", err)
		}
	})
}

// TestSlowProbe makes nobody wait who reads, and who writes for a second only.
func TestSlowProbe(t *testing.T) {
	p := new(policy)
	p.slow.Store(int64(time.Hour))
	governed(t, p, func(r *rig) {
		begun := time.Now()
		r.wantDenied("Delivery", 0)
		r.create("Delivery/f", "ours").Release()
		if took := time.Since(begun); took > firstWait {
			t.Errorf("it took %s", took)
		}
	})
}

// TestFewRefusals has programs look and try all day in a folder where nothing is granted:
// no more than a few requests an hour are refused for that.
func TestFewRefusals(t *testing.T) {
	p := new(policy)
	p.list.Store(true)
	governed(t, p, func(r *rig) {
		r.b.Store("Delivery/theirs", []byte("theirs"), nil)
		for hour := range 4 {
			before := p.asked.Load() + p.read.Load()
			for begun := time.Now(); time.Since(begun) < time.Hour; time.Sleep(20 * time.Second) {
				_, _ = r.Stat(r.Context(), "Delivery/theirs")
				if _, err := r.Create(r.Context(), "Delivery/f",
					nil, true, OpenMode{}); err == nil {
					t.Fatal("a file was made that cannot be delivered")
				}
			}
			synctest.Wait()
			if n := p.asked.Load() + p.read.Load() - before; n > maxRefusals+2 {
				t.Errorf("%d probes were refused in hour %d, want %d at most", n,
					hour, maxRefusals+2)
			}
		}
		// A person who says that things have changed is believed.
		p.put.Store(true)
		p.get.Store(true)
		r.deliveries.Retry("")
		synctest.Wait()
		r.create("Delivery/f", "ours").Release()
		r.wantDenied("Delivery/theirs", 0)
		r.drain()
	})
}

// TestReadBitsComeBack shows a file as readable again once something of the other party's
// was read, whatever the probes were told.
func TestReadBitsComeBack(t *testing.T) {
	p := new(policy)
	p.list.Store(true)
	p.put.Store(true)
	governed(t, p, func(r *rig) {
		r.b.Store("Delivery/theirs", []byte("theirs"), nil)
		r.b.Store("Delivery/other", []byte("theirs too"), nil)
		r.wantShown("Delivery", "other", "theirs")
		time.Sleep(2 * rest)
		r.wantDenied("Delivery/other", grants.ReadBits)
		r.wantText("Delivery/theirs", "theirs") // as root, whom no bits keep out
		r.wantDenied("Delivery/other", 0)
	})
}
