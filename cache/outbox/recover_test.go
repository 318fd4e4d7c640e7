package outbox

import (
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/s3share/s3share/cache/buckettest"
	"github.com/s3share/s3share/cache/outbox/journal"
	"github.com/s3share/s3share/cache/outbox/parts"
	"github.com/s3share/s3share/cache/outbox/stage"
	"github.com/s3share/s3share/s3backend"
)

// again ends the process of r where it stands, and returns the next one, over what
// the disk and the bucket held.
func (r *rig) again() *rig {
	r.Helper()
	synctest.Wait()
	dir := r.TempDir()
	copyDir(r.T, r.dir, dir)
	r.Close()
	return newRig(r.T, r.b, dir, Config{}, nil)
}

// closed closes a file whose writer is done, and ends the process before anything is
// delivered if killed is set: the rest is for the rig that it returns.
func (r *rig) closed(it *Item, killed bool) *rig {
	r.Helper()
	if !killed {
		r.done(it)
		return r
	}
	if err := it.Seal(); err != nil {
		r.Fatal(err)
	}
	r = r.again()
	r.resume()
	return r
}

// copyDir copies an outbox's directory as it is at one instant, in which nobody writes to a file.
// Deliveries may end meanwhile.
func copyDir(t *testing.T, from, to string) {
	t.Helper()
	for names := namesIn(t, from); ; {
		if err := errors.Join(os.RemoveAll(to), os.Mkdir(to, 0o700)); err != nil {
			t.Fatal(err)
		}
		copyFiles(t, from, to, names)
		now := namesIn(t, from)
		if slices.Equal(now, names) {
			return
		}
		// a delivery has ended: its journal was copied and its bytes not, or the reverse
		names = now
	}
}

// namesIn lists a directory: first the slot file, which is copied before the files that what is in
// it may get, then the journals, of which each is copied before its staged file.
func namesIn(t *testing.T, dir string) (names []string) {
	t.Helper()
	files, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		names = append(names, f.Name())
	}
	kind := func(name string) string {
		if name == stage.SlotFileName {
			return "~" // sorts last
		}
		return filepath.Ext(name)
	}
	slices.SortStableFunc(names, func(a, b string) int { return strings.Compare(kind(b), kind(a)) })
	return names
}

func copyFiles(t *testing.T, from, to string, names []string) {
	t.Helper()
	for _, name := range names {
		data, err := os.ReadFile(filepath.Join(from, name))
		if errors.Is(err, os.ErrNotExist) {
			continue // delivered in this moment
		}
		if err == nil {
			err = os.WriteFile(filepath.Join(to, name), data, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

// resume recovers, and sends all on its way.
func (r *rig) resume() map[string]*Item {
	r.Helper()
	all := map[string]*Item{}
	for _, it := range r.recover() {
		all[it.Key()] = it
		it.Resume()
	}
	r.Resume()
	return all
}

func recoverable(t *testing.T, fault func(buckettest.S3) buckettest.S3, test func(*rig)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, buckettest.New(), t.TempDir(), Config{}, fault)
		r.recover()
		test(r)
	})
}

func TestSealedFilesAreRecovered(t *testing.T) {
	recoverable(t, nil, func(r *rig) {
		small, big := random(1, 100), random(2, parts.Size+5)
		r.b.Store("Delivery/edit", big, nil)
		r.done(r.create("Delivery/small", small))
		r.done(r.create("Delivery/big", big))
		it := r.edit("Delivery/edit")
		r.write(it, []byte("changed"), 1000)
		if err := it.SetMode(0o640); err != nil {
			r.Fatal(err)
		}
		r.done(it)
		folder, err := r.CreateFolder("Delivery/folder/")
		if err != nil {
			r.Fatal(err)
		}
		folder.Release()
		r = r.again()
		defer r.Close()
		r.resume()
		r.drain()
		r.wantHolds("Delivery/small", small)
		r.wantHolds("Delivery/big", big)
		r.wantHolds("Delivery/edit", slices.Concat(big[:1000], []byte("changed"), big[1007:]))
		r.wantKeys("Delivery/big", "Delivery/edit", "Delivery/folder/", "Delivery/small")
		if m, _ := ModeOf(r.b.Object("Delivery/edit").Header); m != 0o640 {
			r.Errorf("mode %o, want 640", m)
		}
		r.wantNothing()
	})
}

func TestOpenFilesAreInterrupted(t *testing.T) {
	recoverable(t, nil, func(r *rig) {
		good := random(1, 2*parts.Size)
		r.b.Store("Delivery/edit", good, nil)
		r.create("Delivery/new", random(2, 2*parts.Size))
		r.write(r.edit("Delivery/edit"), []byte("half"), 0)
		again := r.create("Delivery/again", []byte("closed"))
		r.done(again)
		r.hold(again)
		r.write(again, []byte("half"), 0)
		synctest.Wait()
		r = r.again()
		defer r.Close()
		items := r.resume()
		var left *LeftError
		if err := r.Drain(r.Context()); !errors.As(err, &left) || len(left.Left) != 3 {
			r.Fatalf("Drain = %v, want three files left", err)
		}
		r.wantHolds("Delivery/edit", good)
		r.wantKeys("Delivery/edit")
		for _, st := range r.Status() {
			if st.State != Interrupted || st.Reason == "" {
				r.Errorf("status %+v, want it interrupted, and why", st)
			}
		}
		for key, it := range items {
			if err := it.Deliver(); err != nil {
				r.Fatalf("Deliver %q: %v", key, err)
			}
		}
		r.drain()
		r.wantHolds("Delivery/new", random(2, 2*parts.Size))
		r.wantHolds("Delivery/edit", append([]byte("half"), good[4:]...))
		r.wantHolds("Delivery/again", []byte("halfed"))
		r.wantNothing()
	})
}

// TestAttributesOfAWholeFile ends the process after a program has set the time or the mode of a
// file that another one has open: where that one has written nothing, the file is delivered with
// them. What it had begun to write is interrupted.
func TestAttributesOfAWholeFile(t *testing.T) {
	when := time.Date(2038, 1, 19, 3, 14, 7, 5e8, time.UTC)
	for name, set := range map[string]func(*Item) error{
		"time": func(it *Item) error { return it.SetMtime(when) },
		"mode": func(it *Item) error { return it.SetMode(0o600) },
		"both": func(it *Item) error { return errors.Join(it.SetMode(0o600), it.SetMtime(when)) },
	} {
		for _, size := range []int{0, 100, parts.Size + 1} {
			for _, base := range []bool{false, true} { // of a file that waits, or that S3 has
				for _, write := range []string{"nothing", "before", "between", "after"} {
					t.Run(fmt.Sprintf("%s/%d/base %t/%s", name, size, base, write),
						func(t *testing.T) {
							recoverable(t, nil, func(r *rig) {
								content := random(1, size)
								r.b.Store("Delivery/a", content, nil)
								var it *Item
								if base {
									it = r.edit("Delivery/a")
								} else {
									r.b.Store("Delivery/a", nil, nil)
									it = r.create("Delivery/b", content)
									r.done(it)
									r.hold(it)
								}
								for _, now := range []string{"before",
									"set", "between", "set", "after"} {
									switch {
									case now == "set":
										if err := set(it); err != nil {
											r.Fatal(err)
										}
									case now == write:
										r.write(it, []byte("half"), 0)
									}
								}
								r = r.again()
								defer r.Close()
								r.resume()
								err := r.Drain(r.Context())
								if left := (*LeftError)(nil); write != "nothing" {
									if !errors.As(err, &left) || left.Left[0].State != Interrupted {
										r.Errorf("Drain = %v, want the file interrupted", err)
									}
									return
								}
								if err != nil {
									r.Fatal(err)
								}
								key := map[bool]string{true: "Delivery/a",
									false: "Delivery/b"}[base]
								r.wantHolds(key, content)
								h := r.b.Object(key).Header
								if got, ok := MtimeOf(h); name != "mode" &&
									(!ok || !got.Equal(when)) {
									r.Errorf("time %v, %t, want %v", got, ok, when)
								}
								if got, ok := ModeOf(h); name != "time" && (!ok || got != 0o600) {
									r.Errorf("mode %o, %t, want 600", got, ok)
								}
							})
						})
				}
			}
		}
	}
}

// TestModeOfOpenFile ends the process while files are open that a program has given a
// mode: nobody else may read them then, either.
func TestModeOfOpenFile(t *testing.T) {
	recoverable(t, nil, func(r *rig) {
		r.b.Store("Delivery/edit", random(1, 100), nil)
		mode := uint32(0o600)
		if _, err := r.Create("Delivery/made", s3backend.Object{}, s3backend.Object{},
			nil, &mode); err != nil {
			r.Fatal(err)
		}
		changed, edited := r.create("Delivery/changed", []byte("half")), r.edit("Delivery/edit")
		again := r.create("Delivery/again", []byte("closed"))
		r.done(again)
		r.hold(again)
		for _, it := range []*Item{changed, edited, again} {
			if err := it.SetMode(mode); err != nil {
				r.Fatal(err)
			}
		}
		synctest.Wait()
		r = r.again()
		defer r.Close()
		items := r.resume()
		if len(items) != 4 {
			r.Errorf("recovered %d files, want 4", len(items))
		}
		for key, it := range items {
			if _, _, m, ok := it.Stat(); !ok || m != mode {
				r.Errorf("the mode of %q is %o (%t), want %o", key, m, ok, mode)
			}
		}
	})
}

// TestUploadIsResumed ends the process after some parts: only the missing ones go up.
func TestUploadIsResumed(t *testing.T) {
	for name, change := range map[string]func(*rig, *Item, []byte) int{ // how many go up again
		"as it was": func(*rig, *Item, []byte) int { return 0 },
		"with a part that was written again": func(r *rig, it *Item, data []byte) int {
			copy(data[5:], "changed")
			r.write(it, []byte("changed"), 5)
			return 1
		},
	} {
		t.Run(name, func(t *testing.T) {
			lost := errors.New("connection reset")
			fault := func(b buckettest.S3) buckettest.S3 {
				var n atomic.Int64
				return buckettest.Wrap(b,
					func(_ context.Context, op, _ string, send func() error) error {
						if op == buckettest.UploadPart {
							if n.Add(1) > 2 {
								return lost
							}
						}
						return send()
					})
			}
			recoverable(t, fault, func(r *rig) {
				data := random(1, 3*parts.Size+100)
				it := r.create("Delivery/big", nil)
				for off := 0; off < len(data); off += parts.Size {
					r.write(it, data[off:min(len(data), off+parts.Size)], int64(off))
					synctest.Wait()
				}
				again := change(r, it, data)
				synctest.Wait()
				r.done(it)
				r = r.again()
				defer r.Close()
				r.b.ForgetLog()
				r.resume()
				r.drain()
				r.wantHolds("Delivery/big", data)
				if n := r.b.Count(buckettest.UploadPart); n != 2+again ||
					r.b.Count(buckettest.CreateUpload) != 0 {
					r.Errorf("requests %v, want the %d missing parts", r.b.Log(), 2+again)
				}
				r.wantNothing()
			})
		})
	}
}

// TestPlanOfAnEarlierProcess begins to upload an edit, ends, and changes a range
// that was to be copied on the server.
func TestPlanOfAnEarlierProcess(t *testing.T) {
	fault := func(b buckettest.S3) buckettest.S3 {
		return buckettest.Answer(b, buckettest.CopyPart, func() error { return s3backend.Busy })
	}
	recoverable(t, fault, func(r *rig) {
		data := random(1, 5*parts.Size)
		r.b.Store("Delivery/f", data, nil)
		want := slices.Clone(data)
		it := r.edit("Delivery/f")
		r.write(it, []byte("one"), 0)
		r.done(it)
		for r.b.Count(buckettest.CreateUpload) == 0 {
			synctest.Wait()
			_ = sleep(r.Context(), defaultSettle)
		}
		r = r.again()
		defer r.Close()
		it = r.recover()[0]
		r.hold(it)
		r.write(it, []byte("two"), 3*parts.Size)
		r.done(it)
		r.drain()
		copy(want, "one")
		copy(want[3*parts.Size:], "two")
		r.wantHolds("Delivery/f", want)
		r.wantNothing()
	})
}

// TestUnlinkedFilesStayRemoved removes files that are open, and ends.
func TestUnlinkedFilesStayRemoved(t *testing.T) {
	recoverable(t, nil, func(r *rig) {
		open := r.create("Delivery/open", []byte("data"))
		open.Unname()
		read := r.create("Delivery/read", []byte("data"))
		r.done(read)
		r.hold(read) // by its removal, while a reader has it open
		read.Unname()
		r = r.again()
		defer r.Close()
		if items := r.resume(); len(items) != 0 {
			r.Errorf("recovered %v", items)
		}
		r.drain()
		r.wantKeys()
		r.wantNothing()
	})
}

// TestRenameMeetsTheBeginOfAnUpload notes an upload under the old name behind the
// new name.
func TestRenameMeetsTheBeginOfAnUpload(t *testing.T) {
	var held *buckettest.Holder
	fault := func(b buckettest.S3) (s3 buckettest.S3) {
		lost := buckettest.Wrap(b,
			func(ctx context.Context, op, _ string, send func() error) error {
				if op == buckettest.CreateUpload {
					return send()
				}
				return s3backend.Busy
			})
		s3, held = buckettest.Hold(buckettest.Wrap(lost, func(_ context.Context,
			_, _ string, send func() error) error {
			return send()
		}), buckettest.CreateUpload)
		return s3
	}
	recoverable(t, fault, func(r *rig) {
		data := random(1, 2*parts.Size)
		it := r.create("Delivery/a", data)
		<-held.Entered
		path := it.path + journal.Suffix
		if err := it.Rename("Delivery/b", s3backend.Object{}, nil); err != nil {
			r.Fatal(err)
		}
		// S3's answer arrives in this moment, and is noted.
		up, err := r.b.CreateUpload(r.Context(), "Delivery/a", nil)
		if err != nil {
			r.Fatal(err)
		}
		if err := journal.Append(path, journal.Record{Op: journal.OpUpload, Key: up.Key,
			Upload: up.ID, Layout: parts.Size}); err != nil {
			r.Fatal(err)
		}
		r.done(it)
		r = r.again()
		defer r.Close()
		r.resume()
		r.drain()
		r.wantHolds("Delivery/b", data)
		r.wantKeys("Delivery/b")
	})
}

// TestPartOfAnotherUpload notes a part of an upload that was given up behind the
// begin of the next.
func TestPartOfAnotherUpload(t *testing.T) {
	recoverable(t, nil, func(r *rig) {
		data := random(1, 2*parts.Size+1)
		it := r.create("Delivery/a", data)
		synctest.Wait()
		recs, err := journal.Read(it.path + journal.Suffix)
		stale := slices.IndexFunc(recs, func(rec journal.Record) bool {
			return rec.Op == journal.OpPart && rec.Part.Num == 1
		})
		if err != nil || stale < 0 {
			r.Fatalf("the journal has no part: %v, %v", recs, err)
		}
		other, err := r.b.CreateUpload(r.Context(), "Delivery/a", nil)
		if err != nil {
			r.Fatal(err)
		}
		if err := it.log.note(journal.Record{Op: journal.OpUpload, Key: other.Key, Upload: other.ID,
			Layout: parts.Size, CRC: true},
			recs[stale]); err != nil {
			r.Fatal(err)
		}
		r.done(it)
		r = r.again()
		defer r.Close()
		r.resume()
		r.drain()
		r.wantHolds("Delivery/a", data)
	})
}

// TestDamagedJournalIsQuarantined breaks one journal: the others are recovered, and it is told.
func TestDamagedJournalIsQuarantined(t *testing.T) {
	for _, c := range []struct {
		name    string
		damage  func(log []byte) []byte
		damaged bool // else cut short: what was there before is recovered
	}{
		{"a changed byte", func(log []byte) []byte { log[20] ^= 1; return log }, true},
		{"garbage", func([]byte) []byte { return []byte("garbage\n") }, true},
		{"a line of another's", func(log []byte) []byte { return append(log, "00000000 {}\n"...) }, true},
		{"cut in its last line", func(log []byte) []byte { return log[:len(log)-1] }, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			recoverable(t, nil, func(r *rig) {
				good, bad := r.create("Delivery/good",
					[]byte("good")), r.create("Delivery/bad", []byte("bad"))
				r.done(good)
				r.done(bad)
				r.apart(bad)
				log, err := os.ReadFile(bad.path + journal.Suffix)
				if err == nil {
					err = os.WriteFile(bad.path+journal.Suffix, c.damage(log), 0o600)
				}
				if err != nil {
					r.Fatal(err)
				}
				staged := filepath.Base(bad.path)
				for range 2 { // it is told by the next process as well
					r = r.again()
					r.resume()
					var left *LeftError
					if err := r.Drain(r.Context()); !errors.As(err, &left) || len(left.Left) != 1 ||
						left.Left[0].Reason == "" {
						r.Fatalf("Drain = %v, want it to tell of the damaged one", err)
					}
					r.wantHolds("Delivery/good", []byte("good"))
					r.wantKeys("Delivery/good")
					if want := map[bool]State{true: Blocked,
						false: Interrupted}[c.damaged]; left.Left[0].State != want {
						r.Errorf("it is told as %+v, want it %s", left.Left[0], want)
					}
					if st := left.Left[0]; st.Size != 3 ||
						c.damaged && !strings.Contains(st.Reason, filepath.Join(r.dir, staged)) {
						r.Errorf("it is told as %+v, want its size and where its bytes are kept",
							st)
					}
					if data,
						err := os.ReadFile(filepath.Join(r.dir, staged)); string(data) != "bad" {
						r.Errorf("its bytes are %q, %v", data, err)
					}
				}
				r.Close()
			})
		})
	}
}

// TestOrphanedFilesAreKept spoils what is in the outbox's directory, or puts something there:
// the others arrive, and what there is of the spoilt one is kept and named.
func TestOrphanedFilesAreKept(t *testing.T) {
	journal := func(r *rig, it *Item, change func(log []byte) []byte) error {
		log, err := os.ReadFile(it.path + journal.Suffix)
		if err != nil {
			return err
		}
		return os.WriteFile(it.path+journal.Suffix, change(log), 0o600)
	}
	line := func(text string) string {
		return fmt.Sprintf("%08x %s\n", crc32.ChecksumIEEE([]byte(text)), text)
	}
	for _, c := range []struct {
		name  string
		spoil func(r *rig, it *Item) error
		tells string // of the spoilt file; empty if it is delivered all the same
		kept  string // the bytes of its staged file, afterwards
	}{
		{"a step of a newer version", func(r *rig, it *Item) error {
			return journal(r, it, func(log []byte) []byte {
				return append(log, line(`{"op":"encrypt","key":"k"}`)...)
			})
		}, "newer s3share", "spoilt"},
		{"a field of a newer version", func(r *rig, it *Item) error {
			return journal(r, it, func(log []byte) []byte {
				return append(log, line(`{"op":"seal","size":6,"cipher":"x"}`)...)
			})
		}, "newer s3share", "spoilt"},
		{"no staged file", func(r *rig, it *Item) error { return os.Remove(it.path) }, "are gone", ""},
		{"a staged file cut short", func(r *rig, it *Item) error { return os.Truncate(it.path, 3) }, "it had 6", "spo"},
		{"somebody's file", func(r *rig, it *Item) error {
			return os.WriteFile(filepath.Join(r.dir, "notes.txt"), []byte("somebody's"), 0o600)
		}, "", ""},
		{"somebody's folder", func(r *rig, it *Item) error { return os.Mkdir(filepath.Join(r.dir, "1-1"), 0o700) }, "", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			recoverable(t, nil, func(r *rig) {
				it := r.create("Delivery/spoilt", []byte("spoilt"))
				r.done(it)
				r.apart(it)
				r.done(r.create("Delivery/good", []byte("good")))
				r.Close()
				if err := c.spoil(r, it); err != nil {
					r.Fatal(err)
				}
				for range 2 { // and the next process says the same
					r = newRig(r.T, r.b, r.dir, Config{}, nil)
					r.resume()
					err := r.Drain(r.Context())
					r.wantHolds("Delivery/good", []byte("good"))
					if c.tells == "" {
						if err != nil {
							r.Errorf("Drain = %v", err)
						}
						r.wantKeys("Delivery/good", "Delivery/spoilt")
					} else {
						var left *LeftError
						if !errors.As(err, &left) || len(left.Left) != 1 ||
							!strings.Contains(left.Left[0].Reason, c.tells) ||
							left.Left[0].State != Blocked {
							r.Fatalf("Drain = %v, want it to tell %q", err, c.tells)
						}
						r.wantKeys("Delivery/good")
						if data, _ := os.ReadFile(it.path); string(data) != c.kept {
							r.Errorf("of its bytes %q are kept, want %q", data, c.kept)
						}
					}
					r.Close()
				}
				if c.name == "somebody's file" {
					if data, err := os.ReadFile(filepath.Join(r.dir,
						"notes.txt")); string(data) != "somebody's" {
						r.Errorf("somebody's file holds %q, %v", data, err)
					}
				}
			})
		})
	}
}

// TestCommittedWhileOpen ends the process after a commit of a file that is still
// written, and closed: its own commit is no conflict.
func TestCommittedWhileOpen(t *testing.T) {
	for _, base := range []string{"", "before"} {
		t.Run(fmt.Sprintf("over %q", base), func(t *testing.T) {
			recoverable(t, nil, func(r *rig) {
				it := r.create("Delivery/f", []byte("one"))
				if base != "" {
					it.Drop()
					r.b.Store("Delivery/f", []byte(base), nil)
					it = r.edit("Delivery/f")
					r.write(it, []byte("one"), 0)
				}
				if err := it.Commit(r.Context()); err != nil {
					r.Fatal(err)
				}
				r.write(it, []byte("two"), 1)
				r.done(it)
				r = r.again()
				defer r.Close()
				r.resume()
				r.drain()
				want := "otwo"
				if base != "" {
					want = "otwore"
				}
				r.wantHolds("Delivery/f", []byte(want))
				r.wantKeys("Delivery/f")
			})
		})
	}
}
