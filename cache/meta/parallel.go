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

// A folder of many pages is read by several walks at once. Each has a span of the
// names, and a long one is cut in two at a guess: a name that is likely to have
// names on both sides of it. What is behind a cut is listed by start-after. Pages
// are given on in the order of keys, so a reader gets the first names as early as
// if there was one walk.
//
// A cut costs one request at most, whatever the names are: the walk before it ends
// with a page that is not full, or there is nothing behind it. One is made for
// every pagesACut pages of names that were found, so the whole takes at most a
// fifth more requests than a plain walk.
const (
	pagesInARow = 12 // before the folder is taken for a large one
	pagesACut   = 5
	walks       = 8  // at once
	letters     = 64 // that cuts are made at

	// maxAhead is how much of the names waits for those before them, in bytes, about. A span
	// that has no end would have the others be read to theirs meanwhile.
	maxAhead = 48 << 20
	// nameSize is what such a name takes beside its text.
	nameSize = 160
)

// span is a range of names that one walk reads.
type span struct {
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

// spreading is one listing by many walks. One goroutine owns it.
type spreading struct {
	prefix  string
	list    func(context.Context, s3backend.ListInput) (s3backend.Page, error)
	give    func(s3backend.Page, error)
	failed  func() bool // whether what was given is not taken any more
	spans   []*span     // in the order of names, of which the first is being given
	asking  int
	page    int // names in a full page
	found   int // names
	cuts    int
	uncut   bool // no more cuts: the server does not list from there on
	first   string
	letters []rune // of names, sorted
}

type answer struct {
	sp   *span
	page s3backend.Page
	err  error
}

// spread reads on behind the pages that l has.
func (c *Cache) spread(l *Listing, token string, give func(s3backend.Page, error)) {
	s := &spreading{prefix: l.prefix, list: c.bucket.List, give: give, failed: l.failed}
	first, last, n := l.sample(s.learn)
	full := l.Pages()
	if l.brief {
		full--
		s.cuts++ // its request has been spent
	}
	s.first, s.found, s.page = first, n, max(1, n/full)
	s.spans = []*span{{after: last, last: last, token: token, proven: true, read: 1}}
	s.run(c.ctx)
}

// sample tells the first name, the last and how many there are, and some to learn of.
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

func (s *spreading) run(ctx context.Context) {
	ctx, cancel := context.WithCancel(ctx)
	var asked sync.WaitGroup
	defer asked.Wait()
	defer cancel()
	answers := make(chan answer, walks)
	for {
		s.cut()
		for i, sp := range s.spans {
			if sp.done || sp.asking || s.asking == walks || i > 0 && sp.proven && s.ahead() >= maxAhead {
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

// ahead is how much was read that cannot be given on yet: the first span is not read to
// its end.
func (s *spreading) ahead() (bytes int) {
	for _, sp := range s.spans[1:] {
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
func (s *spreading) take(a answer) error {
	sp := a.sp
	i := slices.Index(s.spans, sp)
	if first := !sp.proven; first && (a.err != nil || !s.behind(a.page, sp.after)) {
		// This server cannot begin there, or not now. The walk before goes on instead.
		s.uncut = true
		before := s.spans[i-1]
		before.to = sp.to
		s.spans = slices.Delete(s.spans, i, i+1)
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

// store keeps what is in the span of a page that was read.
func (s *spreading) store(sp *span, page s3backend.Page) {
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
		s.learn(strings.TrimSuffix(sp.last, "/"))
	}
}

// publish gives on what is complete up to there, and tells whether that is all.
func (s *spreading) publish() bool {
	for {
		sp := s.spans[0]
		last := len(s.spans) == 1
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
		case !s.spans[1].proven: // sp may have to go on in its place
			return false
		}
		s.spans = s.spans[1:]
	}
}

// cut makes new spans while that may be worth its request.
func (s *spreading) cut() {
	for !s.uncut && len(s.spans) < 2*walks && s.asking < walks && (s.cuts+1)*pagesACut*s.page <= s.found {
		var long *span
		for _, sp := range s.spans {
			if !sp.done && sp.proven && sp.read > 0 && (long == nil || sp.read > long.read) {
				long = sp
			}
		}
		if long == nil {
			return
		}
		long.read = 0
		at := s.between(long.last, long.to)
		if at == "" {
			continue
		}
		i := slices.Index(s.spans, long)
		s.spans = slices.Insert(s.spans, i+1, &span{after: at, to: long.to, last: at})
		long.to = at
		s.cuts++
	}
}

// between guesses a name behind one and before another, "" for none. It changes the
// first letter in which names differ, or the digit before it, since numbers go on.
func (s *spreading) between(after, to string) string {
	greatest := after
	for _, sp := range s.spans {
		if sp.proven {
			greatest = max(greatest, sp.last)
		}
	}
	a, p := []rune(strings.TrimSuffix(after, "/")), 0
	for p < len(a) && strings.HasPrefix(greatest, string(a[:p+1])) && strings.HasPrefix(s.first, string(a[:p+1])) {
		p++
	}
	if p > 0 && unicode.IsDigit(a[p-1]) {
		p--
	}
	for _, alike := range []bool{true, false} {
		for i := p; i < len(a); i++ {
			var fit []string
			for _, r := range s.letters {
				at := string(a[:i]) + string(r)
				if r > a[i] && at > after && (to == "" || at < to) && (!alike || unicode.IsDigit(r) == unicode.IsDigit(a[i]) && unicode.IsUpper(r) == unicode.IsUpper(a[i])) {
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

// learn takes the letters of a name.
func (s *spreading) learn(name string) {
	for _, r := range name {
		if len(s.letters) == letters {
			return
		}
		if i, ok := slices.BinarySearch(s.letters, r); !ok && r != '/' && r > ' ' && r != unicode.ReplacementChar {
			s.letters = slices.Insert(s.letters, i, r)
		}
	}
}

// name is what is left of a key in the folder.
func (s *spreading) name(key string) string { return strings.TrimPrefix(key, s.prefix) }

// behind tells that all of a page is.
func (s *spreading) behind(p s3backend.Page, after string) bool {
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

// split divides a page behind to; all tells that nothing is there.
func (s *spreading) split(p s3backend.Page, to string) (in, over s3backend.Page, all bool) {
	if to == "" {
		return p, over, true
	}
	in, over = divide(p, s.prefix+to)
	return in, over, len(over.Objects)+len(over.Prefixes) == 0
}

// divide divides a page behind a key, which is in the first part.
func divide(p s3backend.Page, key string) (in, over s3backend.Page) {
	before := func(k, key string) int { return cmp.Or(cmp.Compare(k, key), -1) }
	o, _ := slices.BinarySearchFunc(p.Objects, key, func(o s3backend.Object, key string) int { return before(o.Key, key) })
	d, _ := slices.BinarySearchFunc(p.Prefixes, key, before)
	in, over = p, p
	in.Objects, over.Objects = p.Objects[:o], p.Objects[o:]
	in.Prefixes, over.Prefixes = p.Prefixes[:d], p.Prefixes[d:]
	return in, over
}

func (s *spreading) greatest(p s3backend.Page) (last string) {
	if n := len(p.Objects); n > 0 {
		last = s.name(p.Objects[n-1].Key)
	}
	if n := len(p.Prefixes); n > 0 {
		last = max(last, s.name(p.Prefixes[n-1]))
	}
	return last
}
