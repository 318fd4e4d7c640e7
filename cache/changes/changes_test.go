package changes

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/s3share/s3share/cache/privatedir"
)

// TestDue is the table of what is told of one object, by what was taken of it, what may have been
// told since, and what S3 holds now.
func TestDue(t *testing.T) {
	none, v1, v2, v3 := Version{}, Version{ETag: "1", Modified: 1}, Version{ETag: "2",
		Modified: 2}, Version{ETag: "3", Modified: 3}
	may := func(kind Kind, v Version) *begun { return &begun{id: 7, kind: kind, version: v} }
	for _, tt := range []struct {
		taken  Version
		may    *begun
		now    Version
		kind   Kind
		repeat bool
	}{
		{none, nil, none, "", false},
		{none, nil, v1, Created, false},
		{v1, nil, v1, "", false},
		{v1, nil, v2, Changed, false},
		{v1, nil, none, Removed, false},
		// An event has begun. It is told again as long as it holds.
		{none, may(Created, v1), v1, Created, true},
		{v1, may(Changed, v2), v2, Changed, true},
		{v1, may(Removed, none), none, Removed, true},
		// It does not hold any more: what is told now has to be right whether it was told or not.
		{none, may(Created, v1), none, Removed, false},
		{none, may(Created, v1), v2, Created, false},
		{v1, may(Changed, v2), none, Removed, false},
		{v1, may(Changed, v2), v1, Changed, false},
		{v1, may(Changed, v2), v3, Changed, false},
		{v1, may(Removed, none), v1, Created, false},
		{v1, may(Removed, none), v2, Created, false},
		{v1, may(Created, v2), none, Removed, false},
	} {
		if kind, repeat := due(tt.taken, tt.may, tt.now); kind != tt.kind || repeat != tt.repeat {
			t.Errorf("taken %v, begun %v, now %v: due = %q, %t, want %q, %t", tt.taken,
				tt.may, tt.now, kind, repeat, tt.kind, tt.repeat)
		}
	}
}

// TestSort orders events as people expect them.
func TestSort(t *testing.T) {
	at := func(kind Kind, key string, modified int64) Event {
		return Event{Kind: kind, Key: key, Version: Version{Modified: modified}}
	}
	events := []Event{at(Removed, "z", 1), at(Changed, "b", 2), at(Removed, "a", 9),
		at(Created, "a", 3), at(Created, "c", 2)}
	Sort(events)
	var got []string
	for _, e := range events {
		got = append(got, fmt.Sprintf("%s %s", e.Kind, e.Key))
	}
	if want := []string{"changed b", "created c", "created a",
		"removed a", "removed z"}; !slices.Equal(got, want) {
		t.Errorf("the order is %q, want %q", got, want)
	}
}

// told is one telling of an event.
type told struct {
	Event
	taken bool // it has ended, and whoever was told knows that
}

// history is a bucket, a program that is told of its changes, and a watcher that is killed now and
// then.
type history struct {
	t      *rapid.T
	dir    string
	bucket map[string]Version
	clock  int64

	knows map[string]Version // by the program, that keeps what it was told
	told  []told
	open  map[uint64]Event // that a kill has cut off: the program may have been told, or not
	ids   map[uint64]bool  // of events that were taken
}

// change has a party do something to a key.
func (h *history) change(t *rapid.T) {
	key := rapid.SampledFrom([]string{"a", "b/c", "b/\xff", "d\n\"", "e"}).Draw(t, "key")
	h.clock++
	if rapid.Bool().Draw(t, "remove") {
		delete(h.bucket, key)
		return
	}
	etag := rapid.SampledFrom([]string{"x", "y"}).Draw(t, "etag") // versions of equal bytes too
	h.bucket[key] = Version{ETag: etag, Size: int64(len(etag)), Modified: h.clock}
}

func (h *history) cursor() *Cursor {
	dir, err := privatedir.OpenOrCreate(h.dir)
	if err != nil {
		h.t.Fatal(err)
	}
	c, err := Open(dir, "cursor", "id")
	if err != nil {
		h.t.Fatal(err)
	}
	if c.New() {
		if err := c.Start(nil); err != nil {
			h.t.Fatal(err)
		}
	}
	return c
}

// Instants at which a watcher is killed while it tells an event.
const (
	goesOn = iota
	refused
	beforeBegin
	beforeTold
	beforeEnd
	afterEnd
	instants
)

// life is a watcher's: some looks, until it is killed.
func (h *history) life(t *rapid.T) {
	c := h.cursor()
	defer func() { c.Close() }()
	for range rapid.IntRange(1, 4).Draw(t, "looks") {
		look := c.Look()
		var events []Event
		keys := slices.Sorted(maps.Keys(h.bucket))
		if n := len(keys); n > 0 && rapid.IntRange(0, 9).Draw(t, "listing") == 0 {
			for _, key := range keys[:n/2] { // the rest of the listing fails
				look.See(key, h.bucket[key])
			}
			continue
		}
		for _, key := range keys {
			if e, ok := look.See(key, h.bucket[key]); ok {
				events = append(events, e)
			}
		}
		events = append(events, look.End()...)
		Sort(events)
		log := NewLog(c.File())
		for _, e := range events {
			instant := rapid.IntRange(0, 3*instants).Draw(t, "instant") - 2*instants
			if instant == beforeBegin {
				return
			}
			e = c.Number(e)
			if err := log.Begin(e); err != nil {
				t.Fatal(err)
			}
			c.Began(e)
			h.open[e.ID] = e
			if instant == beforeTold {
				h.tear(t)
				return
			}
			h.tell(e)
			switch instant {
			case refused:
				continue
			case beforeEnd:
				return
			}
			if err := log.End(e); err != nil {
				t.Fatal(err)
			}
			h.taken(e)
			c.Ended(e)
			if instant == afterEnd {
				return
			}
		}
		if rapid.Bool().Draw(t, "compact") {
			if err := c.Compact(); err != nil {
				t.Fatal(err)
			}
		}
		for range rapid.IntRange(0, 3).Draw(t, "changes") {
			h.change(t)
		}
	}
}

// tear cuts off some of the last line, as a kill in the middle of a write does, or puts zeros in
// its place, as a loss of power may.
func (h *history) tear(t *rapid.T) {
	path := filepath.Join(h.dir, "cursor")
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	last := strings.LastIndexByte(string(text[:len(text)-1]), '\n') + 1
	keep := rapid.IntRange(last, len(text)).Draw(t, "keep")
	zeros := rapid.SampledFrom([]int{0, 0, 1, 5000, 2 << 20}).Draw(t, "zeros")
	if keep == len(text) {
		zeros = 0
	}
	if err := errors.Join(os.Truncate(path, int64(keep)),
		os.Truncate(path, int64(keep+zeros))); err != nil {
		t.Fatal(err)
	}
}

// tell has the program take an event into account, and checks that it makes sense to it.
func (h *history) tell(e Event) {
	was, has := h.knows[e.Key]
	// With an event that was cut off, the program may know what was told then, or what it knew
	// before.
	cut := slices.ContainsFunc(h.told, func(o told) bool { return o.Key == e.Key && !o.taken })
	again := slices.ContainsFunc(h.told, func(o told) bool { return o.ID == e.ID })
	for i, o := range slices.Backward(h.told) { // what was told last of the key, if it still holds
		if o.Key == e.Key {
			again = again || !h.told[i].taken && o.Kind == e.Kind &&
				(e.Kind == Removed || o.Version == e.Version)
			break
		}
	}
	switch {
	case h.ids[e.ID]:
		h.t.Fatalf("%+v was taken already", e)
	case again && !e.Again:
		h.t.Fatalf("%+v does not say that it was told before", e)
	case e.Again && h.open[e.ID].Kind != e.Kind, e.Again && h.open[e.ID].Key != e.Key:
		h.t.Fatalf("%+v repeats %+v", e, h.open[e.ID])
	case cut || e.Again:
	case e.Kind == Created && has, e.Kind != Created && !has:
		h.t.Fatalf("%+v of an object of which %v is known (%t)", e, was, has)
	case e.Kind == Changed && was == e.Version:
		h.t.Fatalf("%+v though that version is known", e)
	}
	if e.Kind == Removed {
		delete(h.knows, e.Key)
	} else {
		h.knows[e.Key] = e.Version
	}
	h.told = append(h.told, told{Event: e})
}

func (h *history) taken(e Event) {
	h.ids[e.ID] = true
	for i := range h.told { // of the others of the key, only this one counts now
		if h.told[i].Key == e.Key {
			h.told[i].taken = true
		}
	}
}

// TestEveryChangeIsToldOnce has two parties create, change and remove objects between the looks of
// watchers that are killed at any instant. A program that keeps what it was told knows in the end
// what the bucket has; each event was taken once; one that is told again says so, and has its
// number.
func TestEveryChangeIsToldOnce(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		dir, err := os.MkdirTemp("", "changes")
		if err != nil {
			t.Fatal(err)
		}
		defer os.RemoveAll(dir)
		h := &history{
			t: t, dir: filepath.Join(dir,
				"state"), bucket: map[string]Version{}, knows: map[string]Version{},
			open: map[uint64]Event{}, ids: map[uint64]bool{},
		}
		for range rapid.IntRange(1, 12).Draw(t, "lives") {
			for range rapid.IntRange(0, 4).Draw(t, "changes") {
				h.change(t)
			}
			h.life(t)
		}
		// One that nobody kills.
		c := h.cursor()
		defer c.Close()
		log := NewLog(c.File())
		for pass := range 2 {
			look := c.Look()
			var events []Event
			for key, v := range h.bucket {
				if e, ok := look.See(key, v); ok {
					events = append(events, e)
				}
			}
			events = append(events, look.End()...)
			if pass > 0 && len(events) > 0 {
				t.Fatalf("after all was taken there are %+v", events)
			}
			for _, e := range events {
				e = c.Number(e)
				if err := log.Begin(e); err != nil {
					t.Fatal(err)
				}
				c.Began(e)
				h.tell(e)
				if err := log.End(e); err != nil {
					t.Fatal(err)
				}
				h.taken(e)
				c.Ended(e)
			}
		}
		if !maps.Equal(h.knows, h.bucket) {
			t.Fatalf("the program knows %v, and the bucket has %v", h.knows, h.bucket)
		}
	})
}

// TestCursor opens a cursor again, and as another.
func TestCursor(t *testing.T) {
	dir, err := privatedir.OpenOrCreate(filepath.Join(t.TempDir(), "state"))
	if err != nil {
		t.Fatal(err)
	}
	c, err := Open(dir, "cursor", "id")
	if err != nil || !c.New() {
		t.Fatalf("Open = %v; it is new: %t", err, c.New())
	}
	if err := c.Start(map[string]Version{"a\xff": {ETag: "1"}, "b": {ETag: "2"}}); err != nil {
		t.Fatal(err)
	}
	if e, ok := c.Look().See("a\xff", Version{ETag: "1"}); ok {
		t.Errorf("what was there at the start is told: %+v", e)
	}
	if err := c.Pass(Event{Kind: Created, Key: "ours", Version: Version{ETag: "3"}, Own: true},
		Event{Kind: Removed, Key: "b"}); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir.Path(), "cursor")
	if st, err := os.Stat(path); err != nil || st.Mode().Perm() != 0o600 {
		t.Errorf("the file has mode %v, %v", st.Mode(), err)
	}
	again, err := Open(dir, "cursor", "id")
	if err != nil {
		t.Fatal(err)
	}
	if again.New() || again.Len() != 2 {
		t.Errorf("another process finds %d objects, and that it is new: %t",
			again.Len(), again.New())
	}
	look := again.Look()
	for key, etag := range map[string]string{"a\xff": "1", "ours": "3"} {
		if e, ok := look.See(key, Version{ETag: etag}); ok {
			t.Errorf("another process tells %+v", e)
		}
	}
	if gone := look.End(); len(gone) > 0 {
		t.Errorf("another process tells %+v", gone)
	}
	if gone := again.Look().End(); len(gone) != 2 || !gone[1].Own || gone[0].Key != "a\xff" {
		t.Errorf("of an empty bucket it tells %+v", gone)
	}
	if _, err := Open(dir, "cursor", "another"); err == nil {
		t.Error("it opens as that of another bucket")
	}
}

// TestCursorStaysSmall tells one object's changes many times: the file does not grow with them.
func TestCursorStaysSmall(t *testing.T) {
	dir, err := privatedir.OpenOrCreate(filepath.Join(t.TempDir(), "state"))
	if err != nil {
		t.Fatal(err)
	}
	c, err := Open(dir, "cursor", "id")
	if err == nil {
		err = c.Start(nil)
	}
	if err != nil {
		t.Fatal(err)
	}
	for i := range 10 * slack {
		if err := c.Pass(Event{Kind: Changed,
			Key: "a", Version: Version{Modified: int64(i + 1)}}); err != nil {
			t.Fatal(err)
		}
		if c.Due() {
			if err := c.Compact(); err != nil {
				t.Fatal(err)
			}
		}
	}
	if st, err := c.File().Stat(); err != nil || st.Size() > 200*slack {
		t.Errorf("the file has %d bytes, %v", st.Size(), err)
	}
	if e, due := c.Look().See("a", Version{Modified: 10 * slack}); due {
		t.Errorf("it tells %+v", e)
	}
}
