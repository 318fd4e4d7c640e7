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

	"github.com/google/renameio/v2"
)

func (l *Ledger) put(e Entry) error {
	l.apply(e)
	if len(l.entries) > l.most || l.torn || l.behind || l.lines > 2*len(l.entries)+slack {
		err := l.compact()
		if !errors.Is(err, errFloor) || !e.Gone {
			return err
		}
	}
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

// compact writes the file anew, with the entries alone, and closes it.
func (l *Ledger) compact() error {
	l.drop()
	dir := filepath.Dir(l.path)
	if !l.above(dir, 0) { // before the entries are encoded
		l.behind = true
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
		l.behind = true
		return errFloor
	}
	if err := renameio.WriteFile(l.path, b.Bytes(), 0o600, renameio.WithTempDir(dir), renameio.IgnoreUmask()); err != nil {
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
	return slices.SortedFunc(maps.Values(l.entries), func(a, b numbered) int { return cmp.Compare(a.number, b.number) })
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
