// Package ledger keeps facts about delivered versions that S3 does not return, or only by a
// request for each: their times and permission bits, and what was sent to folders that the
// policy lets nobody list or read. It also keeps the times and permission bits of directories.
//
// The ledger is one file of lines. Each line is an [Entry] in JSON, which replaces the earlier
// entry of the same key. A line is written with one write(2), so it survives the end of
// the process; a truncated last line is ignored. When most lines are obsolete, a new file
// replaces the old one. If the ledger is lost, no file is lost, but less is shown. So it leaves
// the floor of free space (freespace.Floor) free. An entry that is put while the disk is that
// full, or refuses the write, is written later.
package ledger

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/s3share/s3share/cache/filetime"
	"github.com/s3share/s3share/cache/freespace"
	"github.com/s3share/s3share/cache/jsonbytes"
)

// maxEntries is how many keys are remembered. Those go first of which only times and
// permission bits are remembered, and of them, as of the others, those put longest ago.
// An entry takes a few hundred bytes of memory.
const maxEntries = 100_000

// slack is how many lines more than twice the entries the file may have.
const slack = 1000

// Entry is what is remembered of the version under a key, or of a directory.
type Entry struct {
	Key     string    `json:"-"` // a directory's ends in "/"
	ETag    string    `json:"etag,omitempty"`
	Size    int64     `json:"size,omitempty"`
	Mtime   time.Time `json:"-"`
	Mode    uint32    `json:"mode,omitempty"`    // permission bits, if HasMode
	HasMode bool      `json:"hasMode,omitempty"` // earlier versions have not written it
	// Sent is when S3 confirmed it; zero where only the mode or the time is remembered.
	Sent time.Time `json:"sent,omitzero"`
	Gone bool      `json:"gone,omitempty"` // the key is to be forgotten
	// this machine has made the version: delivered, or renamed
	Ours bool `json:"ours,omitempty"`

	// Touched is set where Mtime is shown instead of the time that S3 has.
	Touched bool `json:"touched,omitempty"`
}

// line is an Entry as it is written.
type line struct {
	Key   jsonbytes.String `json:"key"`
	Mtime filetime.Time    `json:"mtime,omitzero"`
	Entry
}

func (e Entry) line() line {
	return line{Key: jsonbytes.String(e.Key), Mtime: filetime.Time{Time: e.Mtime}, Entry: e}
}

func (l line) entry() Entry {
	e := l.Entry
	e.Key, e.Mtime, e.HasMode = string(l.Key), l.Mtime.Time, e.HasMode || e.Mode != 0
	return e
}

// errFloor is the error when writing an entry would go below the floor of free space.
var errFloor = fmt.Errorf("too little room for the ledger: %w", unix.ENOSPC)

// Ledger is a file of entries. Its methods may be called concurrently.
type Ledger struct {
	path string
	most int

	mu      sync.Mutex
	file    *os.File
	entries map[string]numbered
	puts    uint64
	lines   int
	torn    bool        // the last line was cut short: the file is written anew before the next
	behind  bool        // the file lacks entries, and is written anew as well
	retry   *time.Timer // until the next attempt to write what the disk has refused; nil for none
	closed  bool

	above func(path string, n int64) bool // freespace.Above
}

// numbered is an entry with its place in the order in which entries were put.
type numbered struct {
	Entry
	number uint64
}

// Open reads the ledger at path, or begins one there with the first entry.
func Open(path string) (*Ledger, error) {
	l := &Ledger{path: path, most: maxEntries,
		entries: map[string]numbered{}, above: freespace.Above}
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
		var got line
		if json.Unmarshal(scan.Bytes(), &got) != nil || got.Key == "" {
			l.torn = true // other lines are as good as before
			continue
		}
		l.apply(got.entry())
	}
	l.torn = l.torn || scan.Err() != nil || len(data) > 0 && data[len(data)-1] != '\n'
	return l, nil
}

func (l *Ledger) apply(e Entry) {
	if e.Gone {
		delete(l.entries, e.Key)
		return
	}
	l.puts++
	l.entries[e.Key] = numbered{e, l.puts}
}

// of is what is remembered of a version, or an entry to begin with.
func (l *Ledger) of(key, etag string) Entry {
	if e, ok := l.entries[key]; ok && e.ETag == etag {
		return e.Entry
	}
	return Entry{Key: key, ETag: etag}
}

// Close writes what the disk has refused, if it takes that now, and closes the file.
func (l *Ledger) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closed = true
	if l.retry != nil {
		l.retry.Stop()
		_ = l.compact() // who put it was told that the disk refuses it
	}
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
	return e.Entry, ok && e.ETag == etag
}

// Dir returns what is remembered of the directory with this prefix.
func (l *Ledger) Dir(prefix string) Entry {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.entries[prefix].Entry
}

// HasSent reports whether what was sent under the key is remembered.
func (l *Ledger) HasSent(key string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return !l.entries[key].Sent.IsZero()
}

// IsOurs reports whether this machine is known to have made a version.
func (l *Ledger) IsOurs(key, etag string) bool {
	e, ok := l.Get(key, etag)
	return ok && (e.Ours || !e.Sent.IsZero())
}

// Ours lists the versions that this machine is known to have made, as they were put.
func (l *Ledger) Ours() []Entry {
	l.mu.Lock()
	defer l.mu.Unlock()
	var all []Entry
	for _, e := range l.inOrder() {
		if e.Ours || !e.Sent.IsZero() {
			all = append(all, e.Entry)
		}
	}
	return all
}

// Sent lists what was sent of the keys that begin with prefix, in their order.
func (l *Ledger) Sent(prefix string) []Entry {
	l.mu.Lock()
	var all []Entry
	for key, e := range l.entries {
		if !e.Sent.IsZero() && strings.HasPrefix(key, prefix) {
			all = append(all, e.Entry)
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
	e := l.of(key, etag)
	e.Mode, e.HasMode = mode, true
	return l.put(e)
}

// SetTimes remembers the time of a version, and its permission bits unless mode is nil.
func (l *Ledger) SetTimes(key, etag string, mtime time.Time, mode *uint32) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	e := l.of(key, etag)
	e.Mtime, e.Touched = mtime, true
	if mode != nil {
		e.Mode, e.HasMode = *mode, true
	}
	return l.put(e)
}

// SetDir remembers the time and the permission bits of a directory, unless they are nil.
func (l *Ledger) SetDir(prefix string, mtime *time.Time, mode *uint32) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	e := l.entries[prefix].Entry
	e.Key = prefix
	if mtime != nil {
		e.Mtime, e.Touched = *mtime, true
	}
	if mode != nil {
		e.Mode, e.HasMode = *mode, true
	}
	return l.put(e)
}

// Moved remembers of a version that this machine has copied to another key what was set of it here,
// and nothing that was set of what it replaces, whose ETag is the same if their bytes are.
func (l *Ledger) Moved(key, etag, newKey, newETag string) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	was := l.of(newKey, newETag)
	now := withAttributes(Entry{Key: newKey, ETag: newETag, Size: was.Size, Sent: was.Sent,
		Ours: true}, l.of(key, etag))
	if now == was {
		return nil
	}
	return l.put(now)
}

// MovedDir has what is remembered of a directory, and of those below it, follow their
// new names. What is remembered of files is not touched.
func (l *Ledger) MovedDir(old, dir string) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	var moved []Entry
	for key, e := range l.entries {
		if strings.HasSuffix(key, "/") && strings.HasPrefix(key, old) {
			moved = append(moved, e.Entry)
		}
	}
	var errs []error
	for _, e := range moved {
		to := dir + strings.TrimPrefix(e.Key, old)
		was := l.entries[to]
		errs = append(errs,
			l.put(withAttributes(Entry{Key: to, ETag: was.ETag, Size: was.Size, Sent: was.Sent},
				e)))
		if e.Sent.IsZero() {
			errs = append(errs, l.put(Entry{Key: e.Key, Gone: true}))
		}
	}
	return errors.Join(errs...)
}

// withAttributes is an entry with the time and the permission bits of another.
func withAttributes(to, from Entry) Entry {
	if from.HasMode {
		to.Mode, to.HasMode = from.Mode, true
	}
	if from.Touched {
		to.Mtime, to.Touched = from.Mtime, true
	}
	return to
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
