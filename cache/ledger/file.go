package ledger

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/google/renameio/v2"
)

// Between attempts to write what the disk has refused.
const (
	firstRetry   = 250 * time.Millisecond
	longestRetry = time.Minute
)

// put takes in an entry, and writes it. What the disk refuses is written with the entries after it,
// or in a while.
func (l *Ledger) put(e Entry) error {
	l.apply(e)
	err := l.write(e)
	if err != nil {
		l.writeLater(firstRetry)
	}
	return err
}

// write writes the line of an entry, or the file anew.
func (l *Ledger) write(e Entry) error {
	if len(l.entries) > l.most || l.torn || l.behind || l.lines > 2*len(l.entries)+slack {
		err := l.compact()
		if !errors.Is(err, errFloor) || !e.Gone {
			return err
		}
	}
	err := l.appendLine(e)
	if err != nil && !errors.Is(err, errFloor) {
		err = l.compact() // which writes another file
	}
	return err
}

func (l *Ledger) appendLine(e Entry) error {
	if l.file == nil {
		f, err := os.OpenFile(l.path, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
		if err != nil {
			return fmt.Errorf("open the ledger: %w", err)
		}
		l.file = f
	}
	text, err := json.Marshal(e.line())
	if err != nil {
		return err
	}
	text = append(text, '\n')
	switch {
	case e.Gone: // written below the floor too: without it, a removed file would be shown again
		if l.torn {
			text = append([]byte("\n"), text...)
		}
	case !l.above(l.path, int64(len(text))):
		l.behind = true
		return errFloor
	}
	l.lines++
	if _, err := l.file.Write(text); err != nil {
		l.torn = true
		return fmt.Errorf("write the ledger: %w", err)
	}
	return nil
}

// writeLater writes the file anew after wait, unless that has happened by then. It tries until it
// can, ever more seldom.
func (l *Ledger) writeLater(wait time.Duration) {
	if l.retry != nil || l.closed {
		return
	}
	l.retry = time.AfterFunc(wait, func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.retry = nil
		if !l.closed && (l.torn || l.behind) && l.compact() != nil {
			l.writeLater(min(2*wait, longestRetry))
		}
	})
}

// compact writes the file anew, with the entries alone, and closes it.
func (l *Ledger) compact() error {
	l.drop()
	l.behind = true // until the file is written
	dir := filepath.Dir(l.path)
	if !l.above(dir, 0) { // before the entries are encoded
		return errFloor
	}
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	for _, e := range l.inOrder() {
		if err := enc.Encode(e.line()); err != nil {
			return err
		}
	}
	if !l.above(dir, int64(b.Len())) {
		return errFloor
	}
	if err := renameio.WriteFile(l.path, b.Bytes(), 0o600, renameio.WithTempDir(dir),
		renameio.IgnoreUmask()); err != nil {
		return fmt.Errorf("write the ledger anew: %w", err)
	}
	old := l.file // put opens the new one
	l.file, l.lines, l.torn, l.behind = nil, len(l.entries), false, false
	if old != nil {
		return old.Close()
	}
	return nil
}

// inOrder are the entries as they were put.
func (l *Ledger) inOrder() []numbered {
	return slices.SortedFunc(maps.Values(l.entries),
		func(a, b numbered) int { return cmp.Compare(a.number, b.number) })
}

// drop forgets a tenth of the entries at once, where there are too many.
func (l *Ledger) drop() {
	if len(l.entries) <= l.most {
		return
	}
	all := l.inOrder()
	slices.SortStableFunc(all, func(a, b numbered) int {
		switch sent := !a.Sent.IsZero(); {
		case sent == !b.Sent.IsZero():
			return 0
		case sent:
			return 1
		}
		return -1
	})
	for _, e := range all[:len(all)-l.most*9/10] {
		delete(l.entries, e.Key)
	}
}
