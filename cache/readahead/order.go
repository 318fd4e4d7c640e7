package readahead

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/s3share/s3share/cache/keyname"
	"github.com/s3share/s3share/cache/meta"
)

// order is an order in which programs read the small files of a directory.
type order struct {
	kind orderKind
	// after returns the n files that come after the one of this name, as far as is known.
	after func(name string, n int) []meta.Entry
}

type orderKind int

const (
	nameOrder orderKind = iota // as S3 lists, and as a directory is read: tar, grep, rsync
	inoOrder                   // by inode number, for disks where this is faster: cp
)

// first reports whether the file is the first of them.
func (o order) first(name string) bool {
	e := o.after("", 1)
	return len(e) > 0 && e[0].Name == name
}

func (t *Tracker) byName(prefix string) order {
	return order{nameOrder, func(name string, n int) []meta.Entry {
		return t.names.After(prefix, name, t.maxSize, n)
	}}
}

// orderOf returns the order of this kind of the files of a directory.
func (t *Tracker) orderOf(kind orderKind, prefix string) order {
	if kind == inoOrder {
		return t.byIno(prefix)
	}
	return t.byName(prefix)
}

// maxSiblings is the most entries of a directory of which the next sibling is looked for.
const maxSiblings = 5_000

// nextSibling returns the prefix of the directory that comes after the one with this prefix
// in the directory above, in this order and as far as is known, or "".
func (t *Tracker) nextSibling(o order, prefix string) string {
	above, elem := keyname.Split(strings.TrimSuffix(prefix, "/"))
	if above == "" {
		return ""
	}
	names := t.names.Folders(above, maxSiblings)
	if o.kind == inoOrder {
		slices.SortFunc(names, func(a, b string) int {
			return cmp.Compare(keyname.Ino(above+a), keyname.Ino(above+b))
		})
	}
	if i := slices.Index(names, elem); i >= 0 && i+1 < len(names) {
		return above + names[i+1] + "/"
	}
	return ""
}

// maxSorted is the most entries of a directory that is sorted by inode number.
const maxSorted = 20_000

// sorted is a directory's files, sorted by inode number.
type sorted struct {
	prefix string
	at     time.Time
	files  []numbered
}

type numbered struct {
	ino uint64
	meta.Entry
}

func byNumber(a, b numbered) int {
	return cmp.Or(cmp.Compare(a.ino, b.ino), strings.Compare(a.Name, b.Name))
}

func (t *Tracker) byIno(prefix string) order {
	return order{inoOrder, func(name string, n int) []meta.Entry {
		t.sort(prefix)
		files := t.sorted.files
		i := 0
		if name != "" {
			at := numbered{keyname.Ino(prefix + name), meta.Entry{Name: name}}
			var found bool
			if i, found = slices.BinarySearchFunc(files, at, byNumber); found {
				i++
			}
		}
		var out []meta.Entry
		for _, f := range files[i:min(i+n, len(files))] {
			out = append(out, f.Entry)
		}
		return out
	}}
}

// sort sorts the files of a directory, if that was not done just now.
func (t *Tracker) sort(prefix string) {
	s := &t.sorted
	if s.prefix == prefix && time.Since(s.at) < idleAfter {
		return
	}
	s.prefix, s.at, s.files = "", time.Now(), s.files[:0]
	for _, e := range t.names.Objects(prefix, t.maxSize, maxSorted) {
		s.prefix = prefix // else it is not known yet
		s.files = append(s.files, numbered{keyname.Ino(prefix + e.Name), e})
	}
	slices.SortFunc(s.files, byNumber)
}

// related reports whether one of two directories is beside the other, above it or below,
// or beside one above.
func related(a, b string) bool {
	above := func(prefix string) string {
		p, _ := keyname.Split(prefix)
		return p
	}
	return strings.HasPrefix(a, above(b)) || strings.HasPrefix(b, above(a))
}
