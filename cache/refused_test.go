package cache

import (
	"errors"
	"os"
	"testing"
	"testing/synctest"

	"golang.org/x/sys/unix"

	"github.com/s3share/s3share/cache/buckettest"
	"github.com/s3share/s3share/cache/outbox"
)

// crowded is an exchange whose outbox takes 10 bytes.
func crowded(t *testing.T, test func(*rig)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		b := buckettest.New()
		c, err := New(b, Config{Folders: []string{"Delivery"}, StateDir: t.TempDir(), StageSize: 10, Memory: 16 << 20})
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
			if n, err := r.Deliver(path); n != 1 || err != nil {
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
				if err := r.Drain(r.Context()); err != nil && !errors.As(err, &left) {
					r.Fatal(err)
				}
				a, err := r.Stat(r.Context(), path)
				if err != nil {
					r.Fatal(err)
				}
				if st := r.StatusOf(a); st.State != c.state {
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
			c, err := New(b, Config{Folders: []string{"Delivery"}, StateDir: state, Memory: 16 << 20})
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
			if err := r.Drain(r.Context()); errors.As(err, &left) != goesOn {
				t.Errorf("goes on %v: Drain = %v", goesOn, err)
			}
			r.wantBucket(map[string]string{path: "old"})
		})
	}
}
