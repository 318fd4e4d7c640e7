package receipts

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"golang.org/x/sys/unix"
)

// Fault is what is wrong with lines of a ledger.
type Fault string

// The faults.
const (
	Changed Fault = "changed" // it is not as it was written
	// it is whole, and not the one that the next line was written after
	Replaced Fault = "replaced"
	Missing  Fault = "missing"      // there are lines before and after it
	OutOf    Fault = "out of order" // its number was there before
)

// Problem is a fault of the lines with the numbers From to To.
type Problem struct {
	Fault    Fault
	From, To uint64
}

// Report is what a check of a ledger found.
type Report struct {
	Lines    uint64 // that are as they were written
	Last     uint64 // the number of the last line
	Sum      string // of the last line, "" if there is none
	Problems []Problem
	// Torn is how many bytes of a line are at the end that was cut short, as by a kill. That
	// is no problem: the next entry takes them away.
	Torn int
}

// Read calls each for the entries of a ledger, in their order, and checks the chain. If match is
// not nil, each is called only for the lines that it returns true for, which are not decoded
// before. Lines that were changed are in the report alone. A ledger that does not exist is empty.
func (l *Ledger) Read(ctx context.Context, match func(line []byte) bool,
	each func(*Entry) error) (Report, error) {
	f, err := l.dir.OpenFile(l.name, os.O_RDONLY)
	if errors.Is(err, fs.ErrNotExist) {
		return Report{}, nil
	}
	if err != nil {
		return Report{}, err
	}
	defer f.Close()
	// The size while nobody appends: then the last line is whole, unless it was cut short.
	if err := lock(ctx, f, unix.LOCK_SH); err != nil {
		return Report{}, err
	}
	st, err := f.Stat()
	if err == nil {
		err = unix.Flock(int(f.Fd()), unix.LOCK_UN)
	}
	if err != nil {
		return Report{}, err
	}
	return read(ctx, io.NewSectionReader(f, 0, st.Size()), match, each)
}

func read(ctx context.Context, r io.Reader, match func(line []byte) bool,
	each func(*Entry) error) (Report, error) {
	c := checker{last: link{sum: noSum}, before: link{sum: noSum}}
	lines := bufio.NewReaderSize(r, 2*maxLine)
	for i := 0; ; i++ {
		if i%4096 == 0 && ctx.Err() != nil {
			return c.Report, ctx.Err()
		}
		line, err := lines.ReadSlice('\n')
		if errors.Is(err, bufio.ErrBufferFull) { // no line is that long
			for errors.Is(err, bufio.ErrBufferFull) {
				_, err = lines.ReadSlice('\n')
			}
			if err != nil && err != io.EOF {
				return c.Report, err
			}
			c.bad++
			continue
		}
		if err != nil && err != io.EOF {
			return c.Report, err
		}
		ended := err == nil
		if ended {
			line = line[:len(line)-1]
		} else if len(line) == 0 {
			return c.end(), nil
		}
		if !ended {
			if _, zeros, ok := parseUnended(line); ok {
				line, c.Torn = line[:len(line)-zeros], zeros
			}
		}
		got, ok := parseLink(line)
		switch {
		case ok:
			c.good(got)
			c.before = got
		case !ended && isTorn(line, c.before):
			c.Torn = len(line)
		default:
			c.bad++
			var known bool
			if c.before, known = linkAfter(line); !known {
				c.before.n = uint64(i) + 1
			}
		}
		if ok && (match == nil || match(line)) {
			var e Entry
			if err := json.Unmarshal(line, &e); err != nil {
				return c.Report, fmt.Errorf("line %d of the ledger: %w", got.n, err)
			}
			e.Sum = got.sum
			if err := each(&e); err != nil {
				return c.Report, err
			}
		}
	}
}

// checker compares each line with the one before it.
type checker struct {
	Report
	last   link   // of the last line that is as it was written
	bad    uint64 // lines that were changed since
	before link   // of the last line, which the next one is written with
}

func (c *checker) add(f Fault, from, to uint64) {
	c.Problems = append(c.Problems, Problem{f, from, max(from, to)})
}

// good takes a line that is as it was written.
func (c *checker) good(l link) {
	next := c.last.n + 1
	switch {
	case l.n < next:
		c.changed(next)
		c.add(OutOf, l.n, l.n)
	case c.bad > 0:
		c.changed(l.n)
	case l.n > next:
		c.add(Missing, next, l.n-1)
	case l.prev != c.last.sum && c.last.n == 0:
		c.add(Replaced, l.n, l.n)
	case l.prev != c.last.sum:
		c.add(Replaced, c.last.n, c.last.n)
	}
	c.bad = 0
	c.last = l
	c.Lines++
}

// changed adds the lines that were changed, if there are any, before the line with a number.
func (c *checker) changed(before uint64) {
	if c.bad > 0 {
		c.add(Changed, c.last.n+1, before-1)
	}
}

// end returns the report, behind the last line.
func (c *checker) end() Report {
	if c.bad > 0 {
		c.add(Changed, c.last.n+1, c.last.n+c.bad)
		c.last.n += c.bad
	}
	c.Last = c.last.n
	if c.Lines > 0 {
		c.Sum = c.last.sum
	}
	return c.Report
}
