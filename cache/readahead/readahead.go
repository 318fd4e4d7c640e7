// Package readahead finds the next files that a program will open, so that they can be fetched
// before they are asked for. Programs that copy, pack or search a tree read the small files of
// a directory one after the other, and each file would take a round trip.
//
// A [Tracker] is told of each file that is opened. Where files of one directory are opened in
// order, by name as tar does or by inode number as cp does, it returns a [Batch] of the next
// ones, and at the end of a directory those of the next directory. It makes no request: what a
// directory holds it learns from [Names], and the caller fetches.
package readahead

import (
	"slices"
	"sync"
	"time"

	"github.com/s3share/s3share/cache/meta"
	"github.com/s3share/s3share/cache/rate"
)

const (
	minRun     = 3  // files opened in order begin a stream
	firstAhead = 8  // files are fetched ahead at its begin
	maxAhead   = 32 // and from then on
	// maxSkip is how many files may be left out between two that are opened; a third of that when
	// a walk begins.
	maxSkip   = 8
	maxBehind = 32 // how many files behind the furthest one may be: programs read several at once

	maxStreams = 16              // at a time
	idleAfter  = 5 * time.Second // without a file opened ends a stream
)

// Names is what is known of directories. Its methods make no request. A prefix ends in "/";
// files are those of at most maxSize bytes.
type Names interface {
	// After returns the n files that come after name in the order of S3, as far as is known.
	After(prefix, name string, maxSize int64, n int) []meta.Entry
	// Objects returns all files, in the order of S3; nil if there are more than max
	// entries, or not all are known.
	Objects(prefix string, maxSize int64, max int) []meta.Entry
	// Folders returns the names of the directories, in the order of S3; nil if there are
	// more than max entries, or not all are known.
	Folders(prefix string, max int) []string
}

// stream is a program's way through a directory. It is guarded by Tracker.mu.
type stream struct {
	prefix string
	order  order
	files  []meta.Entry                // in this order, around where the program is
	next   int                         // in files, behind the furthest that was opened
	ahead  int                         // in files, behind the last that was fetched ahead
	run    int                         // files opened
	missed int                         // files left out
	pace   rate.Average[time.Duration] // between two files opened
	last   time.Time
	tree   bool // it came from another directory
	beyond bool // it went on in the next directory before it was at its end
}

// Tracker follows the streams under way, and those that may become one. All methods may be
// called concurrently.
type Tracker struct {
	names   Names
	maxSize int64
	fresh   time.Duration

	// mu guards the fields below; it is taken before those of Names.
	mu     sync.Mutex
	all    []*stream // the one that advanced last comes last
	sorted sorted
}

// New returns a Tracker of files of at most maxSize bytes. What is fetched may be fresh old
// when it is opened: no file is fetched longer than half of that before, and the other half
// is left for those that come late.
func New(names Names, maxSize int64, fresh time.Duration) *Tracker {
	return &Tracker{names: names, maxSize: maxSize, fresh: fresh}
}

// Batch is files of one directory that are to be fetched now, in this order.
type Batch struct {
	Prefix string // of the directory, with "/" at its end
	Files  []meta.Entry
	stream *stream
}

// Observe records that the file of this name is opened in the directory with this prefix. It
// returns the files to fetch now, if the file is one of a stream.
func (t *Tracker) Observe(prefix, name string, now time.Time) []Batch {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.all = slices.DeleteFunc(t.all,
		func(s *stream) bool { return s.stalled() || now.Sub(s.last) > idleAfter })
	for i, s := range slices.Backward(t.all) {
		if s.prefix == prefix && s.advance(name, now) {
			t.all = append(slices.Delete(t.all, i, i+1), s)
			return t.nextBatches(s, now)
		}
	}
	s := t.begin(prefix, name, now)
	if s == nil {
		return nil
	}
	return t.nextBatches(s, now)
}

// nextBatches returns the files to fetch now: the next ones in the directory of s and, where
// that ends and s has come from one directory to the next before, in the next sibling.
func (t *Tracker) nextBatches(s *stream, now time.Time) (next []Batch) {
	most := t.limit(s)
	if files := s.nextBatch(most); len(files) > 0 {
		next = append(next, Batch{s.prefix, files, s})
	}
	left := most - (s.ahead - s.next)
	if !s.tree || s.beyond || left <= 0 || s.ahead < len(s.files) {
		return next
	}
	s.beyond = true
	prefix := t.nextSibling(s.order, s.prefix)
	if prefix == "" ||
		slices.ContainsFunc(t.all, func(s *stream) bool { return s.prefix == prefix }) {
		return next
	}
	o := t.orderOf(s.order.kind, prefix)
	b := &stream{prefix: prefix, order: o, files: o.after("", maxAhead), run: minRun + 1,
		pace: s.pace, last: now, tree: true}
	if files := b.nextBatch(left); len(files) > 0 {
		t.all = append(t.all, b)
		next = append(next, Batch{prefix, files, b})
	}
	return next
}

// begin takes the file for the first of a stream, in any order that there may be. It
// returns the one that is on already: a tree is read directory by directory.
func (t *Tracker) begin(prefix, name string, now time.Time) (on *stream) {
	strangers := 0
	from := t.continuesFrom(prefix, now)
	for _, s := range t.all {
		if s.prefix == prefix {
			strangers++
		}
	}
	for _, o := range []order{t.byName(prefix), t.byIno(prefix)} {
		came := from != nil && from.order.kind == o.kind
		if o.kind == inoOrder && strangers < minRun-1 && !came {
			continue // sorting is for those who do not go by name
		}
		s := &stream{prefix: prefix, order: o, files: o.after(name, maxAhead), run: 1, last: now}
		if came && o.first(name) {
			s.run, s.pace, s.tree, on = minRun, from.pace, true, s
		}
		t.all = append(t.all, s)
	}
	if n := len(t.all) - maxStreams; n > 0 {
		t.all = slices.Delete(t.all, 0, n)
	}
	return on
}

// continuesFrom returns a stream that may go on in the directory with this prefix: its own
// directory is beside that, above it or below.
func (t *Tracker) continuesFrom(prefix string, now time.Time) *stream {
	for _, s := range slices.Backward(t.all) {
		if s.run >= minRun && now.Sub(s.last) < t.fresh && s.prefix != prefix &&
			related(s.prefix, prefix) {
			return s
		}
	}
	return nil
}

// GiveBack records that the last n files of the batch were not fetched.
func (t *Tracker) GiveBack(b Batch, n int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	b.stream.ahead = max(b.stream.next, b.stream.ahead-n)
}

// advance records the opening of a file, or reports that it is none of this stream's.
func (s *stream) advance(name string, now time.Time) bool {
	reach, skip := 0, maxSkip/3
	if s.run >= minRun {
		reach, skip = maxBehind, maxSkip+maxBehind
	}
	from, end := max(0, s.next-reach), min(len(s.files), s.next+skip)
	i := slices.IndexFunc(s.files[from:end], func(e meta.Entry) bool { return e.Name == name })
	if i < 0 {
		return false
	}
	if i += from; i < s.next {
		s.missed = max(0, s.missed-1) // it was not left out
	} else {
		s.missed += i - s.next
		s.next = i + 1
	}
	s.run++
	s.pace.Add(now.Sub(s.last), 8)
	s.last = now
	return true
}

// stalled reports whether a program opens less than half of the files.
func (s *stream) stalled() bool { return s.missed > maxBehind && s.missed > s.run }

// limit returns how many files after the one that was opened last are to be fetched.
func (t *Tracker) limit(s *stream) int {
	if s.run < minRun {
		return 0
	}
	most := maxAhead
	if s.run == minRun {
		most = firstAhead
	}
	if pace := s.pace.Mean(); pace > 0 {
		most = int(min(time.Duration(most), t.fresh/2/pace))
	}
	return most
}

// nextBatch returns those of the next files, most at most, that are to be fetched now.
func (s *stream) nextBatch(most int) []meta.Entry {
	if most == 0 {
		return nil
	}
	if drop := s.next - 2*maxBehind; drop > 0 {
		s.files = slices.Delete(s.files, 0, drop)
		s.next -= drop
		s.ahead = max(0, s.ahead-drop)
	}
	if n := len(s.files); n > 0 && n < s.next+maxAhead+maxSkip {
		s.files = append(s.files, s.order.after(s.files[n-1].Name, maxAhead)...)
	}
	from, end := max(s.ahead, s.next), min(s.next+most, len(s.files))
	if end-from < min(most/4, len(s.files)-from) {
		return nil // a few at a time
	}
	s.ahead = max(end, s.ahead)
	return slices.Clone(s.files[min(from, end):end])
}
