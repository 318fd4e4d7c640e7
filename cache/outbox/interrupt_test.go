package outbox

import (
	"errors"
	"fmt"
	"io"
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

// spoil has the local disk, or S3, refuse what an item asks of it, until mend is called.
type spoil struct {
	name string
	do   func(*rig, *Item) (mend func())
}

var spoils = []spoil{
	{"the stage is full", func(r *rig, _ *Item) func() {
		size := r.quota.max
		r.quota.max = 1
		return func() { r.quota.max = size }
	}},
	{diskGone, func(r *rig, it *Item) func() {
		full := r.fullDisk()
		if p := it.log.slot; p != nil {
			was := *p
			slots, err := slotfile.Open(full, stage.SlotSize, 1)
			if err != nil {
				r.Fatal(err)
			}
			it.log.mu.Lock()
			p.File = slots
			it.log.mu.Unlock()
			return func() {
				it.log.mu.Lock()
				*p = was
				it.log.mu.Unlock()
				slots.Close()
			}
		}
		r.reopenAs(it, func() error {
			return errors.Join(os.Rename(it.path, it.path+"-aside"), os.Symlink(full, it.path))
		})
		return func() {
			r.reopenAs(it, func() error { return os.Rename(it.path+"-aside", it.path) })
		}
	}},
	{journalGone, func(r *rig, it *Item) func() {
		if p := it.log.slot; p != nil {
			was := *p
			slots, err := slotfile.Open(r.fullDisk(), stage.SlotSize, 1)
			if err != nil {
				r.Fatal(err)
			}
			it.log.mu.Lock()
			defer it.log.mu.Unlock()
			p.File = slots
			if p.AppendLog([]byte("x\n")) == nil { // from now on it takes no line
				r.Fatal("a full disk takes a line")
			}
			p.File = was.File
			return func() {
				it.log.mu.Lock()
				*p = was
				it.log.mu.Unlock()
				slots.Close()
			}
		}
		log, aside := it.path+journal.Suffix, it.path+journal.Suffix+"-aside"
		if err := errors.Join(os.Rename(log, aside), os.Mkdir(log, 0o700)); err != nil {
			r.Fatal(err)
		}
		return func() {
			if err := errors.Join(os.Remove(log), os.Rename(aside, log)); err != nil {
				r.Fatal(err)
			}
		}
	}},
	{"S3 refuses the folder", func(_ *rig, it *Item) func() {
		it.uploading.deny(s3backend.Denied)
		return it.uploading.retry
	}},
}

const (
	diskGone    = "the disk takes no bytes"
	journalGone = "the journal takes no line, and none in it can be changed"
)

// reopenAs closes the staged file, whose only user is the caller, and opens it again after
// replace.
func (r *rig) reopenAs(it *Item, replace func() error) {
	synctest.Wait()
	it.stage.Close()
	if err := errors.Join(replace(), it.stage.Open()); err != nil {
		r.Fatal(err)
	}
}

// fullDisk is a file that takes nothing.
func (r *rig) fullDisk() string {
	path := filepath.Join(r.TempDir(), "full")
	if err := os.Symlink("/dev/full", path); err != nil {
		r.Fatal(err)
	}
	return path
}

// change is one thing that a program does to a file. Its error reaches the program.
type change struct {
	name string
	do   func(it *Item) error
}

var changes = []change{
	{"write", func(it *Item) error { _, err := it.WriteAt([]byte("refused"), 3); return err }},
	{"write behind the end", func(it *Item) error { _, err := it.WriteAt(random(9, 5000), it.stage.Size()+9); return err }},
	{"append", func(it *Item) error { _, _, err := it.Append([]byte("refused")); return err }},
	{"truncate", func(it *Item) error { return it.Truncate(5) }},
	{"truncate to nothing", func(it *Item) error { return it.Truncate(0) }},
	{"fallocate", func(it *Item) error { return it.Grow(it.stage.Size() + 100) }},
	{"punch a hole", func(it *Item) error { return it.Punch(1, 8) }},
	{"fsync", func(it *Item) error { return it.Sync() }},
	{"close", func(it *Item) error { return it.Seal() }},
}

// closing is a way in which a writer lets go of a file.
type closing struct {
	name   string
	killed bool // the daemon, then
	do     func(*rig, *Item) *rig
}

var closings = []closing{
	{"closed", false, func(r *rig, it *Item) *rig {
		_ = it.Seal()
		r.done(it)
		return r
	}},
	{"released", false, func(r *rig, it *Item) *rig {
		r.done(it)
		return r
	}},
	{"closed, and the daemon killed", true, func(r *rig, it *Item) *rig {
		_ = it.Seal()
		return r.again()
	}},
	{"released, and the daemon killed", true, func(r *rig, it *Item) *rig {
		r.done(it)
		return r.again()
	}},
	{"left open, and the daemon killed", true, func(r *rig, it *Item) *rig { return r.again() }},
}

// refusedFile is a file of which a program is refused something.
type refusedFile struct {
	kind string
	base bool // S3 holds an older version, which it changes
	size int
}

var refusedFiles = []refusedFile{{"new", false, 100},
	{"new, with files of its own", false, stage.SlotPayload + 100}, {"changed", true, 100}}

// refusal is what happens to it.
type refusal struct {
	refusedFile
	spoil  spoil
	change change
	close  closing
	before bool // it was closed before, and opened again
	later  bool // it is written to once more, which succeeds
}

func (c refusal) String() string {
	return fmt.Sprintf("%s/%s/%s/%s/%v,%v", c.kind, c.spoil.name, c.change.name,
		c.close.name, c.before, c.later)
}

// TestWhatAWriterWasRefusedIsNotDelivered refuses each change that a program can make,
// for each reason: whoever closes the file and however, in whatever process, it is not
// sent, and what S3 held before stays, until it is written anew from nothing or sent by
// Deliver. Going on to write it is not enough.
func TestWhatAWriterWasRefusedIsNotDelivered(t *testing.T) {
	refusals, n := 0, 0
	for _, file := range refusedFiles {
		for _, sp := range spoils {
			for _, ch := range changes {
				for _, cl := range closings {
					n++
					c := refusal{file, sp, ch, cl, n&1 != 0, n&2 != 0}
					synctest.Test(t, func(t *testing.T) {
						if c.run(t, n%3 == 0) {
							refusals++
						}
					})
					if t.Failed() {
						t.Fatalf("the first that failed: %s", c)
					}
				}
			}
		}
	}
	if refusals < 150 {
		t.Errorf("only %d changes were refused", refusals)
	}
}

// run reports whether anything was refused.
func (c refusal) run(t *testing.T, anew bool) bool {
	const key = "Delivery/f"
	old := random(1, 3000)
	r := newRig(t, buckettest.New(), t.TempDir(), Config{}, nil)
	defer func() { r.Close() }()
	r.recover()
	if c.base {
		r.b.Store(key, old, nil)
	}
	it := r.begin(key, random(2, c.size), c.base)
	if c.before {
		r.done(it)
		r.hold(it)
	}
	own := it.log.slot == nil
	mend := c.spoil.do(r, it)
	err := c.change.do(it)
	mend()
	if err == nil {
		return false // it was not in its way
	}
	if c.later {
		r.write(it, []byte("later"), 50)
	} else if c.before && c.close.killed &&
		(own && c.spoil.name == journalGone || !own && c.spoil.name == diskGone) {
		return true // nothing here could say so
	}
	r = c.close.do(r, it)
	r.wantKept(c.String(), key, old, c.base)
	r.wantMended(c.String(), key, anew)
	return true
}

// begin stages a new file, or a change of what the bucket holds.
func (r *rig) begin(key string, data []byte, base bool) *Item {
	if !base {
		return r.create(key, data)
	}
	it := r.edit(key)
	if err := it.MaterializeBase(r.Context()); err != nil {
		r.Fatal(err)
	}
	r.write(it, data, 0)
	return it
}

// item is what is kept of the key here, after a recovery too.
func (r *rig) item(name, key string) *Item {
	r.Helper()
	if len(r.Items()) == 0 {
		r.resume()
	}
	i := slices.IndexFunc(r.Items(), func(it *Item) bool { return it.Key() == key })
	if i < 0 {
		r.Fatalf("%s: nothing is kept of %q: %+v", name, key, r.Status())
	}
	return r.Items()[i]
}

// wantKept fails unless the file is interrupted, and S3 holds what it did before.
func (r *rig) wantKept(name, key string, old []byte, base bool) {
	r.Helper()
	it := r.item(name, key)
	_ = sleep(r.Context(), time.Hour)
	synctest.Wait()
	if st := it.Status(); st.State != Interrupted || st.Reason == "" {
		r.Errorf("%s: %+v, want it interrupted, and why", name, st)
	}
	if data, ok := r.b.Data(key); ok != base || base && !buckettest.Equal(data, old) {
		r.Errorf("%s: the bucket holds %d bytes of it (%v)", name, len(data), ok)
	}
}

// wantMended fails unless going on to write the file leaves it here, and to write it anew,
// or to send it as it is, does not.
func (r *rig) wantMended(name, key string, anew bool) {
	r.Helper()
	it := r.item(name, key)
	rewrite := it.interrupted != nil && it.interrupted.rewrite
	r.hold(it)
	if _, _, err := it.Append([]byte("more")); err != nil {
		r.Fatalf("%s: append: %v", name, err)
	}
	r.done(it)
	_ = sleep(r.Context(), time.Hour)
	if !rewrite {
		return // its end was missing, and is there now
	}
	if st := it.Status(); st.State != Interrupted {
		r.Errorf("%s: %+v after an append, want it interrupted", name, st)
		return
	}
	want := []byte("all of it")
	if anew {
		r.hold(it)
		if err := it.Truncate(0); err != nil {
			r.Fatalf("%s: truncate: %v", name, err)
		}
		r.write(it, want, 0)
		r.done(it)
	} else {
		want = make([]byte, it.stage.Size())
		if err := it.Open(); err != nil {
			r.Fatal(err)
		}
		if _, err := it.ReadAt(r.Context(), want, 0); err != nil && err != io.EOF {
			r.Fatal(err)
		}
		it.Close()
		if err := it.Deliver(); err != nil {
			r.Fatal(err)
		}
	}
	r.drain()
	r.wantHolds(key, want)
	r.wantNothing()
}

// TestRefusedDeliverSendsNothing opens and closes a file while Deliver journals that a person
// wants it as it is. The disk refuses that, and the file stays interrupted, whenever the close was.
func TestRefusedDeliverSendsNothing(t *testing.T) {
	for _, after := range []time.Duration{0, 1, defaultSettle / 2, defaultSettle - 1} {
		bubble(t, Config{}, nil, func(r *rig) {
			it := r.create("Delivery/a", []byte("half"))
			it.Interrupt()
			r.done(it)
			was := it.complete() // as Deliver, which holds no lock of the schedule
			r.hold(it)
			it.Release()
			time.Sleep(after)
			it.restoreInterruption(was)
			time.Sleep(time.Hour)
			synctest.Wait()
			r.wantKeys()
			if st := it.Status(); st.State != Interrupted {
				r.Errorf("the file is %s, want it interrupted (%v after the close)",
					st.State, after)
			}
			if err := it.Deliver(); err != nil {
				r.Fatal(err)
			}
			r.drain()
			r.wantHolds("Delivery/a", []byte("half"))
		})
	}
}
