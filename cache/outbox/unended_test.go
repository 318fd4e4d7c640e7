package outbox

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/s3share/s3share/cache/buckettest"
	"github.com/s3share/s3share/cache/outbox/journal"
	"github.com/s3share/s3share/cache/outbox/stage"
	"github.com/s3share/s3share/cache/slotfile"
	"github.com/s3share/s3share/s3backend"
)

// refuseEnd has the disk refuse the end of the item's journal, until mend is called. With marks, it
// refuses a file that marks it as ended, too.
func (r *rig) refuseEnd(it *Item, marks bool) (mend func()) {
	r.Helper()
	must := func(errs ...error) {
		r.Helper()
		if err := errors.Join(errs...); err != nil {
			r.Fatal(err)
		}
	}
	full := func(path string) error { return os.MkdirAll(filepath.Join(path, "full"), 0o700) }
	var blocked []string
	if marks && it.log.slot != nil { // else the staged file itself has that name
		blocked = append(blocked, it.log.mark())
	}
	undo := func() {}
	if p := it.log.slot; p != nil {
		slots, err := slotfile.Open(r.fullDisk(), stage.SlotSize, 1)
		must(err)
		was := p.File
		it.log.mu.Lock()
		p.File = slots
		it.log.mu.Unlock()
		undo = func() {
			it.log.mu.Lock()
			p.File = was
			it.log.mu.Unlock()
			slots.Close()
		}
	} else {
		log := it.path + journal.Suffix
		must(os.Rename(log, log+"-aside"), full(log))
		for i := range 200 {
			blocked = append(blocked,
				filepath.Join(r.dir, fmt.Sprintf("%s%d", journal.RecycledPrefix, i+1)))
		}
		undo = func() { must(os.RemoveAll(log), os.Rename(log+"-aside", log)) }
	}
	for _, path := range blocked {
		if _, err := os.Lstat(path); err == nil {
			continue
		}
		must(full(path))
	}
	return func() {
		for _, path := range blocked {
			must(os.RemoveAll(path))
		}
		undo()
	}
}

// TestFileWhoseJournalCouldNotEndIsNotDeliveredAgain delivers a file while the disk refuses the end
// of its journal, and has a program change or remove the file then. Whether the disk takes the end
// later or not, the next process finds no conflict, and S3 holds what the program has left.
func TestFileWhoseJournalCouldNotEndIsNotDeliveredAgain(t *testing.T) {
	const key = "Delivery/f"
	old, other := random(1, 300), random(2, 400)
	for _, size := range []int{300, stage.SlotPayload + 300} {
		first := random(1, size)
		for action, then := range map[string]func(r *rig) ([]byte, error){
			"nothing": func(r *rig) ([]byte, error) { return first, nil },
			"touch": func(r *rig) ([]byte, error) {
				it := r.edit(key)
				defer r.done(it)
				return first, it.SetMtime(time.Unix(1e9, 5))
			},
			"write": func(r *rig) ([]byte, error) {
				it := r.edit(key)
				defer r.done(it)
				r.write(it, old, 0)
				return append(slices.Clone(old), first[len(old):]...), nil
			},
			"remove": func(r *rig) ([]byte, error) {
				r.Remove(r.b.Object(key))
				return nil, nil
			},
			"move": func(r *rig) ([]byte, error) {
				from := r.b.Store("Delivery/other", other, nil)
				_, err := r.Move(r.Context(),
					[]Move{{From: from, To: key, Over: r.b.Object(key)}}, nil)
				return other, err
			},
			"new file": func(r *rig) ([]byte, error) {
				obj := r.b.Object(key)
				it, err := r.Create(key, obj, s3backend.Object{}, nil, nil)
				if err != nil {
					return nil, err
				}
				r.write(it, other, 0)
				r.done(it)
				return other, nil
			},
		} {
			for _, marks := range []bool{false, true} {
				for _, mended := range []bool{false, true} {
					if action == "remove" && marks && !mended {
						continue // of the two journals, the removal's counts as the older one
					}
					name := fmt.Sprintf("%d bytes, %s, marks refused %v, mended %v",
						size, action, marks, mended)
					t.Run(name, func(t *testing.T) {
						synctest.Test(t, func(t *testing.T) {
							var it *Item
							var mend func()
							var r *rig
							r = newRig(t, buckettest.New(), t.TempDir(), Config{},
								func(b buckettest.S3) buckettest.S3 {
									return buckettest.Wrap(b,
										func(_ context.Context,
											op, _ string, send func() error) error {
											err := send()
											if op == buckettest.Put && mend == nil {
												mend = r.refuseEnd(it, marks)
											}
											return err
										})
								})
							defer func() { r.Close() }()
							r.recover()
							it = r.create(key, first)
							r.done(it)
							<-it.Gone()
							synctest.Wait()
							v1 := r.b.Object(key)
							want, err := then(r)
							_ = sleep(t.Context(), 10*syncAfter)
							synctest.Wait()
							marks := marks && size <= stage.SlotPayload
							if marks && (r.b.Object(key).ETag != v1.ETag ||
								len(want) > 0 && action == "touch" &&
									commitIDOf(r.b.Object(key).Header) != commitIDOf(v1.Header)) {
								t.Error(
									"the version was replaced while a later process would deliver it again")
							}
							if marks && action == "move" {
								if err == nil {
									t.Error("a rename replaced it")
								}
								want, err = first, r.b.Delete(t.Context(),
									"Delivery/other", s3backend.Condition{})
							}
							if err != nil {
								t.Fatal(err)
							}
							if mended {
								mend()
								_ = sleep(t.Context(), time.Hour)
								synctest.Wait()
								if n := len(r.journals.unended.all()); n > 0 {
									t.Errorf("%d journals have not ended", n)
								}
							}
							dir := t.TempDir()
							if !mended { // as the disk is after the kill
								mend()
							}
							copyDir(t, r.dir, dir)
							b := r.b
							r.Close()
							r = newRig(t, b, dir, Config{}, nil)
							r.resume()
							r.drain()
							_ = sleep(t.Context(), time.Hour)
							r.drain()
							if len(r.conflicted) > 0 {
								t.Errorf("conflicts: %q", r.conflicted)
							}
							if want == nil {
								r.wantKeys()
								return
							}
							r.wantKeys(key)
							r.wantHolds(key, want)
							r.wantNothing()
						})
					})
				}
			}
		}
	}
}

// TestCommitThatCouldNotBeJournaledIsNoConflict delivers a file that a program still has open, as
// with -o sync, while the disk refuses the record of that. The program goes on, and the next
// process replaces what was delivered.
func TestCommitThatCouldNotBeJournaledIsNoConflict(t *testing.T) {
	const key = "Delivery/f"
	for _, file := range refusedFiles {
		for _, writesOn := range []bool{false, true} {
			synctest.Test(t, func(t *testing.T) {
				var it *Item
				mend := func() {}
				spoiled := false
				var r *rig
				r = newRig(t, buckettest.New(), t.TempDir(),
					Config{}, func(b buckettest.S3) buckettest.S3 {
						return buckettest.Wrap(b,
							func(_ context.Context, op, _ string, send func() error) error {
								err := send()
								if op == buckettest.Put && !spoiled {
									spoiled = true
									i := slices.IndexFunc(spoils,
										func(s spoil) bool { return s.name == journalGone })
									mend = spoils[i].do(r, it)
								}
								return err
							})
					})
				defer func() { r.Close() }()
				r.recover()
				if file.base {
					r.b.Store(key, random(3, 3000), nil)
				}
				it = r.begin(key, random(2, file.size), file.base)
				if err := it.Commit(t.Context()); err != nil {
					t.Fatal(err)
				}
				mend()
				if writesOn {
					r.write(it, []byte("more"), 10)
					if err := it.Seal(); err != nil {
						t.Fatal(err)
					}
				} else {
					_ = sleep(t.Context(), 2*syncAfter)
					synctest.Wait()
				}
				want := r.shown(it).content
				r = r.again()
				left := r.resume()[key]
				if !writesOn { // it was open
					if err := left.Deliver(); err != nil {
						t.Fatal(err)
					}
				}
				r.drain()
				if len(r.conflicted) > 0 {
					t.Errorf("%s, writes on %v: conflicts %q", file.kind, writesOn, r.conflicted)
				}
				r.wantKeys(key)
				r.wantHolds(key, want)
			})
		}
	}
}
