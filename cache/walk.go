package cache

import (
	"slices"
	"sync"
	"time"

	"github.com/s3share/s3share/cache/content"
	"github.com/s3share/s3share/cache/meta"
	"github.com/s3share/s3share/s3backend"
)

// Programs that copy, pack or search a tree read the small files of a folder one
// after the other, and each file would take a round trip. A walk notices that
// files are opened in order, and has the next ones fetched before they are asked for.

const (
	walkAfter = 3  // files opened in order begin a walk
	walkFirst = 8  // files are fetched ahead at its begin
	walkMost  = 32 // and from then on
	walkSkip  = 8  // files may be left out between two that are opened, at its begin a third of that
	walkReach = 32 // how many files behind the furthest one may be: programs read several at once

	// walkLead is how long before it is opened a file may be fetched: the answer
	// must not be older by then than what is opened may be. It leaves the other
	// half for those that come late.
	walkLead = fresh / 2
	// walkList is how old a listing may be, so that another has come before this
	// one is too old to tell anything.
	walkList = 2 * time.Second

	walksKept = 16              // at a time
	walkPause = 5 * time.Second // without a file opened ends a walk
)

// walk is a program's way through a folder. It is guarded by walks.mu.
type walk struct {
	prefix string
	order  order
	files  []meta.Entry // in this order, around where the program is
	next   int          // in files, behind the furthest that was opened
	ahead  int          // in files, behind the last that was fetched ahead
	run    int          // files opened
	missed int          // files left out
	pace   time.Duration
	last   time.Time
	tree   bool // it came from another folder
	beyond bool // it went on in the next folder before it was at its end
}

// walks are those under way, and those that may become one.
type walks struct {
	c *Cache

	// mu guards the fields below; it is taken before all others.
	mu     sync.Mutex
	all    []*walk // the one that was stepped last comes last
	sorted sorted
}

// walked notes that the file at p is opened to be read, and begins to fetch the
// next ones if it is on a walk.
func (c *Cache) walked(p place, size int64) {
	if size <= 0 || size > content.MaxAhead {
		return
	}
	for _, next := range c.walks.note(p, time.Now()) {
		age := walkList
		for i, e := range next.files {
			obj := e.Object(next.walk.prefix)
			if !c.shows(obj) {
				continue
			}
			switch c.blocks.Ahead(obj) {
			case content.Here:
				age = walkLead // no request for its bytes will tell that it is fresh
			case content.Busy:
				c.walks.giveBack(next.walk, len(next.files)-i)
				return
			}
		}
		c.names.List(next.walk.prefix, age) // begins another one, if this is older
	}
}

// shows tells whether obj, which S3 lists, is what its name shows.
func (c *Cache) shows(obj s3backend.Object) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	f := c.files.get(obj.Key)
	return (f == nil || f.item == nil) && !c.out.Hides(obj)
}

// stretch is what is to be fetched ahead of a walk now.
type stretch struct {
	walk  *walk
	files []meta.Entry
}

// note takes in the opening of the file at p, and returns the files to fetch now if it
// is a step of a walk.
func (ws *walks) note(p place, now time.Time) []stretch {
	ws.mu.Lock()
	defer ws.mu.Unlock()
	ws.all = slices.DeleteFunc(ws.all, func(w *walk) bool { return w.lost() || now.Sub(w.last) > walkPause })
	for i, w := range slices.Backward(ws.all) {
		if w.prefix == p.prefix && w.step(p.elem, now) {
			ws.all = append(slices.Delete(ws.all, i, i+1), w)
			return ws.due(w, now)
		}
	}
	w := ws.begin(p, now)
	if w == nil {
		return nil
	}
	return ws.due(w, now)
}

// due returns the files to be fetched now: the next ones in w's folder and, where
// that ends and w has come from one folder to the next before, in the one beside it.
func (ws *walks) due(w *walk, now time.Time) (next []stretch) {
	most := w.most()
	if files := w.due(most); len(files) > 0 {
		next = append(next, stretch{w, files})
	}
	left := most - (w.ahead - w.next)
	if !w.tree || w.beyond || left <= 0 || w.ahead < len(w.files) {
		return next
	}
	w.beyond = true
	prefix := w.order.beside(ws, w.prefix)
	if prefix == "" || slices.ContainsFunc(ws.all, func(w *walk) bool { return w.prefix == prefix }) {
		return next
	}
	o := w.order.in(ws, prefix)
	b := &walk{prefix: prefix, order: o, files: o.after("", walkMost), run: walkAfter + 1, pace: w.pace, last: now, tree: true}
	if files := b.due(left); len(files) > 0 {
		ws.all = append(ws.all, b)
		next = append(next, stretch{b, files})
	}
	return next
}

// begin takes the file at p for the first of a walk, in any order that there may
// be. It returns the one that is on already: a tree is walked folder by folder.
func (ws *walks) begin(p place, now time.Time) (on *walk) {
	strangers := 0
	from := ws.cameFrom(p.prefix, now)
	for _, w := range ws.all {
		if w.prefix == p.prefix {
			strangers++
		}
	}
	for _, o := range []order{ws.byName(p.prefix), ws.byIno(p.prefix)} {
		came := from != nil && from.order.kind == o.kind
		if o.kind == inoOrder && strangers < walkAfter-1 && !came {
			continue // sorting is for those who do not go by name
		}
		w := &walk{prefix: p.prefix, order: o, files: o.after(p.elem, walkMost), run: 1, last: now}
		if came && o.first(p.elem) {
			w.run, w.pace, w.tree, on = walkAfter, from.pace, true, w
		}
		ws.all = append(ws.all, w)
	}
	if n := len(ws.all) - walksKept; n > 0 {
		ws.all = slices.Delete(ws.all, 0, n)
	}
	return on
}

// cameFrom returns a walk that may go on in the folder with this prefix: its own
// folder is beside that, above it or below.
func (ws *walks) cameFrom(prefix string, now time.Time) *walk {
	for _, w := range slices.Backward(ws.all) {
		if w.run >= walkAfter && now.Sub(w.last) < fresh && w.prefix != prefix && related(w.prefix, prefix) {
			return w
		}
	}
	return nil
}

// giveBack notes that of the files fetched ahead of w the last n were not.
func (ws *walks) giveBack(w *walk, n int) {
	ws.mu.Lock()
	defer ws.mu.Unlock()
	w.ahead = max(w.next, w.ahead-n)
}

// step takes in the opening of the file elem, or tells that it is no step of w.
func (w *walk) step(elem string, now time.Time) bool {
	reach, skip := 0, walkSkip/3
	if w.run >= walkAfter {
		reach, skip = walkReach, walkSkip+walkReach
	}
	from, end := max(0, w.next-reach), min(len(w.files), w.next+skip)
	i := slices.IndexFunc(w.files[from:end], func(e meta.Entry) bool { return e.Name == elem })
	if i < 0 {
		return false
	}
	if i += from; i < w.next {
		w.missed = max(0, w.missed-1) // it was not left out
	} else {
		w.missed += i - w.next
		w.next = i + 1
	}
	w.run++
	if w.pace == 0 {
		w.pace = now.Sub(w.last)
	}
	w.pace += (now.Sub(w.last) - w.pace) / 8
	w.last = now
	return true
}

// lost tells that a program opens less than half of the files.
func (w *walk) lost() bool { return w.missed > walkReach && w.missed > w.run }

// most is how many files behind the one that was opened last are to be fetched.
func (w *walk) most() int {
	if w.run < walkAfter {
		return 0
	}
	most := walkMost
	if w.run == walkAfter {
		most = walkFirst
	}
	if w.pace > 0 {
		most = int(min(time.Duration(most), walkLead/w.pace))
	}
	return most
}

// due returns those of the next files, most at most, that are to be fetched now.
func (w *walk) due(most int) []meta.Entry {
	if most == 0 {
		return nil
	}
	if drop := w.next - 2*walkReach; drop > 0 {
		w.files = slices.Delete(w.files, 0, drop)
		w.next -= drop
		w.ahead = max(0, w.ahead-drop)
	}
	if n := len(w.files); n > 0 && n < w.next+walkMost+walkSkip {
		w.files = append(w.files, w.order.after(w.files[n-1].Name, walkMost)...)
	}
	from, end := max(w.ahead, w.next), min(w.next+most, len(w.files))
	if end-from < min(most/4, len(w.files)-from) {
		return nil // a few at a time
	}
	w.ahead = max(end, w.ahead)
	return slices.Clone(w.files[min(from, end):end])
}
