package meta

import (
	"cmp"
	"slices"
	"sort"
	"strings"

	"github.com/s3share/s3share/s3backend"
)

// entries are the names of a folder in the order of their keys, page by page as
// they came: nothing is moved to make room for more.
type entries struct {
	pages  [][]Entry
	starts []int // the position of each page's first entry
	n      int
}

func (s *entries) append(page []Entry) {
	if len(page) == 0 {
		return
	}
	s.pages = append(s.pages, page)
	s.starts = append(s.starts, s.n)
	s.n += len(page)
}

func (s *entries) at(i int) *Entry {
	p := sort.SearchInts(s.starts, i+1) - 1
	return &s.pages[p][i-s.starts[p]]
}

// find returns the entry of this name and kind, or nil.
func (s *entries) find(name string, folder bool) *Entry {
	p := sort.Search(len(s.pages), func(i int) bool {
		page := s.pages[i]
		return page[len(page)-1].compare(name, folder) >= 0
	})
	if p == len(s.pages) {
		return nil
	}
	i, ok := slices.BinarySearchFunc(s.pages[p], 0, func(e Entry, _ int) int { return e.compare(name, folder) })
	if !ok {
		return nil
	}
	return &s.pages[p][i]
}

// compare orders by what S3 sorts by, in which a folder's name ends in a slash.
func (e *Entry) compare(name string, folder bool) int {
	n := min(len(e.Name), len(name))
	if c := strings.Compare(e.Name[:n], name[:n]); c != 0 {
		return c
	}
	return cmp.Compare(next(e.Name, n, e.sortsAsDir()), next(name, n, folder))
}

// next is the byte at n of a name that a slash ends, if it is of a folder; -1 is its end.
func next(name string, n int, folder bool) int {
	switch {
	case n < len(name):
		return int(name[n])
	case folder:
		return '/'
	}
	return -1
}

// sortsAsDir tells a folder, also one that is gone.
func (e *Entry) sortsAsDir() bool { return e.IsDir() || e.Size == isGone && e.Class == "/" }

// pageOf makes the entries of a page, sorted, that share one piece of memory for
// their names and ETags.
func pageOf(prefix string, p s3backend.Page) (page []Entry, marker bool) {
	size := 0
	for i := range p.Objects {
		size += len(p.Objects[i].Key) - len(prefix) + len(p.Objects[i].ETag)
	}
	var text strings.Builder
	text.Grow(size)
	keep := func(s string) string { // Grow has seen to it that nothing moves
		from := text.Len()
		text.WriteString(s)
		return text.String()[from:]
	}
	page = make([]Entry, 0, len(p.Objects)+len(p.Prefixes))
	for i := range p.Objects {
		o := &p.Objects[i]
		if o.Key == prefix {
			marker = true
			continue
		}
		e := entryOf(keep(strings.TrimPrefix(o.Key, prefix)), *o)
		e.ETag = keep(e.ETag)
		page = append(page, e)
	}
	for _, p := range p.Prefixes {
		page = append(page, Entry{Name: strings.TrimSuffix(strings.TrimPrefix(p, prefix), "/"), Size: isDir})
	}
	order := func(a, b Entry) int { return a.compare(b.Name, b.sortsAsDir()) }
	if !slices.IsSortedFunc(page, order) {
		slices.SortFunc(page, order)
	}
	return page, marker
}
