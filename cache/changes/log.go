package changes

import (
	"os"

	"golang.org/x/sys/unix"

	"github.com/s3share/s3share/cache/jsonbytes"
)

// Log appends to the file of a cursor. It may be used by another process than the [Cursor] is,
// which passes the file on, as long as not both append at a time.
type Log struct {
	file *os.File
	torn bool // the last line may have been cut short
}

// NewLog returns the Log of an open file.
func NewLog(file *os.File) *Log { return &Log{file: file, torn: !endsInLine(file)} }

// endsInLine reports whether a file is empty or ends with a line feed.
func endsInLine(f *os.File) bool {
	st, err := f.Stat()
	if err != nil || st.Size() == 0 {
		return err == nil
	}
	var end [1]byte
	_, err = f.ReadAt(end[:], st.Size()-1)
	return err == nil && end[0] == '\n'
}

func (l *Log) append(records ...record) error {
	var text []byte
	if l.torn {
		text = append(text, '\n')
		records = append([]record{{Op: opTorn}}, records...)
	}
	for _, r := range records {
		line, err := encode(r)
		if err != nil {
			return err
		}
		text = append(text, line...)
	}
	l.torn = true
	if _, err := l.file.Write(text); err != nil {
		return err
	}
	l.torn = false
	return nil
}

// Begin records that an event is about to be told. e has a number.
func (l *Log) Begin(e Event) error { return l.append(beginOf(e)) }

// End records that an event was taken, and returns once a loss of power does not undo that.
func (l *Log) End(e Event) error {
	if err := l.append(endOf(e)); err != nil {
		return err
	}
	return unix.Fsync(int(l.file.Fd()))
}

func beginOf(e Event) record {
	r := record{Op: opBegin, ID: e.ID, Kind: e.Kind, Key: jsonbytes.String(e.Key),
		Version: e.Version, Own: e.Own}
	if e.Kind == Removed {
		r.Version = Version{}
	}
	return r
}

func endOf(e Event) record { return record{Op: opEnd, ID: e.ID, Key: jsonbytes.String(e.Key)} }
