package outbox

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/s3share/s3share/cache/slotfile"
)

const (
	// trayName is the file of the places. What changes their layout changes the name.
	trayName = "tray-64k"
	// placeSize is what one takes: a page for the journal, then the staged bytes.
	placeSize = 64 << 10
	// pageSize is the most that a journal may have in a place. All its lines lie in
	// one page of memory, so that a line is there whole or not at all.
	pageSize = 4 << 10
	// placeRoom is the most bytes that a place has room for.
	placeRoom = placeSize - pageSize
	// mostPlaces is how many there are. Whoever finds none makes files.
	mostPlaces = 4096
)

// place is where a small new file has its journal and its staged bytes, instead of
// two files of its own, until it outgrows it. Of the journal there are the lines, and
// zeros behind them.
type place struct {
	tray *slotfile.File
	n    int
	// The fields below are guarded by Item.logMu.
	logs   int  // bytes of the journal
	broken bool // there may be more: nobody uses it any more
}

// openTray opens the tray in dir, with all that is in it, however much that is.
func openTray(dir string) (*slotfile.File, error) {
	path, most := filepath.Join(dir, trayName), int64(mostPlaces)
	if info, err := os.Stat(path); err == nil {
		most = max(most, (info.Size()+placeSize-1)/placeSize)
	}
	return slotfile.Open(path, placeSize, int(most))
}

func (o *Outbox) trayPath() string { return filepath.Join(o.cfg.Dir, trayName) }

// takePlace returns a place with an empty journal, or nil where there is none.
func (o *Outbox) takePlace() *place {
	n, ok := o.tray.Alloc()
	if !ok {
		return nil
	}
	return &place{tray: o.tray, n: n}
}

var (
	// errOutgrown tells that a place has no room for a line of the journal.
	errOutgrown = errors.New("no room in its place")
	errBroken   = errors.New("cannot keep the journal: its last line could not be taken back")
)

// emptyPage is a journal without lines.
var emptyPage [pageSize]byte

// append appends lines to the journal, all or none. Its error is errOutgrown, or the
// disk's.
func (p *place) append(lines []byte) error {
	if p.logs+len(lines) > pageSize {
		return errOutgrown
	}
	if p.broken {
		return errBroken
	}
	if _, err := p.tray.WriteAt(p.n, lines, int64(p.logs)); err != nil {
		// What came of the line goes again, as far as it came.
		_, _ = p.tray.WriteAt(p.n, emptyPage[:len(lines)], int64(p.logs))
		if left, rerr := p.log(); rerr != nil || len(left) != p.logs {
			p.broken = true
		}
		return fmt.Errorf("cannot keep the journal: %w", err)
	}
	p.logs += len(lines)
	return nil
}

// log returns the lines of the journal.
func (p *place) log() ([]byte, error) {
	page := make([]byte, pageSize)
	if _, err := p.tray.ReadAt(p.n, page, 0); err != nil && err != io.EOF {
		return nil, err
	}
	lines, _, _ := bytes.Cut(page, []byte{0})
	return lines, nil
}

// cut leaves the first n bytes of the journal.
func (p *place) cut(n int) error {
	_, err := p.tray.WriteAt(p.n, emptyPage[:p.logs-n], int64(n))
	p.logs, p.broken = n, p.broken || err != nil
	return err
}

// endLog ends the journal: whoever reads it finds none. The bytes stay.
func (p *place) endLog() error {
	_, err := p.tray.WriteAt(p.n, emptyPage[:p.logs], 0)
	p.logs, p.broken = 0, p.broken || err != nil
	return err
}

// give gives the place back, if nothing is left of its journal.
func (p *place) give() {
	if !p.broken {
		p.tray.Free(p.n)
	}
}

// owesInTray reports whether a place in dir's tray has a journal.
func owesInTray(dir string) (bool, error) {
	f, err := os.Open(filepath.Join(dir, trayName))
	if os.IsNotExist(err) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return false, err
	}
	for off := int64(0); off < info.Size(); off += placeSize {
		var b [1]byte
		if _, err := f.ReadAt(b[:], off); err != nil {
			return false, err
		}
		if b[0] != 0 {
			return true, nil
		}
	}
	return false, nil
}
