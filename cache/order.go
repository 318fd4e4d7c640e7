package cache

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/s3share/s3share/cache/content"
	"github.com/s3share/s3share/cache/keyname"
	"github.com/s3share/s3share/cache/meta"
)

// order is an order in which programs read the small files of a folder.
type order struct {
	kind orderKind
	// after returns the n files behind the one of this name, as far as is known.
	after func(name string, n int) []meta.Entry
}

type orderKind int

const (
	nameOrder orderKind = iota // as S3 lists, and as a directory is read: tar, grep, rsync
	inoOrder                   // by inode number, for disks where this is faster: cp
)

// first tells whether the file elem is the first of them.
func (o order) first(elem string) bool {
	e := o.after("", 1)
	return len(e) > 0 && e[0].Name == elem
}

func (ws *walks) byName(prefix string) order {
	return order{nameOrder, func(name string, n int) []meta.Entry {
		return ws.c.names.After(prefix, name, content.MaxAhead, n)
	}}
}

// in returns the same order of the files of another folder.
func (o order) in(ws *walks, prefix string) order {
	if o.kind == inoOrder {
		return ws.byIno(prefix)
	}
	return ws.byName(prefix)
}

// siblingsMost is the most entries of a folder of which the next folder is looked for.
const siblingsMost = 5_000

// beside returns the prefix of the folder that comes behind the one with this prefix
// in the folder above, as far as is known, or "".
func (o order) beside(ws *walks, prefix string) string {
	above, elem := keyname.Split(strings.TrimSuffix(prefix, "/"))
	if above == "" {
		return ""
	}
	names := ws.c.names.Folders(above, siblingsMost)
	if o.kind == inoOrder {
		slices.SortFunc(names, func(a, b string) int { return cmp.Compare(keyname.Ino(above+a), keyname.Ino(above+b)) })
	}
	if i := slices.Index(names, elem); i >= 0 && i+1 < len(names) {
		return above + names[i+1] + "/"
	}
	return ""
}

// sortMost is the most entries of a folder that is sorted by inode number.
const sortMost = 20_000

// sorted is a folder's files, sorted by inode number.
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

func (ws *walks) byIno(prefix string) order {
	return order{inoOrder, func(name string, n int) []meta.Entry {
		ws.sort(prefix)
		files := ws.sorted.files
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

// sort sorts the files of a folder, if that was not done just now.
func (ws *walks) sort(prefix string) {
	s := &ws.sorted
	if s.prefix == prefix && time.Since(s.at) < walkPause {
		return
	}
	s.prefix, s.at, s.files = "", time.Now(), s.files[:0]
	for _, e := range ws.c.names.Objects(prefix, content.MaxAhead, sortMost) {
		s.prefix = prefix // else it is not known yet
		s.files = append(s.files, numbered{keyname.Ino(prefix + e.Name), e})
	}
	slices.SortFunc(s.files, byNumber)
}

// related tells whether one of two folders is beside the other, above it or below,
// or beside one above.
func related(a, b string) bool {
	above := func(prefix string) string {
		p, _ := keyname.Split(prefix)
		return p
	}
	return strings.HasPrefix(a, above(b)) || strings.HasPrefix(b, above(a))
}
