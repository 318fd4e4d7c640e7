package s3backend

import (
	"hash/maphash"
	"strings"
	"sync"
	"time"
)

// A server may be broken, or not what it says. What it answers to a listing is held to
// what S3 promises before anybody builds on it: keys that begin with the prefix, sizes
// that can be, and pages that come to an end.

// Limits of what is taken for an answer.
const (
	// maxSize is beyond all that S3 takes (48.8 TiB), and what a float64 holds exactly, as
	// JSON may.
	maxSize = 1<<53 - 1
	// longestKey is four times S3's limit of 1,024 bytes: other servers have others.
	longestKey = 4096
	// longestText is of an ETag, a storage class or an owner.
	longestText = 256
	// longestToken is of a continuation token, which travels in the next request's URL.
	longestToken = 16 << 10
	// longestPage is of keys and prefixes together. S3 gives 1,000.
	longestPage = 10_000
)

// check refuses a page that S3 could not have sent in answer to in.
func (l *listing) check(in ListInput) error {
	refuse := func(format string, args ...any) error {
		return broken("ListObjectsV2", in.Prefix, format, args...)
	}
	p := &l.page
	if n := len(p.Objects) + len(p.Prefixes); n > longestPage {
		return refuse("S3 sent %d names in one page", n)
	}
	for i := range p.Objects {
		o := &p.Objects[i]
		switch {
		case !strings.HasPrefix(o.Key, in.Prefix):
			return refuse("S3 listed the key %q", brief(o.Key))
		case len(o.Key) > longestKey:
			return refuse("S3 listed a key of %d bytes", len(o.Key))
		case o.Size < 0 || o.Size > maxSize:
			return refuse("S3 gave %q a size of %d", brief(o.Key), o.Size)
		case len(o.ETag) > longestText || len(o.Class) > longestText || len(o.Owner) > longestText:
			return refuse("S3 said more of %q than there can be", brief(o.Key))
		}
	}
	for _, prefix := range p.Prefixes {
		if len(prefix) <= len(in.Prefix) || len(prefix) > longestKey ||
			!strings.HasPrefix(prefix, in.Prefix) || !strings.HasSuffix(prefix, in.Delimiter) {
			return refuse("S3 rolled keys up into %q", brief(prefix))
		}
	}
	if len(p.Next) > longestToken {
		return refuse("S3 sent a continuation token of %d bytes", len(p.Next))
	}
	return nil
}

// brief is a text for an error.
func brief(s string) string {
	const most = 200
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "") + "..."
}

const (
	// maxEmpty is how many pages with nothing in them may follow each other: S3 sends
	// some where much was deleted.
	maxEmpty = 1000
	// keptTrails is how many listings under way are watched.
	keptTrails = 4096
)

// trails watches that listings come to an end. It is safe for concurrent use.
type trails struct {
	mu   sync.Mutex
	at   map[uint64]trail // of a listing under way, by the token that it goes on with
	seed maphash.Seed
}

// trail is how far a listing has come. A circle of pages is found by Brent's algorithm:
// a page is kept and compared with those that follow, and another one instead after
// twice as many pages.
type trail struct {
	kept     uint64 // the page
	steps    int    // pages since
	doubling int
	empty    int           // pages in a row with nothing in them
	waited   time.Duration // for those
}

// follow notes the page that came in answer to in, after a time, and returns an error
// if the listing goes round in a circle, or nowhere.
func (t *trails) follow(in ListInput, p Page, took, patience time.Duration) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.at == nil {
		t.at, t.seed = map[uint64]trail{}, maphash.MakeSeed()
	}
	id := t.hash(in.Prefix, in.Delimiter, in.Token)
	on := t.at[id]
	delete(t.at, id)
	if in.Token == "" {
		on = trail{}
	}
	if p.Next == "" {
		return nil
	}
	if len(p.Objects)+len(p.Prefixes) == 0 {
		on.empty++
		on.waited += took
		if on.empty > maxEmpty || on.waited > patience {
			return broken("ListObjectsV2", in.Prefix, "%d pages in a row have nothing in them", on.empty)
		}
	} else {
		on.empty, on.waited = 0, 0
		page := t.page(p)
		switch {
		case page == on.kept:
			return broken("ListObjectsV2", in.Prefix, "the listing goes round in a circle")
		case on.steps == on.doubling:
			on.kept, on.steps, on.doubling = page, 0, max(1, 2*on.doubling)
		}
		on.steps++
	}
	if len(t.at) >= keptTrails {
		clear(t.at)
	}
	t.at[t.hash(in.Prefix, in.Delimiter, p.Next)] = on
	return nil
}

func (t *trails) hash(texts ...string) uint64 {
	var h maphash.Hash
	h.SetSeed(t.seed)
	for _, s := range texts {
		h.WriteString(s)
		h.WriteByte(0)
	}
	return h.Sum64()
}

// page tells pages apart by their first and last names.
func (t *trails) page(p Page) uint64 {
	var ends []string
	if n := len(p.Objects); n > 0 {
		ends = append(ends, "key", p.Objects[0].Key, p.Objects[n-1].Key)
	}
	if n := len(p.Prefixes); n > 0 {
		ends = append(ends, "prefix", p.Prefixes[0], p.Prefixes[n-1])
	}
	return t.hash(ends...)
}
