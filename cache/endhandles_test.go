package cache

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"testing"
	"testing/synctest"

	"pgregory.net/rapid"

	"github.com/s3share/s3share/cache/buckettest"
	"github.com/s3share/s3share/cache/outbox"
)

// TestEndHandles unmounts after programs have written and closed files, while the kernel has not
// yet told that the handles have ended, which it then does not do any more. S3 gets what a later
// process would have delivered after a kill, and what stays here is told.
func TestEndHandles(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		steps := rapid.SliceOfN(rapid.Custom(func(rt *rapid.T) handleStep {
			return handleStep{
				do: rapid.SampledFrom([]string{"open", "open", "write", "write", "close", "close",
					"close", "truncate", "pass on", "release", "remove"}).Draw(rt, "do"),
				file: rapid.SampledFrom([]string{"a", "b", "c.part"}).Draw(rt, "file"),
				nth:  rapid.IntRange(0, 2).Draw(rt, "nth"),
			}
		}), 1, 12).Draw(rt, "steps")
		late := rapid.Bool().Draw(rt, "releases come late")
		var said error
		synctest.Test(t, func(t *testing.T) { said = endHandles(t, steps, late) })
		if said != nil {
			rt.Fatalf("%v\n%v", said, steps)
		}
	})
}

// A handleStep does something to a file, by the nth of the handles that are open.
type handleStep struct {
	do, file string
	nth      int
}

func endHandles(t *testing.T, steps []handleStep, late bool) error {
	b := buckettest.New()
	b.Store("Delivery/a", []byte("the other party's"), nil)
	cfg := Config{Folders: []string{"Delivery"}, StateDir: t.TempDir(), Memory: 16 << 20}
	c, err := New(b, cfg)
	if err != nil {
		return err
	}
	defer c.Close()
	r := &rig{t, c, b}
	open := map[string][]*Handle{}
	for i, s := range steps {
		key := "Delivery/" + s.file
		if err := r.doStep(s, key, fmt.Sprint(i), open); err != nil {
			return fmt.Errorf("step %d, %s %s: %w", i, s.do, s.file, err)
		}
	}

	killed := b.Clone()
	next := afterKill(t, killed, cfg)
	defer next.Close()
	c.EndHandles()
	ended := [2]error{next.deliveries.Drain(t.Context()), c.deliveries.DrainLast(t.Context())}
	if late {
		for _, all := range open {
			for _, h := range all {
				h.Release()
			}
		}
		ended[1] = errors.Join(ended[1], c.Close())
	}
	if left := [2]string{leftKeys(ended[0]), leftKeys(ended[1])}; left[0] != left[1] {
		return fmt.Errorf("after the unmount %s is left, after a kill %s", left[1], left[0])
	}
	if got, want := contents(b), contents(killed); !maps.Equal(got, want) {
		return fmt.Errorf("after the unmount S3 holds %q, after a kill %q", got, want)
	}
	return nil
}

// doStep does one step. It adds to open, and removes from it.
func (r *rig) doStep(s handleStep, key, text string, open map[string][]*Handle) error {
	if s.do == "open" {
		h, err := r.Open(r.Context(), key, OpenMode{Write: true})
		if err != nil {
			h, err = r.Create(r.Context(), key, nil, false, OpenMode{})
		}
		if err == nil {
			open[key] = append(open[key], h)
		}
		return err
	}
	if s.do == "remove" {
		_ = r.Remove(r.Context(), key, r.shown(key)) // there may be none
		return nil
	}
	if len(open[key]) == 0 {
		return nil
	}
	i := s.nth % len(open[key])
	h := open[key][i]
	switch s.do {
	case "write":
		_, err := h.WriteAt(r.Context(), []byte(text), 0)
		return err
	case "truncate":
		return h.Truncate(r.Context(), 0)
	case "close":
		return h.Flush(r.Context(), Closing{Last: true})
	case "pass on": // a process that has not opened the file closes it, or one that is killed
		return h.Flush(r.Context(), Closing{})
	case "release":
		open[key] = slices.Delete(open[key], i, i+1)
		if err := h.Flush(r.Context(), Closing{Last: true}); err != nil {
			return err
		}
		h.Release()
	}
	return nil
}

// leftKeys lists the keys of what a drain has left.
func leftKeys(err error) string {
	var left *outbox.LeftError
	if !errors.As(err, &left) {
		return fmt.Sprint(err)
	}
	var keys []string
	for _, st := range left.Left {
		keys = append(keys, st.Key+" "+string(st.State))
	}
	slices.Sort(keys)
	return fmt.Sprint(keys)
}
