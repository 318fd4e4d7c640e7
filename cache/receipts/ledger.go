package receipts

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/s3share/s3share/cache/freespace"
	"github.com/s3share/s3share/cache/privatedir"
)

// Ledger is a file in a directory that is this user's alone. Several processes may append to it
// at a time. Its methods may be called concurrently.
type Ledger struct {
	dir  *privatedir.Dir
	name string

	above func(path string, n int64) bool // freespace.Above

	mu   sync.Mutex // guards seen
	seen seen
}

// Open opens the ledger of a name in a directory, which is made if it is not there. The file is
// made with the first entry.
func Open(dir, name string) (*Ledger, error) {
	d, err := privatedir.OpenOrCreate(dir)
	if err != nil {
		return nil, err
	}
	return &Ledger{dir: d, name: name, above: freespace.Above}, nil
}

// Close closes the directory.
func (l *Ledger) Close() error { return l.dir.Close() }

// errFloor is the error when appending would go below the floor of free space.
var errFloor = fmt.Errorf("too little room for the ledger of receipts: %w", unix.ENOSPC)

// Append appends entries, in one write, without those that their Once or UnlessLast excludes. If it
// fails, none of them is in the ledger. A last line that was cut short is taken away before, and a
// gap record in the same write says so.
func (l *Ledger) Append(ctx context.Context, entries ...Entry) error {
	f, err := l.dir.OpenFile(l.name, os.O_RDWR|os.O_CREATE|os.O_APPEND)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := lock(ctx, f, unix.LOCK_EX); err != nil {
		return err
	}
	at, err := findEnd(f)
	if err != nil {
		return err
	}
	if slices.ContainsFunc(entries, func(e Entry) bool { return e.Once || e.UnlessLast }) {
		l.mu.Lock()
		entries, err = l.seen.unseen(ctx, f, at.size, entries)
		l.mu.Unlock()
		if err != nil {
			return err
		}
	}
	return l.write(f, at, entries)
}

// write appends entries at the end of the file.
func (l *Ledger) write(f *os.File, at end, entries []Entry) error {
	if at.torn > 0 {
		entries = append([]Entry{{Event: Gap, Time: now(), Reason: Torn}}, entries...)
	}
	if len(entries) == 0 {
		return nil
	}
	var text []byte
	if at.unended {
		text = append(text, '\n')
	}
	for _, e := range entries {
		e.N, e.Prev = at.n+1, at.sum
		e.Time, e.Modified = e.Time.UTC().Truncate(time.Millisecond), e.Modified.UTC()
		line, err := encode(&e)
		if err != nil {
			return err
		}
		text = append(text, line...)
		at.link = link{n: e.N, sum: e.Sum}
	}
	if !l.above(l.dir.Path(), int64(len(text))) {
		return errFloor
	}
	if at.torn > 0 {
		if err := f.Truncate(at.size); err != nil {
			return err
		}
	}
	if _, err := f.Write(text); err != nil {
		return errors.Join(fmt.Errorf("write the ledger of receipts: %w", err), f.Truncate(at.size))
	}
	return nil
}

// Sync writes to the disk what was appended.
func (l *Ledger) Sync() error {
	f, err := l.dir.OpenFile(l.name, os.O_RDWR)
	if err != nil {
		return err
	}
	defer f.Close()
	return f.Sync()
}

// end is where the file ends.
type end struct {
	link          // of the last line
	size    int64 // of the file, up to the end of the last line
	torn    int   // bytes of a line that was cut short, behind that
	unended bool  // the last line lacks its line feed
}

// findEnd finds the end of a ledger. No other process may append meanwhile.
func findEnd(f *os.File) (end, error) {
	size, err := f.Seek(0, io.SeekEnd)
	if err != nil || size == 0 {
		return end{link: link{sum: noSum}}, err
	}
	at := end{size: size}
	from := max(0, size-3*maxLine)
	buf := make([]byte, size-from)
	if _, err := f.ReadAt(buf, from); err != nil {
		return end{}, err
	}
	lines, piece := buf[:bytes.LastIndexByte(buf, '\n')+1], buf[bytes.LastIndexByte(buf, '\n')+1:]
	if at.link, err = lastLink(f, from, lines); err != nil {
		return end{}, err
	}
	if len(piece) == 0 {
		return at, nil
	}
	if l, zeros, ok := parseUnended(piece); ok { // all but the line feed was written
		at.link, at.unended, at.torn, at.size = l, true, zeros, size-int64(zeros)
		return at, nil
	}
	if isTorn(piece, at.link) {
		at.torn, at.size = len(piece), size-int64(len(piece))
		return at, nil
	}
	at.unended = true
	at.link = link{n: at.n + 1, sum: sumOf(piece)}
	return at, nil
}

// lastLink returns the link of the last of whole lines, which begin at an offset.
func lastLink(f *os.File, from int64, lines []byte) (link, error) {
	if len(lines) == 0 && from == 0 {
		return link{sum: noSum}, nil
	}
	if len(lines) == 0 { // the last line is longer than any that is written
		n, err := countLines(io.NewSectionReader(f, 0, from))
		return link{n: n, sum: noSum}, err
	}
	lines = lines[:len(lines)-1]
	last := lines[bytes.LastIndexByte(lines, '\n')+1:]
	l, known := linkAfter(last)
	if !known { // by counting
		n, err := countLines(io.NewSectionReader(f, 0, from+int64(len(lines))+1))
		l.n = n
		return l, err
	}
	return l, nil
}

func countLines(r io.Reader) (n uint64, err error) {
	buf := make([]byte, 1<<20)
	for {
		k, err := r.Read(buf)
		n += uint64(bytes.Count(buf[:k], []byte{'\n'}))
		if err == io.EOF {
			return n, nil
		}
		if err != nil {
			return 0, err
		}
	}
}

// lockInterval is the pause between two tries to lock the file. It is locked for milliseconds.
const lockInterval = 2 * time.Millisecond

// lock locks a file until it is closed. It waits for other processes until the context ends.
func lock(ctx context.Context, f *os.File, how int) error {
	for {
		err := unix.Flock(int(f.Fd()), how|unix.LOCK_NB)
		if !errors.Is(err, unix.EWOULDBLOCK) && !errors.Is(err, unix.EINTR) {
			return err
		}
		select {
		case <-time.After(lockInterval):
		case <-ctx.Done():
			return fmt.Errorf("another process has locked the ledger of receipts: %w", ctx.Err())
		}
	}
}

func now() time.Time { return time.Now().UTC().Truncate(time.Millisecond) }
