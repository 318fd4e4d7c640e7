package cache

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/s3share/s3share/cache/buckettest"
)

// TestCloseBeforeTheHandlesBeforeEnd has programs close a file and open it again, while
// the kernel has not yet told that the earlier handles have ended, which it does when it
// likes. Each close counts: what was closed outlives the daemon, and is at S3 where close
// waits for that. While another program has the file open to write, it does not.
func TestCloseBeforeTheHandlesBeforeEnd(t *testing.T) {
	for _, sync := range []bool{false, true} {
		for _, last := range []Closing{{Last: true}, {Unsure: true}} {
			for _, before := range []int{1, 2, 5} {
				for _, other := range []string{"", "open", "closed and written"} {
					name := fmt.Sprintf("sync %t, %+v, %d before, another %q",
						sync, last, before, other)
					t.Run(name, func(t *testing.T) { closeBeforeEnd(t, sync, last, before, other) })
				}
			}
		}
	}
}

func closeBeforeEnd(t *testing.T, sync bool, last Closing, before int, other string) {
	const key = "Delivery/f"
	b := buckettest.New()
	cfg := Config{Folders: []string{"Delivery"}, StateDir: t.TempDir(),
		Memory: 16 << 20, Sync: sync}
	c, err := New(b, cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	r := &rig{t, c, b}
	flush := func(h *Handle, how Closing) {
		t.Helper()
		if err := h.Flush(t.Context(), how); err != nil {
			t.Fatalf("close: %v", err)
		}
	}
	h := r.create(key, "0")
	defer func() { h.Release() }()
	for i := range before {
		flush(h, last)
		defer h.Release()
		h = r.open(key, OpenMode{Write: true})
		r.writeAt(h, fmt.Sprint(i+1), 0)
	}
	if other != "" {
		o := r.open(key, OpenMode{Write: true})
		defer o.Release()
		if other != "open" {
			flush(o, last)
			r.writeAt(o, "9", 0) // by a descriptor that another process has
		}
	}
	flush(h, last)

	want := fmt.Sprint(before)
	if other == "" && sync && last.Last {
		if got, _ := b.Data(key); string(got) != want {
			t.Errorf("S3 holds %q after close has waited for it, want %q", got, want)
		}
	}
	next := afterKill(t, b, cfg)
	err = next.deliveries.Drain(t.Context())
	data, _ := b.Data(key)
	switch got := string(data); {
	case other != "" && err == nil:
		t.Errorf("a file that another program was writing counts as complete, and S3 holds %q", got)
	case other == "" && (err != nil || got != want):
		t.Errorf("what was closed is not delivered by the next process: %v; S3 holds %q, want %q",
			err, got, want)
	}
}

// newRig is a cache over an empty bucket, with the configuration by which afterKill goes on.
func newRig(t *testing.T) (*rig, Config) {
	t.Helper()
	b := buckettest.New()
	cfg := Config{Folders: []string{"Delivery"}, StateDir: t.TempDir(), Memory: 16 << 20}
	c, err := New(b, cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return &rig{t, c, b}, cfg
}

// afterKill is the next process, where the one with this configuration is killed now.
func afterKill(t *testing.T, b Bucket, cfg Config) *Cache {
	t.Helper()
	state := cfg.StateDir
	cfg.StateDir = filepath.Join(t.TempDir(), "state")
	if err := os.CopyFS(cfg.StateDir, os.DirFS(state)); err != nil {
		t.Fatal(err)
	}
	next, err := New(b, cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { next.Close() })
	return next
}

// TestChangeOfAClosedFileBeforeItsHandlesEnd has a program set the time, the mode or the size
// of a file that it has closed, while the kernel has not yet told that the handle has ended.
// The change outlives the daemon, and the file is still closed.
func TestChangeOfAClosedFileBeforeItsHandlesEnd(t *testing.T) {
	at := time.Unix(1e9, 0)
	changes := map[string]func(c *Cache, key string) error{
		"time": func(c *Cache, key string) error { return c.SetMtime(t.Context(), key, at) },
		"mode": func(c *Cache, key string) error { return c.SetMode(t.Context(), key, 0o600) },
		"size": func(c *Cache, key string) error { return c.Truncate(t.Context(), key, 1) },
		"all": func(c *Cache, key string) error {
			return errors.Join(c.Truncate(t.Context(), key, 1), c.SetMtime(t.Context(), key, at),
				c.SetMode(t.Context(), key, 0o600))
		},
	}
	for name, change := range changes {
		for _, before := range []int{1, 3} {
			t.Run(fmt.Sprintf("%s, %d handles", name, before), func(t *testing.T) {
				const key = "Delivery/f"
				r, cfg := newRig(t)
				h := r.create(key, "data")
				for range before {
					if err := h.Flush(t.Context(), Closing{Last: true}); err != nil {
						t.Fatal(err)
					}
					defer h.Release()
					h = r.open(key, OpenMode{})
				}
				h.Release()
				if err := change(r.Cache, key); err != nil {
					t.Fatal(err)
				}
				want, err := r.Stat(t.Context(), key)
				if err != nil {
					t.Fatal(err)
				}
				next := afterKill(t, r.b, cfg)
				got, err := next.Stat(t.Context(), key)
				if err != nil {
					t.Fatal(err)
				}
				if got.Size != want.Size || !got.Mtime.Equal(want.Mtime) || got.Mode != want.Mode ||
					got.HasMode != want.HasMode {
					t.Errorf("the next process shows %d bytes, %v, mode %o; want %d, %v, %o",
						got.Size, got.Mtime, got.Mode, want.Size, want.Mtime, want.Mode)
				}
				if err := next.deliveries.Drain(t.Context()); err != nil {
					t.Errorf("Drain in the next process: %v", err)
				}
			})
		}
	}
}
