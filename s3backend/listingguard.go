package s3backend

import (
	"hash/maphash"
	"strings"
	"sync"
	"time"
)

// A server may be broken or hostile. Its listings are checked before they are used: keys begin
// with the prefix, sizes are possible, and the pages come to an end.

// Limits of what is accepted in a listing.
const (
	// maxSize is more than S3 stores (48.8 TiB), and what a float64 holds exactly, as
	// JSON may.
	maxSize = 1<<53 - 1
	// maxKeyBytes is four times S3's limit of 1,024 bytes: other servers have others.
	maxKeyBytes = 4096
	// maxTextBytes is for an ETag, a storage class or an owner.
	maxTextBytes = 256
	// maxTokenBytes is for a continuation token, which is part of the next request's URL.
	maxTokenBytes = 16 << 10
	// maxPageNames is for keys and prefixes together. S3 sends at most 1,000.
	maxPageNames = 10_000
)

// check refuses a page that S3 could not have sent in answer to in.
func (l *listing) check(in ListInput) error {
	refuse := func(format string, args ...any) error {
		return protocolError("ListObjectsV2", in.Prefix, format, args...)
	}
	p := &l.page
	if n := len(p.Objects) + len(p.Prefixes); n > maxPageNames {
		return refuse("S3 sent %d names in one page", n)
	}
	for i := range p.Objects {
		o := &p.Objects[i]
		switch {
		case !strings.HasPrefix(o.Key, in.Prefix):
			return refuse("S3 listed the key %q", shorten(o.Key))
		case len(o.Key) > maxKeyBytes:
			return refuse("S3 listed a key of %d bytes", len(o.Key))
		case o.Size < 0 || o.Size > maxSize:
			return refuse("S3 gave %q a size of %d", shorten(o.Key), o.Size)
		case len(o.ETag) > maxTextBytes || len(o.Class) > maxTextBytes ||
			len(o.Owner) > maxTextBytes:
			return refuse("S3 said more of %q than there can be", shorten(o.Key))
		}
	}
	for _, prefix := range p.Prefixes {
		if len(prefix) <= len(in.Prefix) || len(prefix) > maxKeyBytes ||
			!strings.HasPrefix(prefix, in.Prefix) || !strings.HasSuffix(prefix, in.Delimiter) {
			return refuse("S3 rolled keys up into %q", shorten(prefix))
		}
	}
	if len(p.Next) > maxTokenBytes {
		return refuse("S3 sent a continuation token of %d bytes", len(p.Next))
	}
	return nil
}

// shorten returns s, cut off to be part of an error.
func shorten(s string) string {
	const maxBytes = 200
	if len(s) <= maxBytes {
		return s
	}
	return strings.ToValidUTF8(s[:maxBytes], "") + "..."
}

const (
	// maxEmpty is how many empty pages may follow each other: S3 sends some where much was
	// deleted.
	maxEmpty = 1000
	// maxTrackedListings is how many listings in progress are watched.
	maxTrackedListings = 4096
)

// listingGuard watches that listings come to an end. It is safe for concurrent use.
type listingGuard struct {
	mu   sync.Mutex
	at   map[uint64]listingProgress // of a listing in progress, by its next continuation token
	seed maphash.Seed
}

// listingProgress is the state of one listing. A cycle of pages is found by Brent's algorithm: a
// page is kept and compared with those that follow, and replaced by a later one after twice as
// many pages.
type listingProgress struct {
	kept     uint64 // the page
	steps    int    // pages since
	doubling int
	empty    int           // empty pages in a row
	waited   time.Duration // for those
}

// observe notes the page that answers in, and how long it took. It returns an error if the pages
// repeat, or if too many in a row are empty.
func (t *listingGuard) observe(in ListInput, p Page, took, patience time.Duration) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.at == nil {
		t.at, t.seed = map[uint64]listingProgress{}, maphash.MakeSeed()
	}
	id := t.hash(in.Prefix, in.Delimiter, in.Token)
	on := t.at[id]
	delete(t.at, id)
	if in.Token == "" {
		on = listingProgress{}
	}
	if p.Next == "" {
		return nil
	}
	if len(p.Objects)+len(p.Prefixes) == 0 {
		on.empty++
		on.waited += took
		if on.empty > maxEmpty || on.waited > patience {
			return protocolError("ListObjectsV2", in.Prefix,
				"%d pages in a row have nothing in them", on.empty)
		}
	} else {
		on.empty, on.waited = 0, 0
		page := t.page(p)
		switch {
		case page == on.kept:
			return protocolError("ListObjectsV2", in.Prefix, "the listing goes round in a circle")
		case on.steps == on.doubling:
			on.kept, on.steps, on.doubling = page, 0, max(1, 2*on.doubling)
		}
		on.steps++
	}
	if len(t.at) >= maxTrackedListings {
		clear(t.at)
	}
	t.at[t.hash(in.Prefix, in.Delimiter, p.Next)] = on
	return nil
}

func (t *listingGuard) hash(texts ...string) uint64 {
	var h maphash.Hash
	h.SetSeed(t.seed)
	for _, s := range texts {
		h.WriteString(s)
		h.WriteByte(0)
	}
	return h.Sum64()
}

// page returns a hash of the first and last names of a page.
func (t *listingGuard) page(p Page) uint64 {
	var ends []string
	if n := len(p.Objects); n > 0 {
		ends = append(ends, "key", p.Objects[0].Key, p.Objects[n-1].Key)
	}
	if n := len(p.Prefixes); n > 0 {
		ends = append(ends, "prefix", p.Prefixes[0], p.Prefixes[n-1])
	}
	return t.hash(ends...)
}
