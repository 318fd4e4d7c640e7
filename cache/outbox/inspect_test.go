package outbox

import (
	"cmp"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/s3share/s3share/cache/buckettest"
	"github.com/s3share/s3share/cache/outbox/journal"
	"github.com/s3share/s3share/cache/outbox/parts"
	"github.com/s3share/s3share/cache/outbox/stage"
	"github.com/s3share/s3share/s3backend"
)

// TestInspectListsWhatRecoverFinds leaves an outbox in every state, and compares
// what a survey lists with what Recover then finds. The survey changes nothing.
func TestInspectListsWhatRecoverFinds(t *testing.T) {
	away := func(b buckettest.S3) buckettest.S3 {
		return buckettest.Answer(b, "", func() error { return s3backend.Other })
	}
	small, large := random(1, 100), random(2, 3*stage.SlotPayload)
	for name, leave := range map[string]func(r *rig){
		"nothing":       func(*rig) {},
		"a small file":  func(r *rig) { r.done(r.create("Delivery/a", small)) },
		"a large file":  func(r *rig) { r.done(r.create("Delivery/a", large)) },
		"an empty file": func(r *rig) { r.done(r.create("Delivery/a", nil)) },
		"many": func(r *rig) {
			for i := range 20 {
				r.done(r.create(fmt.Sprintf("Delivery/%d", i), large[:i*1000]))
			}
		},
		"open, small":    func(r *rig) { r.create("Delivery/a", small) },
		"open, large":    func(r *rig) { r.create("Delivery/a", large) },
		"private":        func(r *rig) { r.done(r.create("Delivery/a.part", small)) },
		"private, large": func(r *rig) { r.done(r.create("Delivery/a.part", large)) },
		"interrupted": func(r *rig) {
			it := r.create("Delivery/a", small)
			it.Interrupt()
			r.done(it)
		},
		"refused": func(r *rig) {
			it := r.create("Delivery/a", large)
			it.Refuse(fs.ErrPermission)
			r.done(it)
		},
		"odd names": func(r *rig) {
			for _, key := range []string{"Delivery/tab\t", "Delivery/caf\xe9",
				"Delivery/caf\xe8", "Delivery/\xff/x"} {
				r.done(r.create(key, small))
			}
		},
		"a directory": func(r *rig) {
			it, err := r.CreateFolder("Delivery/dir/")
			if err != nil {
				r.Fatal(err)
			}
			it.Release()
		},
		"an edit": func(r *rig) {
			r.b.Store("Delivery/f", large, nil)
			it := r.edit("Delivery/f")
			r.write(it, []byte("changed"), 10)
			r.done(it)
		},
		"an open edit": func(r *rig) {
			r.b.Store("Delivery/f", large, nil)
			r.write(r.edit("Delivery/f"), []byte("changed"), int64(len(large))+10)
		},
		"renamed": func(r *rig) {
			it := r.create("Delivery/a", small)
			if err := it.Rename("Delivery/b", s3backend.Object{}, nil); err != nil {
				r.Fatal(err)
			}
			r.done(it)
		},
		"written again": func(r *rig) {
			it := r.create("Delivery/a", small)
			r.done(it)
			r.hold(it)
			r.write(it, large, 50)
			r.done(it)
		},
		"removed": func(r *rig) {
			r.b.Store("Delivery/gone", small, nil)
			r.Remove(r.b.Object("Delivery/gone"))
			r.b.Store("Delivery/gone too", small, nil)
			r.Remove(r.b.Object("Delivery/gone too"))
		},
		"dropped": func(r *rig) {
			for _, data := range [][]byte{small, large} {
				it := r.create("Delivery/a", data)
				r.done(it)
				r.hold(it)
				it.Drop()
				it.Close()
			}
		},
		"a damaged journal": func(r *rig) {
			it := r.create("Delivery/a", large)
			r.done(it)
			log := it.path + journal.Suffix
			b, err := os.ReadFile(log)
			if err == nil {
				b[len(b)/2] ^= 1
				err = os.WriteFile(log, b, 0o600)
			}
			if err != nil {
				r.Fatal(err)
			}
		},
		"no bytes": func(r *rig) {
			it := r.create("Delivery/a", large)
			r.done(it)
			if err := os.Remove(it.path); err != nil {
				r.Fatal(err)
			}
		},
		"no journal": func(r *rig) {
			it := r.create("Delivery/a", large)
			r.done(it)
			if err := os.Remove(it.path + journal.Suffix); err != nil {
				r.Fatal(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			r := newRig(t, buckettest.New(), dir, Config{Settle: time.Hour}, away)
			r.recover()
			leave(r)
			during, err := Inspect(dir, nil)
			if err != nil {
				t.Fatal(err)
			}
			r.Close()
			before := contents(t, dir)
			got, err := Inspect(dir, nil)
			if err != nil {
				t.Fatal(err)
			}
			if a, b := brief(during), brief(got); !slices.Equal(a, b) {
				t.Errorf("beside the process the survey lists %q, and afterwards %q", a, b)
			}
			if after := contents(t, dir); !slices.Equal(before, after) {
				t.Errorf("the survey made %q of %q", after, before)
			}
			next := newRig(t, r.b, dir, Config{Settle: time.Hour}, away)
			defer next.Close()
			if a, b := brief(got), brief(next.recoveredStatus()); !slices.Equal(a, b) {
				t.Errorf("the survey lists\n%q\nand the next process\n%q", a, b)
			}
		})
	}
}

// recoveredStatus recovers, and returns what Status lists once all is resumed. Nothing is sent.
func (r *rig) recoveredStatus() []Status {
	r.Helper()
	for _, it := range r.recover() {
		it.schedule.mu.Lock()
		it.schedule.state = Sealed
		switch {
		case it.isPrivate():
			it.schedule.state = Local
		case it.interruptedBy() != nil:
			it.schedule.state, it.schedule.reason = Interrupted, it.interruptedBy()
		}
		it.schedule.mu.Unlock()
	}
	return r.Status()
}

// TestInspectKnowsWhatAStopOfTheMachineLost edits a file in an earlier boot. The bytes that were
// not synced then need not be on the disk: neither those that a program wrote, nor those of the
// base that were copied here after the file had been synced and closed.
func TestInspectKnowsWhatAStopOfTheMachineLost(t *testing.T) {
	away := func(b buckettest.S3) buckettest.S3 {
		return buckettest.Answer(b, "", func() error { return s3backend.Other })
	}
	base := random(1, parts.Size+100)
	for _, c := range []struct {
		name                     string
		synced, copied, thisBoot bool
		want                     State
	}{
		{name: "closed", want: Interrupted},
		{name: "synced and closed", synced: true, want: Sealed},
		{name: "synced, closed, and its base copied", synced: true, copied: true, want: Interrupted},
		{name: "all in this boot", copied: true, thisBoot: true, want: Sealed},
	} {
		t.Run(c.name, func(t *testing.T) {
			bubble(t, Config{Settle: time.Hour}, away, func(r *rig) {
				if !c.thisBoot {
					r.boots.now = "an earlier boot"
				}
				r.b.Store("Delivery/a", base, nil)
				it := r.edit("Delivery/a")
				r.write(it, []byte("changed"), 10)
				if c.synced {
					if err := it.Sync(); err != nil {
						r.Fatal(err)
					}
				}
				r.done(it)
				if c.copied {
					if err := it.materializeAll(r.Context()); err != nil {
						r.Fatal(err)
					}
				}
				dir := t.TempDir()
				copyDir(t, r.dir, dir)
				got, err := Inspect(dir, nil)
				if err != nil || len(got) != 1 || got[0].State != c.want {
					t.Errorf("Inspect = %+v, %v, want %s", got, err, c.want)
				}
				next := newRig(t, r.b, dir, Config{Settle: time.Hour}, away)
				defer next.Close()
				if a, b := brief(got), brief(next.recoveredStatus()); !slices.Equal(a, b) {
					t.Errorf("Inspect lists %q, and the next process %q", a, b)
				}
			})
		})
	}
}

// TestInspectOfNoOutbox: where nobody has kept one, nothing waits, and nothing is made.
func TestInspectOfNoOutbox(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "stage")
	if all, err := Inspect(dir, nil); len(all) > 0 || err != nil {
		t.Errorf("Survey = %v, %v", all, err)
	}
	if _, err := os.Stat(dir); err == nil {
		t.Error("the survey made a directory")
	}
}

// brief are statuses, without what differs from look to look.
func brief(all []Status) []string {
	var lines []string
	for _, st := range all {
		// the next process puts such a journal aside
		reason := strings.ReplaceAll(st.Reason, quarantineSuffix, "")
		lines = append(lines,
			fmt.Sprintf("%q %s %d %s", st.Key, st.State, st.Size, cmp.Or(reason, "-")))
	}
	slices.Sort(lines)
	return lines
}

// contents are the files of a directory, with their bytes.
func contents(t *testing.T, dir string) []string {
	t.Helper()
	var all []string
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := os.ReadFile(path)
		all = append(all, fmt.Sprintf("%s %x", path, b))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}
