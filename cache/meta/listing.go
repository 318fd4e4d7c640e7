package meta

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/s3share/s3share/s3backend"
)

// ErrTooMany is returned where a directory has more names than are kept. What was read of
// it stays.
var ErrTooMany = errors.New("the folder has too many names")

// maxListing bounds what is kept of one folder, in bytes: some 1.5 million names of 25
// letters. S3 has no limit, and a server may go on for ever.
const maxListing = 96 << 20

// Listing is one folder as S3 listed it, changed since by what this program did.
// Positions stay valid: entries are added at the end or marked as gone, so a
// directory stream can go on while pages arrive.
type Listing struct {
	prefix   string
	treeList *treeList // that has found it, nil if it was asked for; set before it is shown
	subtree  *treeList // that it began, nil for none; the Cache's mu guards it

	// mu guards the fields below.
	mu             sync.Mutex
	begun          time.Time
	entries        entries        // as listed
	extra          []Entry        // put here, and not in entries
	extraAt        map[string]int // where in extra; a folder's name ends in "/"
	gone           int            // of the entries and of extra
	removed        map[string]bool
	last           string // the greatest key element seen, "/" included
	pages          int
	complete       bool
	shortFirstPage bool // see markShortFirstPage
	marker         bool // the folder's own object "prefix" exists
	marked         bool // it was made or removed here
	err            error
	wanted         int           // pages
	changed        chan struct{} // closed and renewed at each change of the fields above
}

func newListing(prefix string, wanted int) *Listing {
	return &Listing{prefix: prefix, begun: time.Now(), wanted: wanted, extraAt: map[string]int{},
		removed: map[string]bool{}, changed: make(chan struct{})}
}

func (l *Listing) wakeLocked() {
	close(l.changed)
	l.changed = make(chan struct{})
}

// add appends a page, or notes why there is none.
func (l *Listing) add(p s3backend.Page, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	defer l.wakeLocked()
	if l.err != nil {
		return
	}
	if err != nil {
		l.err = err
		return
	}
	if l.entries.bytes >= maxListing {
		l.err = fmt.Errorf("%w: there are more than %d in %q", ErrTooMany, l.entries.n, l.prefix)
		return
	}
	l.pages++
	l.complete = p.Next == ""
	page, marker := entriesOf(l.prefix, p)
	if !l.marked {
		l.marker = l.marker || marker
	}
	if n := len(page); n > 0 {
		l.last = max(l.last, sortName(page[n-1]))
	}
	if len(l.extraAt)+len(l.removed) > 0 {
		page = slices.DeleteFunc(page, func(e Entry) bool {
			k := sortName(e)
			_, ok := l.extraAt[k]
			return ok || l.removed[k]
		})
	}
	l.entries.append(page)
}

// usable reports whether the listing was begun at most age ago and has not failed.
func (l *Listing) usable(age time.Duration) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	// A listing that a caller is about to wait for counts even at age zero,
	// if not a single page of it has come: S3 answers it after the question.
	return l.err == nil && (time.Since(l.begun) <= age)
}

// start is when S3 was asked.
func (l *Listing) start() time.Time {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.begun
}

// since records that the listing shows what S3 held at that time.
func (l *Listing) since(asked time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if asked.Before(l.begun) {
		l.begun = asked
	}
}

func (l *Listing) after(t time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.begun.After(t)
}

func (l *Listing) failed() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.err != nil
}

// extend asks for more pages than before.
func (l *Listing) extend(wanted int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if wanted > l.wanted {
		l.wanted = wanted
		l.wakeLocked()
	}
}

// markShortFirstPage records that the first page has fewer names than a page: one more is wanted.
func (l *Listing) markShortFirstPage() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.shortFirstPage = true
	if l.wanted < allPages {
		l.wanted++
	}
}

// stop ends a listing nobody may begin to use any more; one that is being read to
// its end goes on for its readers.
func (l *Listing) stop() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.complete && l.wanted < allPages && l.err == nil {
		l.err = errStopped
		l.wakeLocked()
	}
}

// wantMore waits until the next page is wanted; false ends the load.
func (l *Listing) wantMore(ctx context.Context) bool {
	for {
		l.mu.Lock()
		more, err, changed := l.pages < l.wanted, l.err, l.changed
		old := time.Since(l.begun) > maxTTL
		l.mu.Unlock()
		if err != nil || more || old {
			return err == nil && more
		}
		select {
		case <-changed:
		case <-time.After(maxTTL):
		case <-ctx.Done():
			return false
		}
	}
}

// worthParallel reports whether the directory is large enough to be listed in several ranges,
// and wanted whole.
func (l *Listing) worthParallel() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.pages >= pagesBeforeParallel && l.wanted == allPages
}

// Pages is how many requests the listing has taken so far.
func (l *Listing) Pages() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.pages
}

// large reports whether the directory takes more than one request to list.
func (l *Listing) large() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.pages > 1 || l.pages == 1 && !l.complete
}

// isComplete reports whether the listing has been read to its end.
func (l *Listing) isComplete() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.complete
}

func (l *Listing) size() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.entries.n + len(l.extra)
}

// findLocked returns the position of the entry of this name and kind.
func (l *Listing) findLocked(name string, folder bool) (i int, ok bool) {
	if len(l.extraAt) > 0 {
		if i, ok := l.extraAt[key(name, folder)]; ok {
			return l.entries.n + i, true
		}
	}
	return l.entries.search(name, folder)
}

// lookLocked returns the entry of this name and kind, if there is one that is not gone.
func (l *Listing) lookLocked(name string, folder bool) (e Entry, ok bool) {
	i, ok := l.findLocked(name, folder)
	if !ok {
		return Entry{}, false
	}
	if e = l.entryLocked(i); e.Gone() {
		return Entry{}, false
	}
	return e, true
}

// entryLocked returns the entry at a position: those that were put here stand behind
// those that were listed.
func (l *Listing) entryLocked(i int) Entry {
	if i < l.entries.n {
		return l.entries.at(i)
	}
	return l.extra[i-l.entries.n]
}

// setLocked changes the entry at a position, of the same name and kind.
func (l *Listing) setLocked(i int, e Entry) {
	if l.entryLocked(i).Gone() {
		l.gone--
	}
	if e.Gone() {
		l.gone++
	}
	if i < l.entries.n {
		l.entries.set(i, e)
		return
	}
	l.extra[i-l.entries.n] = e
}

// peek answers from what has been read so far; false means: not known yet.
func (l *Listing) peek(name string) (f Found, known bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.err != nil {
		return f, false
	}
	f.File, f.IsFile = l.lookLocked(name, false)
	_, f.IsDir = l.lookLocked(name, true)
	return f, l.complete || l.last >= name && l.last >= key(name, true)
}

// lookup waits until the name is decided; false when the pages end before, or so many
// have come: a folder may have no end.
func (l *Listing) lookup(ctx context.Context, name string, most int) (Found, bool, error) {
	for {
		l.mu.Lock()
		err, decided, changed := l.err, l.pages >= min(l.wanted, most), l.changed
		l.mu.Unlock()
		if err == errStopped {
			return Found{}, false, nil
		}
		if err != nil {
			return Found{}, false, err
		}
		if f, ok := l.peek(name); ok {
			return f, true, nil
		}
		if decided {
			return Found{}, false, nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return Found{}, false, ctx.Err()
		}
	}
}

// await is peek that waits for the page that is on its way, if one is.
func (l *Listing) await(ctx context.Context, name string) (f Found, known bool) {
	read := l.Pages()
	for {
		l.mu.Lock()
		coming, changed := l.err == nil && !l.complete && l.pages == read &&
			l.pages < l.wanted, l.changed
		l.mu.Unlock()
		if f, known = l.peek(name); known || !coming {
			return f, known
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return f, false
		}
	}
}

// At returns the entry at position i, or io.EOF's absence of one: ok is false
// behind the last. It waits for the page that holds it. Entries that are gone
// are returned with Gone() true, so that positions stay what they were.
func (l *Listing) At(ctx context.Context, i int) (e Entry, ok bool, err error) {
	for {
		l.mu.Lock()
		complete, lerr, changed := l.complete, l.err, l.changed
		if i < l.entries.n || complete && i < l.entries.n+len(l.extra) {
			e = l.entryLocked(i)
			l.mu.Unlock()
			return e, true, nil
		}
		l.mu.Unlock()
		if lerr != nil || complete {
			return Entry{}, false, lerr
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return Entry{}, false, ctx.Err()
		}
	}
}

// HasMarker waits for the first page and reports whether the folder has an object
// of its own, as consoles and mkdir make it.
func (l *Listing) HasMarker(ctx context.Context) (bool, error) {
	if _, _, err := l.At(ctx, 0); err != nil {
		return false, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.marker, nil
}

// setMarker notes that the folder's own object was made or removed.
func (l *Listing) setMarker(there bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.marker, l.marked = there, true
}

// put adds or replaces an entry.
func (l *Listing) put(e Entry) {
	l.mu.Lock()
	defer l.mu.Unlock()
	k := sortName(e)
	delete(l.removed, k)
	if i, ok := l.findLocked(e.Name, e.IsDir()); ok {
		if !e.IsDir() || l.entryLocked(i).Gone() {
			l.setLocked(i, e)
		}
		return
	}
	l.extraAt[k] = len(l.extra)
	l.extra = append(l.extra, e)
}

// remove marks the object, or the folder, of this name as gone.
func (l *Listing) remove(name string, folder bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.complete {
		l.removed[key(name, folder)] = true
	}
	if i, ok := l.findLocked(name, folder); ok {
		l.setLocked(i, Entry{Name: name, Size: isGone})
	}
}

// HasDirNamed waits until it is known, and reports, whether there is a directory of the same
// name as an object.
func (l *Listing) HasDirNamed(ctx context.Context, name string) (bool, error) {
	f, _, err := l.lookup(ctx, name, allPages)
	return f.IsDir, err
}

func (l *Listing) count() (n int, marker, known bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	n = l.entries.n + len(l.extra) - l.gone
	return n, l.marker, l.complete || n > 0
}
