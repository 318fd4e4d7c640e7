package changes

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"github.com/s3share/s3share/cache/jsonbytes"
	"github.com/s3share/s3share/cache/privatedir"
)

// ErrOther is returned for a file that is the cursor of another bucket or folder.
var ErrOther = errors.New("the file is not this cursor's")

// slack is how many lines more than twice the objects the file may have.
const slack = 1000

// Cursor knows which versions of objects were told. It is for one goroutine of one process at a
// time: the caller holds a lock.
type Cursor struct {
	dir   *privatedir.Dir
	name  string
	id    string
	file  *os.File // nil until Start
	log   *Log
	state state
	lines int

	damaged int  // lines of the file that are not as they were written
	old     bool // the file has lines without checksums
}

// Open opens the cursor in a file of a directory. id tells its bucket and folders from all others.
// If there is no file, [Cursor.New] reports so. If a part of the file is damaged, or all of it,
// [Cursor.Damaged] reports so.
func Open(dir *privatedir.Dir, name, id string) (*Cursor, error) {
	c := &Cursor{dir: dir, name: name, id: id, state: newState()}
	data, err := dir.ReadFile(name)
	if errors.Is(err, fs.ErrNotExist) {
		return c, nil
	}
	if err != nil {
		return nil, err
	}
	if err := c.replay(data); err != nil {
		return nil, err
	}
	return c, c.open()
}

// replay reads the lines of a file. A damaged one is passed over. What it said is told again, since
// that is missing: an object that is not known was created, and an event that has not ended is due.
// Only if S3 holds an older version again than the one that the line was about, and an intact line
// is about that one, is nothing due: as when the current version of a versioned object was deleted.
func (c *Cursor) replay(data []byte) error {
	torn := false // the line before may have been cut short
	for line := range bytes.Lines(data) {
		line, ended := bytes.CutSuffix(line, []byte("\n"))
		r, ok := decode(line)
		if c.lines++; c.lines == 1 && !ok {
			r, ok = decodeOld(line)
			c.old = ok && r.Op == opCursor
			ok = c.old
		} else if c.old && !ok {
			r, ok = decodeOld(line)
		}
		switch {
		case ok && r.Op == opCursor && string(r.Key) != c.id:
			return ErrOther
		case ok && r.Op == opTorn && torn:
			c.damaged--
		case ok:
			c.state.apply(r)
			if c.lines == 1 && r.Op != opCursor {
				c.damaged++
			}
		case c.old && isTorn(line): // nothing marks these
		default:
			c.damaged++
		}
		torn = !ok && !c.old && c.lines > 1 && isTorn(line)
		if torn && !ended {
			c.damaged--
		}
	}
	if c.lines == 0 {
		c.damaged++
	}
	if c.damaged > 0 {
		c.state.doubt = true
		// Greater than any number that a lost line may have had: no cursor has an event each
		// second.
		c.state.last = max(c.state.last, uint64(time.Now().Unix()))
	}
	return nil
}

func (c *Cursor) open() (err error) {
	if c.file, err = c.dir.OpenFile(c.name, os.O_RDWR|os.O_APPEND); err == nil {
		c.log = NewLog(c.file)
	}
	return err
}

// New reports whether nothing was ever told by this cursor: [Cursor.Start] begins it.
func (c *Cursor) New() bool { return c.file == nil }

// Damaged returns how many lines of the file were not as they were written. Events that they were
// about are told again: what the first look finds has [Event.Again]. The numbers of events go on
// with one that was not used before.
func (c *Cursor) Damaged() int { return c.damaged }

// Start begins a new cursor, as though all objects of known were told already.
func (c *Cursor) Start(known map[string]Version) error {
	for key, v := range known {
		c.state.taken[key] = taken{Version: v}
	}
	return c.Compact()
}

// File is the open file, to be passed on to another process for a [Log].
func (c *Cursor) File() *os.File { return c.file }

// Number returns the event with the number by which it is begun.
func (c *Cursor) Number(e Event) Event {
	if e.ID == 0 {
		c.state.last++
		e.ID = c.state.last
	}
	return e
}

// Began takes note that [Log.Begin] was called for an event, perhaps.
func (c *Cursor) Began(e Event) { c.take(beginOf(e)) }

// Ended takes note that [Log.End] was called for an event.
func (c *Cursor) Ended(e Event) { c.take(endOf(e)) }

func (c *Cursor) take(r record) {
	c.state.apply(r)
	c.lines++
}

// Pass records that an event is not to be told: as though it was told and taken.
func (c *Cursor) Pass(events ...Event) error {
	if len(events) == 0 {
		return nil
	}
	var all []record
	for _, e := range events {
		r := record{Op: opKnown, Key: jsonbytes.String(e.Key), Version: e.Version, Own: e.Own}
		if e.Kind == Removed {
			r = record{Op: opForget, Key: r.Key}
		}
		all = append(all, r)
	}
	if err := c.log.append(all...); err != nil {
		return err
	}
	for _, r := range all {
		c.take(r)
	}
	return nil
}

// Len returns how many objects were told.
func (c *Cursor) Len() int { return len(c.state.taken) }

// Due reports whether the file should be compacted: it is long, or has lines without checksums, or
// damaged ones of which all that may have been told before was taken.
func (c *Cursor) Due() bool {
	settled := !c.state.doubt && len(c.state.doubted) == 0
	return c.old || c.damaged > 0 && settled ||
		c.lines > 2*(len(c.state.taken)+len(c.state.begun))+slack
}

// Compact writes the file anew, with what is known alone, and opens that. After a crash at any
// instant it is the old file or the new one. Nobody else may have the file open for a Log.
func (c *Cursor) Compact() error {
	var b bytes.Buffer
	lines := 0
	write := func(r record) error {
		line, err := encode(r)
		b.Write(line)
		lines++
		return err
	}
	err := write(record{Op: opCursor, ID: c.state.last, Key: jsonbytes.String(c.id)})
	for key, t := range c.state.taken {
		err = errors.Join(err,
			write(record{Op: opKnown, Key: jsonbytes.String(key), Version: t.Version, Own: t.own}))
	}
	for key, m := range c.state.begun {
		err = errors.Join(err, write(record{Op: opBegin, ID: m.id, Kind: m.kind,
			Key: jsonbytes.String(key), Version: m.version, Own: m.own}))
	}
	if err == nil {
		err = c.dir.WriteFile(c.name, b.Bytes())
	}
	if err != nil {
		return fmt.Errorf("write the cursor: %w", err)
	}
	c.lines, c.damaged, c.old = lines, 0, false
	old := c.file
	if err := c.open(); err != nil {
		return err
	}
	if old != nil {
		return old.Close()
	}
	return nil
}

// Close closes the file.
func (c *Cursor) Close() error {
	if c.file == nil {
		return nil
	}
	return c.file.Close()
}
