package outbox

import (
	"bytes"
	"errors"
	"fmt"
	"hash/crc32"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/s3share/s3share/cache/outbox/journal"
	"github.com/s3share/s3share/cache/outbox/stage"
	"github.com/s3share/s3share/s3backend"
)

// apart gives an item files of its own.
func (r *rig) apart(it *Item) {
	r.Helper()
	if err := it.log.spill(); err != nil {
		r.Fatal(err)
	}
}

// change changes what the slot file holds for the item.
func (r *rig) change(it *Item, f func(page []byte)) {
	r.Helper()
	page := make([]byte, stage.SlotSize)
	n := it.log.slot.N
	r.journals.slots.ReadAt(n, page, 0) // its end may not be there
	f(page)
	if _, err := r.journals.slots.WriteAt(n, page, 0); err != nil {
		r.Fatal(err)
	}
}

// TestSmallFilesMakeNoFiles: their journals and bytes lie in the slot file, which is gone
// when nothing is owed.
func TestSmallFilesMakeNoFiles(t *testing.T) {
	bubble(t, Config{}, nil, func(r *rig) {
		for round := range 2 {
			var items []*Item
			for i := range 100 {
				items = append(items, r.create(fmt.Sprintf("Delivery/%d-%d", round, i),
					random(uint64(i+round), 4096)))
			}
			for _, it := range items {
				r.done(it)
			}
			if files := r.stagedFiles(); len(files) > 0 {
				r.Errorf("there are files: %q", files)
			}
			r.drain()
			r.wantNothing()
		}
		if n := r.journals.slots.Len(); n != 100 {
			r.Errorf("%d slots were taken, want the first 100 twice", n)
		}
		for i := range 100 {
			r.wantHolds(fmt.Sprintf("Delivery/1-%d", i), random(uint64(i+1), 4096))
		}
		r.Close()
		if left, err := os.ReadDir(r.dir); len(left) > 0 || err != nil {
			r.Errorf("left: %v, %v", left, err)
		}
	})
}

// TestFileThatOutgrowsItsSlotIsDelivered: a file that leaves its slot for whatever reason is
// delivered as it was written, by this process and by the next.
func TestFileThatOutgrowsItsSlotIsDelivered(t *testing.T) {
	long := strings.Repeat("n", 250)
	for _, c := range []struct {
		name  string
		grow  func(r *rig, it *Item, data []byte) []byte // changes it, and tells what it holds then
		apart bool
	}{
		{"not at all", func(r *rig, it *Item, data []byte) []byte {
			r.write(it, []byte("x"), stage.SlotPayload-1)
			return append(append(data, make([]byte, stage.SlotPayload-1-len(data))...), 'x')
		}, false},
		{"a long write", func(r *rig, it *Item, data []byte) []byte {
			more := random(2, stage.SlotPayload)
			r.write(it, more, int64(len(data)))
			return append(data, more...)
		}, true},
		{"a write far behind", func(r *rig, it *Item, data []byte) []byte {
			r.write(it, []byte("x"), 2*stage.SlotPayload)
			return append(append(data, make([]byte, 2*stage.SlotPayload-len(data))...), 'x')
		}, true},
		{"a new size", func(r *rig, it *Item, data []byte) []byte {
			if err := it.Truncate(stage.SlotPayload + 1); err != nil {
				r.Fatal(err)
			}
			return append(data, make([]byte, stage.SlotPayload+1-len(data))...)
		}, true},
		{"a long journal", func(r *rig, it *Item, data []byte) []byte {
			for i := range 20 {
				if err := it.Rename(fmt.Sprintf("Delivery/%s-%d", long, i),
					s3backend.Object{}, nil); err != nil {
					r.Fatal(err)
				}
			}
			if err := it.Rename("Delivery/a", s3backend.Object{}, nil); err != nil {
				r.Fatal(err)
			}
			return data
		}, true},
		{"cut, and a hole", func(r *rig, it *Item, data []byte) []byte {
			if err := it.Truncate(10); err != nil {
				r.Fatal(err)
			}
			r.write(it, []byte("x"), 100)
			if err := it.Punch(5, 8); err != nil {
				r.Fatal(err)
			}
			data = append(data[:10:10], make([]byte, 90)...)
			clear(data[5:8])
			return append(data, 'x')
		}, false},
	} {
		for _, killed := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, killed %v", c.name, killed), func(t *testing.T) {
				recoverable(t, nil, func(r *rig) {
					defer func() { r.Close() }()
					// its slot is the next one's
					other := r.create("Delivery/b", random(7, stage.SlotPayload))
					other.Drop()
					data := random(1, 3000)
					it := r.create("Delivery/a", data)
					data = c.grow(r, it, data)
					if it.log.inSlot() == c.apart {
						r.Errorf("it has a slot: %v", it.log.inSlot())
					}
					if got := make([]byte, len(data)); true {
						if n, err := it.ReadAt(r.Context(), got, 0); n != len(data) ||
							!bytes.Equal(got, data) {
							r.Errorf("it reads as %d bytes, %v, which are right: %v",
								n, err, bytes.Equal(got, data))
						}
					}
					if killed {
						r = r.again()
						left := r.resume()["Delivery/a"]
						if left == nil || left.Status().State != Interrupted {
							r.Fatalf("an open file is recovered as %v", left)
						}
						if err := left.Deliver(); err != nil {
							r.Fatal(err)
						}
					} else {
						r.done(it)
					}
					r.drain()
					r.wantHolds("Delivery/a", data)
					r.wantKeys("Delivery/a")
					r.wantNothing()
				})
			})
		}
	}
}

// TestDamagedSlotIsQuarantined: what is wrong in a slot is kept in files, and listed; what a newer
// program has written stays where it is. The others arrive.
func TestDamagedSlotIsQuarantined(t *testing.T) {
	line := func(text string) string {
		return fmt.Sprintf("%08x %s\n", crc32.ChecksumIEEE([]byte(text)), text)
	}
	for _, c := range []struct {
		name   string
		damage func(page []byte)
		tells  string
	}{
		{"its first line", func(page []byte) { page[20] ^= 1 }, "damaged"},
		{"its last line", func(page []byte) { page[bytes.IndexByte(page, 0)-20] ^= 1 }, "damaged"},
		{"a newer line", func(page []byte) { copy(page[bytes.IndexByte(page, 0):], line(`{"op":"encrypt"}`)) }, "newer s3share"},
		{"its bytes", func(page []byte) { page[stage.SlotLogSize+1] ^= 1 }, "not what was written"},
	} {
		t.Run(c.name, func(t *testing.T) {
			recoverable(t, nil, func(r *rig) {
				good, bad := r.create("Delivery/good",
					[]byte("good")), r.create("Delivery/bad", []byte("bad"))
				r.done(good)
				r.done(bad)
				kept := []byte("bad")
				r.change(bad, func(page []byte) {
					c.damage(page)
					kept = bytes.Clone(page[stage.SlotLogSize:][:3])
				})
				for range 2 { // it is told by the next process as well
					r = r.again()
					r.resume()
					var left *LeftError
					if err := r.Drain(r.Context()); !errors.As(err, &left) || len(left.Left) != 1 ||
						!strings.Contains(left.Left[0].Reason, c.tells) {
						r.Fatalf("Drain = %v, want it to tell %q of the damaged one", err, c.tells)
					}
					r.wantHolds("Delivery/good", []byte("good"))
					r.wantKeys("Delivery/good")
					if c.tells == "newer s3share" { // it stays where that finds it
						if data, err := os.ReadFile(slotFilePath(r.cfg.Dir)); err != nil ||
							!bytes.Contains(data, kept) || r.journals.slots.InUse() != 1 {
							r.Errorf("the slot file has its bytes no more: %v", err)
						}
						continue
					}
					files := slices.DeleteFunc(r.stagedFiles(), func(f string) bool {
						return strings.HasPrefix(filepath.Base(f), journal.RecycledPrefix)
					})
					if len(files) != 1 {
						r.Fatalf("kept are %q, want one file", files)
					}
					if data, err := os.ReadFile(files[0]); err != nil ||
						!bytes.HasPrefix(data, kept) {
						r.Errorf("kept are %.9q, %v, want %q", data, err, kept)
					}
				}
				r.Close()
			})
		})
	}
}

// TestKilledWhileAFileLeavesItsSlot: if the files are there and the slot is not empty yet,
// the files count; if they are half there, the slot does.
func TestKilledWhileAFileLeavesItsSlot(t *testing.T) {
	for _, half := range []bool{false, true} {
		recoverable(t, nil, func(r *rig) {
			data := random(1, 3000)
			it := r.create("Delivery/a", data)
			r.done(it)
			var page []byte
			r.change(it, func(p []byte) { page = bytes.Clone(p) })
			n := it.log.slot.N
			r.apart(it)
			if _, err := r.journals.slots.WriteAt(n, page, 0); err != nil {
				r.Fatal(err)
			}
			if half {
				for _, path := range []string{it.path, it.path + journal.Suffix} {
					if err := os.Truncate(path, 10); err != nil {
						r.Fatal(err)
					}
				}
			}
			r = r.again()
			defer r.Close()
			r.resume()
			r.drain()
			r.wantHolds("Delivery/a", data)
			r.wantKeys("Delivery/a")
			r.wantNothing()
		})
	}
}

// TestOwesReportsWhatIsPending: a slot with a journal counts, one without does not.
func TestOwesReportsWhatIsPending(t *testing.T) {
	recoverable(t, nil, func(r *rig) {
		defer r.Close()
		it := r.create("Delivery/a", []byte("a"))
		if owes, err := Owes(r.dir); !owes || err != nil {
			r.Errorf("Owes = %v, %v while a file is written", owes, err)
		}
		r.done(it)
		r.drain()
		if owes, err := Owes(r.dir); owes || err != nil {
			r.Errorf("Owes = %v, %v when all is delivered", owes, err)
		}
	})
	if owes, err := Owes(filepath.Join(t.TempDir(), "none")); owes || err != nil {
		t.Errorf("Owes = %v, %v without a directory", owes, err)
	}
}
