package cache

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/sys/unix"

	"github.com/s3share/s3share/cache/buckettest"
	"github.com/s3share/s3share/cache/outbox"
)

// crowded is an exchange whose outbox takes 10 bytes.
func crowded(t *testing.T, test func(*rig)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		b := buckettest.New()
		c, err := New(b, Config{Folders: []string{"Delivery"}, StateDir: t.TempDir(),
			StageSize: 10, Memory: 16 << 20})
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		test(&rig{t, c, b})
	})
}

// refuse has a write be refused, of which the outbox has no room for the half.
func (r *rig) refuse(h *Handle) {
	r.Helper()
	if _, err := h.WriteAt(r.Context(), []byte("twelve bytes"), 0); !errors.Is(err, unix.ENOSPC) {
		r.Fatalf("WriteAt = %v, want ENOSPC", err)
	}
}

// TestWhatResolvesARefusedWrite has a program be refused a write over a version that S3
// holds, and close the file. What is sent then, and when, is what somebody writes anew.
func TestWhatResolvesARefusedWrite(t *testing.T) {
	const path = "Delivery/f"
	for _, c := range []struct {
		name  string
		after func(r *rig, h *Handle) // h is still open; it is released here
		state outbox.State
		want  string // what S3 holds in the end
	}{
		{"nothing", func(r *rig, h *Handle) { h.Release() }, outbox.Interrupted, "old"},
		{"another write by the same program", func(r *rig, h *Handle) {
			r.writeAt(h, "short", 0)
			h.Release()
		}, outbox.Interrupted, "old"},
		{"an append by another", func(r *rig, h *Handle) {
			h.Release()
			h = r.open(path, OpenMode{Write: true, Append: true})
			r.writeAt(h, "x", 0)
			h.Release()
		}, outbox.Interrupted, "old"},
		{"a program that empties the file when it has failed", func(r *rig, h *Handle) {
			if err := h.Truncate(r.Context(), 0); err != nil {
				r.Fatal(err)
			}
			h.Release()
		}, outbox.Interrupted, "old"},
		{"a program that begins anew when it has failed", func(r *rig, h *Handle) {
			if err := h.Truncate(r.Context(), 0); err != nil {
				r.Fatal(err)
			}
			r.writeAt(h, "new", 0)
			h.Release()
		}, outbox.Delivered, "new"},
		{"a program that begins anew and fails again", func(r *rig, h *Handle) {
			if err := h.Truncate(r.Context(), 0); err != nil {
				r.Fatal(err)
			}
			r.writeAt(h, "new", 0)
			r.refuse(h)
			h.Release()
		}, outbox.Interrupted, "old"},
		{"written anew by another", func(r *rig, h *Handle) {
			h.Release()
			h = r.open(path, OpenMode{Write: true, Truncate: true})
			r.writeAt(h, "new", 0)
			h.Release()
		}, outbox.Delivered, "new"},
		{"emptied by another", func(r *rig, h *Handle) {
			h.Release()
			r.open(path, OpenMode{Write: true, Truncate: true}).Release()
		}, outbox.Delivered, ""},
		{"replaced", func(r *rig, h *Handle) {
			h.Release()
			r.create("Delivery/g", "new").Release()
			r.rename("Delivery/g", path)
		}, outbox.Delivered, "new"},
		{"sent as it is", func(r *rig, h *Handle) {
			r.writeAt(h, "half", 0)
			h.Release()
			if n, err := r.deliveries.Deliver(path); n != 1 || err != nil {
				r.Fatalf("Deliver = %d, %v", n, err)
			}
		}, outbox.Delivered, "half"},
	} {
		t.Run(c.name, func(t *testing.T) {
			crowded(t, func(r *rig) {
				r.create(path, "old").Release()
				r.drain()
				h := r.open(path, OpenMode{Write: true, Truncate: true})
				r.refuse(h)
				c.after(r, h)
				var left *outbox.LeftError
				if err := r.deliveries.Drain(r.Context()); err != nil && !errors.As(err, &left) {
					r.Fatal(err)
				}
				a, err := r.Stat(r.Context(), path)
				if err != nil {
					r.Fatal(err)
				}
				if st := r.deliveries.StatusOf(a); st.State != c.state {
					r.Errorf("%+v, want it %s", st, c.state)
				}
				r.wantBucket(map[string]string{path: c.want})
			})
		})
	}
}

// TestFirstWriteIsRefused cannot even begin to stage a change: what is written after that
// lacks it. Where nothing is, the file is as it was.
func TestFirstWriteIsRefused(t *testing.T) {
	const path = "Delivery/f"
	for _, goesOn := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			b, state := buckettest.New(), t.TempDir()
			c, err := New(b,
				Config{Folders: []string{"Delivery"}, StateDir: state, Memory: 16 << 20})
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			r := &rig{t, c, b}
			r.create(path, "old").Release()
			r.drain()
			h := r.open(path, OpenMode{Write: true})
			stage := stageDir(state)
			if err := os.Rename(stage, stage+"-away"); err != nil {
				t.Fatal(err)
			}
			if _, err := h.WriteAt(t.Context(), []byte("O"), 0); err == nil {
				t.Fatal("a change was staged in a directory that is gone")
			}
			if err := os.Rename(stage+"-away", stage); err != nil {
				t.Fatal(err)
			}
			if goesOn {
				r.writeAt(h, "ld!", 1)
			}
			h.Release()
			var left *outbox.LeftError
			if err := r.deliveries.Drain(r.Context()); errors.As(err, &left) != goesOn {
				t.Errorf("goes on %v: Drain = %v", goesOn, err)
			}
			r.wantBucket(map[string]string{path: "old"})
		})
	}
}

// filesWith returns the paths of the files in a directory whose names end in suffix.
func filesWith(t *testing.T, dir, suffix string) (paths []string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if strings.HasSuffix(e.Name(), suffix) {
			paths = append(paths, filepath.Join(dir, e.Name()))
		}
	}
	return paths
}

// TestRefusedChangeOfADeliveredFileChangesNothing has the disk refuse the journal's record of each
// change of a file that S3 holds: the file is what it was, at once and after its close, and no
// longer pending.
func TestRefusedChangeOfADeliveredFileChangesNothing(t *testing.T) {
	const path = "Delivery/f"
	for _, content := range []string{"", "old content"} {
		for name, change := range map[string]func(h *Handle) error{
			"truncate to nothing": func(h *Handle) error { return h.Truncate(t.Context(), 0) },
			"truncate":            func(h *Handle) error { return h.Truncate(t.Context(), 3) },
			"extend":              func(h *Handle) error { return h.Truncate(t.Context(), 30) },
			"fallocate":           func(h *Handle) error { return h.Allocate(t.Context(), 30) },
			"fallocate nothing":   func(h *Handle) error { return h.Allocate(t.Context(), 0) },
			"punch":               func(h *Handle) error { return h.Punch(t.Context(), 1, 5) },
			"write":               func(h *Handle) error { _, err := h.WriteAt(t.Context(), []byte("new"), 2); return err },
			"write behind":        func(h *Handle) error { _, err := h.WriteAt(t.Context(), []byte("new"), 40); return err },
			"touch":               func(h *Handle) error { return h.SetMtime(t.Context(), time.Unix(1e9, 0)) },
			"chmod":               func(h *Handle) error { return h.SetMode(t.Context(), 0o700) },
		} {
			t.Run(name+" "+content, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					b, state := buckettest.New(), t.TempDir()
					c, err := New(b,
						Config{Folders: []string{"Delivery"}, StateDir: state, Memory: 16 << 20})
					if err != nil {
						t.Fatal(err)
					}
					defer c.Close()
					r := &rig{t, c, b}
					r.create(path, content).Release()
					r.drain()
					was, err := r.Stat(t.Context(), path)
					if err != nil {
						t.Fatal(err)
					}
					time.Sleep(time.Minute)
					h := r.open(path, OpenMode{Write: true})
					if _, err := h.f.change(t.Context()); err != nil {
						t.Fatal(err)
					}
					logs := filesWith(t, stageDir(state), ".log")
					if len(logs) != 1 {
						t.Fatalf("the journals are %q", logs)
					}
					if err := errors.Join(os.Rename(logs[0], logs[0]+"-aside"),
						os.Mkdir(logs[0], 0o700)); err != nil {
						t.Fatal(err)
					}
					if err := change(h); err == nil {
						t.Fatal("it was not refused")
					}
					if err := errors.Join(os.Remove(logs[0]),
						os.Rename(logs[0]+"-aside", logs[0])); err != nil {
						t.Fatal(err)
					}
					for _, when := range []string{"while it is open", "when it is closed"} {
						now, err := r.Stat(t.Context(), path)
						if err != nil || now.Size != was.Size ||
							!now.Mtime.Equal(was.Mtime) || now.Mode != was.Mode {
							t.Errorf("%s it has %d bytes, mode %o, of %v (%v), want %d, %o, %v",
								when,
								now.Size, now.Mode, now.Mtime, err, was.Size, was.Mode, was.Mtime)
						}
						if when == "while it is open" {
							h.Release()
						}
					}
					r.drain()
					r.wantBucket(map[string]string{path: content})
				})
			})
		}
	}
}

// TestRefusedRemovalChangesNothing has the disk refuse the journal of removals: what was to be
// removed is there, in this process and in the next.
func TestRefusedRemovalChangesNothing(t *testing.T) {
	for _, open := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			b, state := buckettest.New(), t.TempDir()
			c, err := New(b,
				Config{Folders: []string{"Delivery"}, StateDir: state, Memory: 16 << 20})
			if err != nil {
				t.Fatal(err)
			}
			defer func() { c.Close() }()
			r := &rig{t, c, b}
			r.create("Delivery/f", "old").Release()
			r.create("Delivery/g", "old").Release()
			if err := r.Mkdir(t.Context(), "Delivery/d", nil); err != nil {
				t.Fatal(err)
			}
			r.drain()
			h := r.open("Delivery/g", OpenMode{Write: true})
			r.writeAt(h, "new", 0)
			if !open {
				h.Release()
			}
			log := filepath.Join(stageDir(state), "removals.log")
			if err := os.Mkdir(log, 0o700); err != nil {
				t.Fatal(err)
			}
			unlink := func(path string) error { return r.Remove(t.Context(), path, r.shown(path)) }
			for path, remove := range map[string]func(path string) error{
				"Delivery/f": unlink, "Delivery/g": unlink,
				"Delivery/d": func(path string) error { return r.Rmdir(t.Context(), path) },
			} {
				if err := remove(path); err == nil {
					t.Errorf("%s was removed, and no journal has that", path)
				}
				if _, err := r.Stat(t.Context(), path); err != nil {
					t.Errorf("%s after a refused removal: %v", path, err)
				}
			}
			if err := os.Remove(log); err != nil {
				t.Fatal(err)
			}
			if open {
				h.Release()
			}
			r.drain()
			r.wantBucket(map[string]string{"Delivery/f": "old",
				"Delivery/g": "new", "Delivery/d/": ""})
		})
	}
}
