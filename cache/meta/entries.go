package meta

import (
	"cmp"
	"encoding/hex"
	"slices"
	"sort"
	"strings"

	"github.com/s3share/s3share/s3backend"
)

// entries are the names of a folder in the order of their keys, page by page as
// they came: nothing is moved to make room for more.
type entries struct {
	pages   []page
	starts  []int // the position of each page's first entry
	n       int
	bytes   int      // that the pages take, about
	classes []string // of storage: S3 has a dozen, and no more than maxClasses are kept
}

// page is kept in few bytes, since there may be a million names: some 60 for each.
type page struct {
	text    string // each name, and its ETag behind it
	recs    []rec
	changed map[int]Entry // by position, what is not as it was listed, or cannot be packed
}

// rec is an entry without its text.
type rec struct {
	size     int64
	modified int64
	at       uint32 // where the name begins
	name     uint16 // its length
	etag     uint8  // the length of the ETag, or hexETag
	class    uint8  // index of the storage class
}

// recSize and changedSize are what an entry takes beside its text, and one that could not
// be packed, in bytes.
const (
	recSize     = 24
	changedSize = 512
)

// hexETag stands for an ETag of 32 hexadecimal digits, which are packed.
const hexETag = 255

// maxClasses is how many storage classes a rec can name.
const maxClasses = 256

// append packs entries that stand behind all others.
func (s *entries) append(all []Entry) {
	if len(all) == 0 {
		return
	}
	p := page{recs: make([]rec, len(all))}
	size := 0
	for i := range all {
		size += len(all[i].Name) + min(len(all[i].ETag), hexETag)
	}
	text := make([]byte, 0, size)
	for i, e := range all {
		r := rec{size: e.Size, modified: e.Modified, at: uint32(len(text)),
			name: uint16(len(e.Name))}
		text = append(text, e.Name...)
		text, r.etag = packETag(text, e.ETag)
		class, ok := s.class(e.Class)
		if r.class = class; !ok || len(e.ETag) >= hexETag {
			p.set(i, e)
		}
		p.recs[i] = r
	}
	p.text = string(text)
	s.pages = append(s.pages, p)
	s.starts = append(s.starts, s.n)
	s.n += len(all)
	s.bytes += len(p.text) + recSize*len(p.recs) + changedSize*len(p.changed)
}

// class is the index of a storage class, false where there are too many.
func (s *entries) class(name string) (i uint8, ok bool) {
	if i := slices.Index(s.classes, name); i >= 0 {
		return uint8(i), true
	}
	if len(s.classes) == maxClasses {
		return 0, false
	}
	s.classes = append(s.classes, strings.Clone(name))
	return uint8(len(s.classes) - 1), true
}

// packETag appends an ETag to text, and returns what stands for its length.
func packETag(text []byte, etag string) ([]byte, uint8) {
	if len(etag) == 32 && strings.Trim(etag, "0123456789abcdef") == "" {
		text, _ = hex.AppendDecode(text, []byte(etag))
		return text, hexETag
	}
	if len(etag) >= hexETag {
		return text, 0 // kept apart
	}
	return append(text, etag...), uint8(len(etag))
}

func (s *entries) page(i int) (p *page, at int) {
	n := sort.SearchInts(s.starts, i+1) - 1
	return &s.pages[n], i - s.starts[n]
}

// at returns the entry at position i.
func (s *entries) at(i int) Entry {
	p, i := s.page(i)
	if e, ok := p.changed[i]; ok {
		return e
	}
	r := p.recs[i]
	e := Entry{Name: p.name(i), Size: r.size, Modified: r.modified, Class: s.classes[r.class]}
	switch end := int(r.at) + int(r.name); r.etag {
	case hexETag:
		e.ETag = hex.EncodeToString([]byte(p.text[end : end+16]))
	default:
		e.ETag = p.text[end : end+int(r.etag)]
	}
	return e
}

// set changes the entry at position i, of the same name and kind.
func (s *entries) set(i int, e Entry) {
	p, i := s.page(i)
	p.set(i, e)
}

func (p *page) set(i int, e Entry) {
	if p.changed == nil {
		p.changed = map[int]Entry{}
	}
	p.changed[i] = e
}

func (p *page) name(i int) string {
	r := &p.recs[i]
	return p.text[r.at : r.at+uint32(r.name)]
}

// compare orders the entry at i as compareNames does.
func (p *page) compare(i int, name string, folder bool) int {
	return compareNames(p.name(i), p.recs[i].size == isDir, name, folder)
}

// search returns the position of the first entry that is not before the one of this
// name and kind, and whether it is that one.
func (s *entries) search(name string, folder bool) (i int, ok bool) {
	n := sort.Search(len(s.pages), func(n int) bool {
		p := &s.pages[n]
		return p.compare(len(p.recs)-1, name, folder) >= 0
	})
	if n == len(s.pages) {
		return s.n, false
	}
	p := &s.pages[n]
	i, ok = sort.Find(len(p.recs), func(i int) int { return -p.compare(i, name, folder) })
	return s.starts[n] + i, ok
}

// compareNames orders by what S3 sorts by, in which a folder's name ends in a slash.
func compareNames(a string, aFolder bool, b string, bFolder bool) int {
	n := min(len(a), len(b))
	if c := strings.Compare(a[:n], b[:n]); c != 0 {
		return c
	}
	return cmp.Compare(next(a, n, aFolder), next(b, n, bFolder))
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

// entriesOf are the entries of a page of S3's, sorted.
func entriesOf(prefix string, p s3backend.Page) (all []Entry, marker bool) {
	all = make([]Entry, 0, len(p.Objects)+len(p.Prefixes))
	for i := range p.Objects {
		o := &p.Objects[i]
		if o.Key == prefix {
			marker = true
			continue
		}
		all = append(all, entryOf(strings.TrimPrefix(o.Key, prefix), *o))
	}
	for _, p := range p.Prefixes {
		all = append(all,
			Entry{Name: strings.TrimSuffix(strings.TrimPrefix(p, prefix), "/"), Size: isDir})
	}
	order := func(a, b Entry) int { return compareNames(a.Name, a.IsDir(), b.Name, b.IsDir()) }
	if !slices.IsSortedFunc(all, order) {
		slices.SortFunc(all, order)
	}
	return all, marker
}
