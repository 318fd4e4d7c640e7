package outbox

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/s3share/s3share/cache/buckettest"
	"github.com/s3share/s3share/cache/outbox/stage"
)

// shownFile is what programs see of a file.
type shownFile struct {
	content []byte
	mtime   time.Time
	mode    uint32
}

func (r *rig) shown(it *Item) shownFile {
	r.Helper()
	if err := it.Open(); err != nil {
		r.Fatal(err)
	}
	defer it.Close()
	size, mtime, mode, _ := it.Stat()
	s := shownFile{make([]byte, size), mtime, mode}
	if n, err := it.ReadAt(r.Context(), s.content, 0); int64(n) != size ||
		err != nil && err != io.EOF {
		r.Fatalf("%d bytes of %d can be read: %v", n, size, err)
	}
	return s
}

// keptChange is a change of [off, end) of a file that holds content.
type keptChange struct {
	name     string
	off, end int
	do       func(it *Item) error
}

// drawChange draws a change of a file of this size.
func drawChange(rnd *rand.Rand, size int) keptChange {
	off := rnd.IntN(size + 1)
	n := []int{1, 100, stage.SlotPayload}[rnd.IntN(3)]
	data := random(rnd.Uint64(), n)
	behind := size + rnd.IntN(1000)
	switch rnd.IntN(10) {
	case 0, 1:
		return keptChange{"write", off, off + n, func(it *Item) error {
			_, err := it.WriteAt(data, int64(off))
			return err
		}}
	case 2:
		return keptChange{"write behind the end", behind, behind + n, func(it *Item) error {
			_, err := it.WriteAt(data, int64(behind))
			return err
		}}
	case 3:
		return keptChange{"append", size, size + n, func(it *Item) error {
			_, _, err := it.Append(data)
			return err
		}}
	case 4:
		return keptChange{"truncate", off,
			size, func(it *Item) error { return it.Truncate(int64(off)) }}
	case 5:
		return keptChange{"truncate to its size",
			0, 0, func(it *Item) error { return it.Truncate(int64(size)) }}
	case 6:
		return keptChange{"extend", size,
			behind + 1, func(it *Item) error { return it.Truncate(int64(behind + 1)) }}
	case 7:
		return keptChange{"punch", off, min(off+n, size), func(it *Item) error {
			return it.Punch(int64(off), int64(off+n))
		}}
	case 8:
		return keptChange{"touch", 0, 0,
			func(it *Item) error { return it.SetMtime(time.Unix(1e9, 5)) }}
	}
	return keptChange{"chmod", 0, 0, func(it *Item) error { return it.SetMode(0o640) }}
}

// TestAcceptedChangesAreKeptAndRefusedOnesAreNotMade has the disk refuse random changes of a file.
// One that was refused has not changed the size, the time of a file that nobody has written to, or
// bytes outside of it. What the file is in the end, it is in the next process as well.
func TestAcceptedChangesAreKeptAndRefusedOnesAreNotMade(t *testing.T) {
	seeds := 400
	if testing.Short() {
		seeds = 50
	}
	refused := 0
	for seed := range seeds {
		synctest.Test(t, func(t *testing.T) {
			rnd := rand.New(rand.NewPCG(uint64(seed), 7))
			file := refusedFiles[rnd.IntN(len(refusedFiles))]
			r := newRig(t, buckettest.New(), t.TempDir(), Config{}, nil)
			defer func() { r.Close() }()
			r.recover()
			var it *Item
			if file.base {
				r.b.Store("Delivery/f", random(3, 3000), nil)
				it = r.edit("Delivery/f")
				if rnd.IntN(2) == 0 {
					if err := it.MaterializeBase(t.Context()); err != nil {
						t.Fatal(err)
					}
				}
			} else {
				it = r.create("Delivery/f", random(2, file.size))
			}
			var history []string
			for range 1 + rnd.IntN(8) {
				if rnd.IntN(6) == 0 {
					_ = it.Seal()
				}
				was, untouched := r.shown(it), it.Untouched()
				change := drawChange(rnd, len(was.content))
				mend := func() {}
				sp := spoils[rnd.IntN(3)]
				// What outgrows its slot is read from there.
				leaves := it.log.inSlot() && change.end > stage.SlotPayload
				if rnd.IntN(2) == 0 && !(leaves && sp.name == diskGone) {
					mend = sp.do(r, it)
				}
				err := change.do(it)
				mend()
				history = append(history,
					fmt.Sprintf("%s [%d, %d): %v", change.name, change.off, change.end, err))
				if err == nil {
					continue
				}
				refused++
				now := r.shown(it)
				same := len(now.content) == len(was.content) && now.mode == was.mode &&
					bytes.Equal(now.content[:min(change.off, len(was.content))],
						was.content[:min(change.off, len(was.content))]) &&
					(change.end >= len(was.content) ||
						bytes.Equal(now.content[change.end:], was.content[change.end:]))
				if untouched {
					same = same && bytes.Equal(now.content, was.content) &&
						now.mtime.Equal(was.mtime) && it.Untouched()
				}
				if !same {
					t.Errorf(
						"seed %d: a refused change has changed the file from %d bytes, %v, mode %o to %d, %v, %o, untouched %v: %s\n%q",
						seed, len(was.content), was.mtime, was.mode, len(now.content),
						now.mtime, now.mode, it.Untouched(),
						difference(now.content, was.content), history)
				}
			}
			want, touched := r.shown(it), !it.Untouched()
			if !touched {
				return // it is dropped at its last close
			}
			r = r.again()
			r.Suspend(&SuspendedError{}) // what was closed is looked at before it is delivered
			left := r.resume()["Delivery/f"]
			if left == nil {
				t.Errorf("seed %d: the next process does not know the file:\n%q", seed, history)
				return
			}
			if now := r.shown(left); !bytes.Equal(now.content, want.content) ||
				now.mode != want.mode {
				t.Errorf(
					"seed %d: in the next process the file has %d bytes, mode %o, want %d, %o: %s\n%q", seed,
					len(now.content), now.mode, len(want.content), want.mode,
					difference(now.content, want.content), history)
			}
		})
		if t.Failed() {
			return
		}
	}
	if refused < seeds/4 {
		t.Errorf("only %d changes were refused", refused)
	}
}

// TestAttributesOfAFileThatCouldNotBeSealedAreKept closes a file while the disk refuses its
// journal. A new time or mode is refused as well, or a later process knows it.
func TestAttributesOfAFileThatCouldNotBeSealedAreKept(t *testing.T) {
	for _, file := range refusedFiles {
		for _, told := range []bool{false, true} { // that it was not sealed
			for _, mended := range []string{"before", "afterwards", "for a while afterwards"} {
				synctest.Test(t, func(t *testing.T) {
					r := newRig(t, buckettest.New(), t.TempDir(), Config{}, nil)
					defer func() { r.Close() }()
					r.recover()
					r.Suspend(&SuspendedError{}) // nothing is delivered meanwhile
					if file.base {
						r.b.Store("Delivery/f", random(3, 3000), nil)
					}
					it := r.begin("Delivery/f", random(2, file.size), file.base)
					i := slices.IndexFunc(spoils,
						func(s spoil) bool { return s.name == journalGone })
					mend := spoils[i].do(r, it)
					if told {
						if err := it.Seal(); err == nil {
							t.Fatal("it was sealed")
						}
					}
					r.done(it)
					r.hold(it)
					if mended == "before" {
						mend()
					}
					at := time.Unix(1e9, 5)
					terr, merr := it.SetMtime(at), it.SetMode(0o640)
					if mended != "before" && (terr == nil || merr == nil) {
						t.Errorf(
							"%s: a new time and a new mode: %v, %v, and the journal does not have them", file.kind, terr, merr)
					}
					if mended != "before" {
						mend()
					}
					r.done(it)
					if mended == "for a while afterwards" {
						_ = sleep(t.Context(), 2*syncAfter)
						synctest.Wait()
					}
					want := r.shown(it)
					if terr == nil && !want.mtime.Equal(at) || merr == nil && want.mode != 0o640 {
						t.Errorf("%s: it is shown with %v, %o", file.kind, want.mtime, want.mode)
					}
					r = r.again()
					r.Suspend(&SuspendedError{})
					now := r.shown(r.item(file.kind, "Delivery/f"))
					if !now.mtime.Equal(want.mtime) || now.mode != want.mode {
						t.Errorf(
							"%s, told %v, mended %s: the next process shows %v, %o, want %v, %o", file.kind, told,
							mended, now.mtime, now.mode, want.mtime, want.mode)
					}
				})
			}
		}
	}
}

// TestSealThatWasRefusedIsWrittenLater closes a file while the disk refuses its journal. Once it
// does not any more, a later process delivers the file.
func TestSealThatWasRefusedIsWrittenLater(t *testing.T) {
	for _, file := range refusedFiles {
		synctest.Test(t, func(t *testing.T) {
			r := newRig(t, buckettest.New(), t.TempDir(), Config{}, nil)
			defer func() { r.Close() }()
			r.recover()
			r.Suspend(&SuspendedError{})
			if file.base {
				r.b.Store("Delivery/f", random(3, 3000), nil)
			}
			it := r.begin("Delivery/f", random(2, file.size), file.base)
			want := r.shown(it).content
			i := slices.IndexFunc(spoils, func(s spoil) bool { return s.name == journalGone })
			mend := spoils[i].do(r, it)
			r.done(it)
			_ = sleep(t.Context(), 2*syncAfter)
			synctest.Wait()
			mend()
			_ = sleep(t.Context(), 2*syncAfter)
			r = r.again()
			r.resume()
			r.drain()
			r.wantHolds("Delivery/f", want)
		})
	}
}
