package changes

import (
	"bytes"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/s3share/s3share/cache/privatedir"
)

// lived is the file of a cursor that was told some changes, and what the bucket holds then.
type lived struct {
	dir    *privatedir.Dir
	path   string
	intact []byte
	bucket map[string]Version
	due    []Event // by a look with the intact file
	last   uint64
	held   int // calls of holdDamaged
}

// live makes a cursor whose file has each kind of line: compacted ones, those of events that were
// taken, that were not to be told, and that have begun.
func live(t *testing.T) *lived {
	t.Helper()
	dir, err := privatedir.OpenOrCreate(filepath.Join(t.TempDir(), "state"))
	if err != nil {
		t.Fatal(err)
	}
	l := &lived{dir: dir, path: filepath.Join(dir.Path(), "cursor")}
	v := func(n int64) Version {
		return Version{ETag: strings.Repeat("e", int(n)), Size: n, Modified: n}
	}
	c := l.open(t)
	if err := c.Start(map[string]Version{"a\xff": v(1), "b": v(2), "c/ü\"\n": v(3)}); err != nil {
		t.Fatal(err)
	}
	log := NewLog(c.File())
	tell := func(taken bool, e Event) {
		e = c.Number(e)
		err := log.Begin(e)
		c.Began(e)
		if err == nil && taken {
			err = log.End(e)
			c.Ended(e)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	tell(true, Event{Kind: Changed, Key: "b", Version: v(4)})
	tell(true, Event{Kind: Removed, Key: "a\xff", Version: v(1)})
	if err := c.Pass(Event{Kind: Created, Key: "ours", Version: v(5), Own: true},
		Event{Kind: Removed, Key: "b"}); err != nil {
		t.Fatal(err)
	}
	tell(true, Event{Kind: Created, Key: "d", Version: v(6)})
	tell(false, Event{Kind: Created, Key: "e", Version: v(7)})
	l.last = c.state.last
	l.bucket = map[string]Version{"c/ü\"\n": v(3), "ours": v(5), "d": v(6), "e": v(7), "new": v(8)}
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	if l.intact, err = os.ReadFile(l.path); err != nil {
		t.Fatal(err)
	}
	c = l.open(t)
	defer c.Close()
	l.due = look(c, l.bucket)
	if c.Damaged() != 0 || len(l.due) != 2 || l.due[0].Key != "e" || !l.due[0].Again ||
		l.due[1].Key != "new" || l.due[1].Again {
		t.Fatalf("of the intact file, %d lines are damaged, and %+v is due", c.Damaged(), l.due)
	}
	return l
}

func (l *lived) open(t *testing.T) *Cursor {
	t.Helper()
	c, err := Open(l.dir, "cursor", "id")
	if err != nil {
		t.Fatalf("Open = %v", err)
	}
	return c
}

func look(c *Cursor, bucket map[string]Version) []Event {
	look := c.Look()
	var events []Event
	for _, key := range slices.Sorted(maps.Keys(bucket)) {
		if e, ok := look.See(key, bucket[key]); ok {
			events = append(events, e)
		}
	}
	events = append(events, look.End()...)
	Sort(events)
	return events
}

// holdDamaged opens the cursor with a damaged file. The damage has to be found; what is due without
// it has to be due, and what is due besides has to be marked; numbers have to be new. Once all is
// told, the file is whole: one call in 16 holds that, since it syncs the file for each event.
func (l *lived) holdDamaged(t *testing.T, file []byte, how string, args ...any) {
	t.Helper()
	if err := os.WriteFile(l.path, file, 0o600); err != nil {
		t.Fatal(err)
	}
	c := l.open(t)
	defer func() { c.Close() }()
	if c.Damaged() == 0 {
		t.Fatalf(how+": nothing is damaged\n%s", append(args, file)...)
	}
	events := look(c, l.bucket)
	for _, want := range l.due {
		if !slices.ContainsFunc(events,
			func(e Event) bool { return e.Key == want.Key && e.Version == want.Version }) {
			t.Fatalf(how+": %+v is not due any more, only %+v", append(args, want, events)...)
		}
	}
	for i, e := range events {
		if !e.Again {
			t.Fatalf(how+": %+v may have been told, and does not say so", append(args, e)...)
		}
		if events[i] = c.Number(e); e.ID == 0 && events[i].ID <= l.last {
			t.Fatalf(how+": %+v has a number that was used", append(args, events[i])...)
		}
	}
	if l.held++; l.held%16 != 1 {
		return
	}
	log := NewLog(c.File())
	for _, e := range events {
		if err := log.Begin(e); err != nil {
			t.Fatal(err)
		}
		c.Began(e)
		if err := log.End(e); err != nil {
			t.Fatal(err)
		}
		c.Ended(e)
	}
	if !c.Due() {
		t.Fatalf(how+": the file stays damaged", args...)
	}
	if err := c.Compact(); err != nil {
		t.Fatal(err)
	}
	c.Close()
	if c = l.open(t); c.Damaged() > 0 {
		t.Fatalf(how+": when all was told, %d lines are damaged", append(args, c.Damaged())...)
	}
	if events := look(c, l.bucket); len(events) > 0 {
		t.Fatalf(how+": when all was told, %+v is due", append(args, events)...)
	}
}

// TestFlippedBitOfACursorIsFound flips a bit of each byte of a cursor's file.
func TestFlippedBitOfACursorIsFound(t *testing.T) {
	l := live(t)
	for i := range l.intact {
		file := bytes.Clone(l.intact)
		file[i] ^= 1 << (i % 8)
		l.holdDamaged(t, file, "bit %d of byte %d of %d", i%8, i, len(file))
	}
}

// TestDamagedCursor overwrites, removes and repeats parts of a cursor's file that are longer.
func TestDamagedCursor(t *testing.T) {
	l := live(t)
	l.holdDamaged(t, nil, "an empty file")
	l.holdDamaged(t, make([]byte, 4096), "zeros")
	ends := []int{0}
	for i, b := range l.intact {
		if b == '\n' {
			ends = append(ends, i+1)
		}
	}
	rapid.Check(t, func(rt *rapid.T) {
		// Of a line that is missing nothing can be known, so part of one has to be left.
		line := rapid.IntRange(0, len(ends)-2).Draw(rt, "line")
		from := rapid.IntRange(ends[line]+1, ends[line+1]-2).Draw(rt, "from")
		to := rapid.IntRange(from+1, len(l.intact)).Draw(rt, "to")
		file := slices.Concat(l.intact[:from], rapid.SampledFrom([][]byte{
			bytes.Repeat([]byte{0}, to-from), bytes.Repeat([]byte{'\n'}, to-from), []byte("\n"),
		}).Draw(rt, "with"), l.intact[to:])
		if to == len(l.intact) {
			file = append(file, '\n') // without, it was cut short
		}
		l.holdDamaged(t, file, "bytes %d to %d of %d", from, to, len(l.intact))
	})
}

// TestCursorWithoutChecksums opens the file of an earlier program: it stays readable, and is
// written anew with checksums.
func TestCursorWithoutChecksums(t *testing.T) {
	l := live(t)
	var old []byte
	for line := range bytes.Lines(l.intact) {
		at := bytes.Index(line, []byte(crcField))
		old = append(append(old, line[:at]...), "}\n"...)
	}
	for _, file := range [][]byte{old, slices.Concat(old, []byte(`{"op":"kno`)),
		slices.Concat(old, []byte("{\"op\":\"kno\x00\x00\n"))} {
		if err := os.WriteFile(l.path, file, 0o600); err != nil {
			t.Fatal(err)
		}
		for pass := range 2 {
			c := l.open(t)
			if events := look(c, l.bucket); c.Damaged() > 0 || !slices.Equal(events, l.due) ||
				c.Due() != (pass == 0) {
				t.Errorf("pass %d: %d lines are damaged; %+v is due, want %+v", pass,
					c.Damaged(), events, l.due)
			}
			if pass == 0 {
				if err := c.Compact(); err != nil {
					t.Fatal(err)
				}
			}
			c.Close()
		}
		if text, err := os.ReadFile(l.path); err != nil ||
			bytes.Count(text, []byte(crcField)) != bytes.Count(text, []byte("\n")) {
			t.Errorf("lines have no checksum, %v:\n%s", err, text)
		}
	}
}
