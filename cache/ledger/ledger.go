// Package ledger remembers of delivered versions what S3 will not tell again: what
// was sent where the policy lets nobody list or read it, and permission bits that
// were set after a delivery.
//
// It is one file of lines, each an [Entry] in JSON that takes the place of the one
// with its key before. A line is written with one write(2), so it survives the end of
// the process; a last line that was cut short is none. When most lines are old the
// file is written anew and put in the place of the old one. Nothing in it is owed to
// anybody: without it, less is shown.
package ledger

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"
)

// MaxEntries is how many versions are remembered, of which those sent longest ago go
// first. An entry takes a few hundred bytes of memory.
const MaxEntries = 100_000

// slack is how many lines more than twice the entries the file may have.
const slack = 1000

// Entry is what is remembered of the version under a key.
type Entry struct {
	Key   string    `json:"key"` // a folder's ends in "/"
	ETag  string    `json:"etag,omitempty"`
	Size  int64     `json:"size,omitempty"`
	Mtime time.Time `json:"mtime,omitzero"`
	Mode  uint32    `json:"mode,omitempty"` // permission bits; 0 for none of its own
	Sent  time.Time `json:"sent,omitzero"`  // when S3 confirmed it; zero where only the mode or the time is remembered
	Gone  bool      `json:"gone,omitempty"` // the key is to be forgotten

	// Touched tells that Mtime was set here after the delivery, and S3 has another.
	Touched bool `json:"touched,omitempty"`
}

// Ledger is a file of entries. Its methods may be called concurrently.
type Ledger struct {
	path string
	most int

	mu      sync.Mutex
	file    *os.File
	entries map[string]Entry
	lines   int
	torn    bool // the last line was cut short: the file is written anew before the next
}

// Open reads the ledger at path, or begins one there with the first entry.
func Open(path string) (*Ledger, error) {
	l := &Ledger{path: path, most: MaxEntries, entries: map[string]Entry{}}
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return l, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read the ledger: %w", err)
	}
	scan := bufio.NewScanner(bytes.NewReader(data))
	scan.Buffer(nil, 1<<20)
	for scan.Scan() {
		l.lines++
		var e Entry
		if json.Unmarshal(scan.Bytes(), &e) != nil || e.Key == "" {
			l.torn = true // other lines are as good as before
			continue
		}
		l.apply(e)
	}
	l.torn = l.torn || scan.Err() != nil || len(data) > 0 && data[len(data)-1] != '\n'
	return l, nil
}

func (l *Ledger) apply(e Entry) {
	if e.Gone {
		delete(l.entries, e.Key)
		return
	}
	l.entries[e.Key] = e
}

// Close lets go of the file.
func (l *Ledger) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.file == nil {
		return nil
	}
	return l.file.Close()
}

// Get returns what is remembered of a version; false if that is nothing.
func (l *Ledger) Get(key, etag string) (Entry, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	e, ok := l.entries[key]
	return e, ok && e.ETag == etag
}

// Has tells whether anything is remembered of the key.
func (l *Ledger) Has(key string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	_, ok := l.entries[key]
	return ok
}

// Sent lists what was sent of the keys that begin with prefix, in their order.
func (l *Ledger) Sent(prefix string) []Entry {
	l.mu.Lock()
	var all []Entry
	for key, e := range l.entries {
		if !e.Sent.IsZero() && strings.HasPrefix(key, prefix) {
			all = append(all, e)
		}
	}
	l.mu.Unlock()
	slices.SortFunc(all, func(a, b Entry) int { return strings.Compare(a.Key, b.Key) })
	return all
}

// Put remembers an entry, instead of what was remembered of its key. What stands in
// the ledger is shown though it could not be written down, which is the error.
func (l *Ledger) Put(e Entry) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.put(e)
}

// SetMode remembers the permission bits of a version.
func (l *Ledger) SetMode(key, etag string, mode uint32) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	e := l.entries[key]
	if e.ETag != etag {
		e = Entry{Key: key, ETag: etag}
	}
	e.Mode = mode
	return l.put(e)
}

// SetTimes remembers a time, and permission bits unless they are 0, that were set of a
// version after its delivery.
func (l *Ledger) SetTimes(key, etag string, mtime time.Time, mode uint32) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	e := l.entries[key]
	if e.ETag != etag {
		e = Entry{Key: key, ETag: etag}
	}
	e.Mtime, e.Touched = mtime, true
	if mode != 0 {
		e.Mode = mode
	}
	return l.put(e)
}

// Moved remembers of a version that S3 has under another key what was set of it here.
func (l *Ledger) Moved(key, etag, newKey, newETag string) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	e := l.entries[key]
	if e.ETag != etag || e.Mode == 0 && !e.Touched {
		return nil
	}
	to := l.entries[newKey]
	if to.ETag != newETag {
		to = Entry{Key: newKey, ETag: newETag}
	}
	if e.Mode != 0 {
		to.Mode = e.Mode
	}
	if e.Touched {
		to.Mtime, to.Touched = e.Mtime, true
	}
	return l.put(to)
}

// Forget forgets what is remembered of a key.
func (l *Ledger) Forget(key string) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if _, ok := l.entries[key]; !ok {
		return nil
	}
	return l.put(Entry{Key: key, Gone: true})
}

func (l *Ledger) put(e Entry) error {
	l.apply(e)
	if len(l.entries) > l.most || l.torn || l.lines > 2*len(l.entries)+slack {
		return l.compact()
	}
	if l.file == nil {
		f, err := os.OpenFile(l.path, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
		if err != nil {
			return fmt.Errorf("open the ledger: %w", err)
		}
		l.file = f
	}
	line, err := json.Marshal(e)
	if err != nil {
		return err
	}
	l.lines++
	if _, err := l.file.Write(append(line, '\n')); err != nil {
		l.torn = true
		return fmt.Errorf("write the ledger: %w", err)
	}
	return nil
}

// compact writes the file anew, with the entries alone.
func (l *Ledger) compact() error {
	l.drop()
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	for _, e := range l.entries {
		if err := enc.Encode(e); err != nil {
			return err
		}
	}
	tmp, err := os.CreateTemp(filepath.Dir(l.path), ".ledger-*") // with mode 0600
	if err != nil {
		return fmt.Errorf("write the ledger anew: %w", err)
	}
	_, err = tmp.Write(b.Bytes())
	err = errors.Join(err, tmp.Sync())
	if err == nil {
		err = os.Rename(tmp.Name(), l.path)
	}
	if err != nil {
		return errors.Join(fmt.Errorf("write the ledger anew: %w", err), tmp.Close(), os.Remove(tmp.Name()))
	}
	old := l.file
	l.file, l.lines, l.torn = tmp, len(l.entries), false
	if old != nil {
		return old.Close()
	}
	return nil
}

// drop forgets what was sent longest ago, a tenth at once, where there is too much.
func (l *Ledger) drop() {
	if len(l.entries) <= l.most {
		return
	}
	all := make([]Entry, 0, len(l.entries))
	for _, e := range l.entries {
		all = append(all, e)
	}
	slices.SortFunc(all, func(a, b Entry) int { return a.Sent.Compare(b.Sent) })
	for _, e := range all[:len(all)-l.most*9/10] {
		delete(l.entries, e.Key)
	}
}
