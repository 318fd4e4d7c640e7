package meta

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"sync"
	"unicode"

	"github.com/s3share/s3share/s3backend"
)

// A directory of many pages is listed in several ranges of names at once. A long range is
// split in two at a guess: a name that is likely to have names on both sides of it. The
// second half is listed by start-after. Pages are given on in the order of keys, so a reader
// gets the first names as early as from one listing.
//
// A split costs one request at most, whatever the names are: the range before it ends with a
// page that is not full, or nothing comes after it. There is one for every pagesPerSplit pages
// of names that were found, so the whole takes at most a fifth more requests than a plain
// listing.
const (
	pagesBeforeParallel = 12 // before the directory is taken for a large one
	pagesPerSplit       = 5
	maxParallel         = 8  // at once
	maxLetters          = 64 // that ranges are split at

	// maxAhead is how much of the names waits for those before them, in bytes, about. A range
	// that has no end would have the others be read to theirs meanwhile.
	maxAhead = 48 << 20
	// nameSize is what such a name takes beside its text.
	nameSize = 160
)

// keyRange is a range of names that is listed by itself.
type keyRange struct {
	after, to string // what is behind after, up to to; "" is no end
	token     string // for the next page, "" for the first
	last      string // the greatest name read, or after
	pages     []s3backend.Page
	held      int             // what the pages take, in bytes, about
	over      *s3backend.Page // of the last page, what is behind to
	read      int             // pages since it began or was cut
	proven    bool            // its first page has come
	done      bool
	asking    bool
}

// parallelLister is one listing in several ranges. One goroutine owns it.
type parallelLister struct {
	prefix   string
	list     func(context.Context, s3backend.ListInput) (s3backend.Page, error)
	give     func(s3backend.Page, error)
	failed   func() bool // reports whether what was given is not taken any more
	ranges   []*keyRange // in the order of names, of which the first is being given
	asking   int
	page     int // names in a full page
	found    int // names
	cuts     int
	uncut    bool // no more cuts: the server does not list from there on
	first    string
	alphabet []rune // of names, sorted
}

type answer struct {
	sp   *keyRange
	page s3backend.Page
	err  error
}

// parallelList reads on behind the pages that l has.
func (c *Cache) parallelList(l *Listing, token string, give func(s3backend.Page, error)) {
	s := &parallelLister{prefix: l.prefix, list: c.bucket.List, give: give, failed: l.failed}
	first, last, n := l.sample(s.addLetters)
	full := l.Pages()
	if l.shortFirstPage {
		full--
		s.cuts++ // its request has been spent
	}
	s.first, s.found, s.page = first, n, max(1, n/full)
	s.ranges = []*keyRange{{after: last, last: last, token: token, proven: true, read: 1}}
	s.run(c.ctx)
}

// sample returns the first name, the last and how many there are, and calls learn with some.
func (l *Listing) sample(learn func(string)) (first, last string, n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for i := range l.entries.pages {
		p := &l.entries.pages[i]
		for i := 0; i < len(p.recs); i += 1 + len(p.recs)/20 {
			learn(p.name(i))
		}
	}
	if l.entries.n > 0 {
		first = l.entries.at(0).Name
	}
	return first, l.last, l.entries.n
}

func (s *parallelLister) run(ctx context.Context) {
	ctx, cancel := context.WithCancel(ctx)
	var asked sync.WaitGroup
	defer asked.Wait()
	defer cancel()
	answers := make(chan answer, maxParallel)
	for {
		s.cut()
		for i, sp := range s.ranges {
			if sp.done || sp.asking || s.asking == maxParallel ||
				i > 0 && sp.proven && s.ahead() >= maxAhead {
				continue
			}
			in := s3backend.ListInput{Prefix: s.prefix, Delimiter: "/", Token: sp.token}
			if sp.token == "" {
				in.StartAfter = s.prefix + sp.after
			}
			sp.asking = true
			s.asking++
			asked.Go(func() {
				page, err := s.list(ctx, in)
				answers <- answer{sp, page, err}
			})
		}
		a := <-answers
		a.sp.asking = false
		s.asking--
		if err := s.take(a); err != nil {
			s.give(s3backend.Page{}, err)
			return
		}
		if s.publish() || s.failed() {
			return
		}
	}
}

// ahead is how much was read that cannot be given on yet: the first range is not read to
// its end.
func (s *parallelLister) ahead() (bytes int) {
	for _, sp := range s.ranges[1:] {
		bytes += sp.held
	}
	return bytes
}

// sizeOf is what a page takes, in bytes, about.
func sizeOf(p s3backend.Page) int {
	bytes := nameSize * (len(p.Objects) + len(p.Prefixes))
	for i := range p.Objects {
		bytes += len(p.Objects[i].Key) + len(p.Objects[i].ETag)
	}
	for _, prefix := range p.Prefixes {
		bytes += len(prefix)
	}
	return bytes
}

// take puts an answer where it belongs.
func (s *parallelLister) take(a answer) error {
	sp := a.sp
	i := slices.Index(s.ranges, sp)
	if first := !sp.proven; first && (a.err != nil || !s.allAfter(a.page, sp.after)) {
		// This server cannot begin there, or not now. The range before goes on instead.
		s.uncut = true
		before := s.ranges[i-1]
		before.to = sp.to
		s.ranges = slices.Delete(s.ranges, i, i+1)
		if over := before.over; over != nil {
			before.over, before.done = nil, false
			s.store(before, *over)
		}
		return nil
	}
	if a.err != nil {
		return a.err
	}
	sp.proven = true
	sp.read++
	s.store(sp, a.page)
	return nil
}

// store keeps what is in the range of a page that was read.
func (s *parallelLister) store(sp *keyRange, page s3backend.Page) {
	in, over, all := s.split(page, sp.to)
	sp.token = page.Next
	sp.done = page.Next == "" || !all
	if !all {
		sp.over = &over
	}
	n := len(in.Objects) + len(in.Prefixes)
	s.found += n
	if n > 0 {
		sp.pages = append(sp.pages, in)
		sp.held += sizeOf(in)
		sp.last = max(sp.last, s.greatest(in))
		s.addLetters(strings.TrimSuffix(sp.last, "/"))
	}
}

// publish gives on what is complete up to there, and reports whether that is all.
func (s *parallelLister) publish() bool {
	for {
		sp := s.ranges[0]
		last := len(s.ranges) == 1
		for i, page := range sp.pages {
			page.Next = "more"
			if last && sp.done && i == len(sp.pages)-1 {
				page.Next = ""
			}
			s.give(page, nil)
			if page.Next == "" {
				return true
			}
		}
		sp.pages, sp.held = nil, 0
		switch {
		case !sp.done:
			return false
		case last:
			s.give(s3backend.Page{}, nil)
			return true
		case !s.ranges[1].proven: // sp may have to go on in its place
			return false
		}
		s.ranges = s.ranges[1:]
	}
}

// cut splits ranges while that may be worth its request.
func (s *parallelLister) cut() {
	for !s.uncut && len(s.ranges) < 2*maxParallel && s.asking < maxParallel &&
		(s.cuts+1)*pagesPerSplit*s.page <= s.found {
		var long *keyRange
		for _, sp := range s.ranges {
			if !sp.done && sp.proven && sp.read > 0 && (long == nil || sp.read > long.read) {
				long = sp
			}
		}
		if long == nil {
			return
		}
		long.read = 0
		at := s.splitPoint(long.last, long.to)
		if at == "" {
			continue
		}
		i := slices.Index(s.ranges, long)
		s.ranges = slices.Insert(s.ranges, i+1, &keyRange{after: at, to: long.to, last: at})
		long.to = at
		s.cuts++
	}
}

// splitPoint guesses a name after one and before another, "" for none. It changes the
// first letter in which names differ, or the digit before it, since numbers go on.
func (s *parallelLister) splitPoint(after, to string) string {
	greatest := after
	for _, sp := range s.ranges {
		if sp.proven {
			greatest = max(greatest, sp.last)
		}
	}
	a, p := []rune(strings.TrimSuffix(after, "/")), 0
	for p < len(a) && strings.HasPrefix(greatest, string(a[:p+1])) &&
		strings.HasPrefix(s.first, string(a[:p+1])) {
		p++
	}
	if p > 0 && unicode.IsDigit(a[p-1]) {
		p--
	}
	for _, alike := range []bool{true, false} {
		for i := p; i < len(a); i++ {
			var fit []string
			for _, r := range s.alphabet {
				at := string(a[:i]) + string(r)
				if r > a[i] && at > after && (to == "" || at < to) &&
					(!alike || unicode.IsDigit(r) == unicode.IsDigit(a[i]) &&
						unicode.IsUpper(r) == unicode.IsUpper(a[i])) {
					fit = append(fit, at)
				}
			}
			if len(fit) > 0 {
				return fit[len(fit)/2]
			}
		}
	}
	return ""
}

// addLetters adds the letters of a name to the alphabet.
func (s *parallelLister) addLetters(name string) {
	for _, r := range name {
		if len(s.alphabet) == maxLetters {
			return
		}
		if i, ok := slices.BinarySearch(s.alphabet, r); !ok && r != '/' && r > ' ' &&
			r != unicode.ReplacementChar {
			s.alphabet = slices.Insert(s.alphabet, i, r)
		}
	}
}

// name is what is left of a key in the folder.
func (s *parallelLister) name(key string) string { return strings.TrimPrefix(key, s.prefix) }

// allAfter reports whether all names of a page come after one.
func (s *parallelLister) allAfter(p s3backend.Page, after string) bool {
	for i := range p.Objects {
		if s.name(p.Objects[i].Key) <= after {
			return false
		}
	}
	for _, prefix := range p.Prefixes {
		if s.name(prefix) <= after {
			return false
		}
	}
	return true
}

// split splits a page after to; all is set if nothing comes after it.
func (s *parallelLister) split(p s3backend.Page, to string) (in, over s3backend.Page, all bool) {
	if to == "" {
		return p, over, true
	}
	in, over = splitPage(p, s.prefix+to)
	return in, over, len(over.Objects)+len(over.Prefixes) == 0
}

// splitPage splits a page after a key, which is in the first part.
func splitPage(p s3backend.Page, key string) (in, over s3backend.Page) {
	before := func(k, key string) int { return cmp.Or(cmp.Compare(k, key), -1) }
	o, _ := slices.BinarySearchFunc(p.Objects,
		key, func(o s3backend.Object, key string) int { return before(o.Key, key) })
	d, _ := slices.BinarySearchFunc(p.Prefixes, key, before)
	in, over = p, p
	in.Objects, over.Objects = p.Objects[:o], p.Objects[o:]
	in.Prefixes, over.Prefixes = p.Prefixes[:d], p.Prefixes[d:]
	return in, over
}

func (s *parallelLister) greatest(p s3backend.Page) (last string) {
	if n := len(p.Objects); n > 0 {
		last = s.name(p.Objects[n-1].Key)
	}
	if n := len(p.Prefixes); n > 0 {
		last = max(last, s.name(p.Prefixes[n-1]))
	}
	return last
}
