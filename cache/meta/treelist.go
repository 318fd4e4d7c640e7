package meta

import (
	"strings"
	"time"

	"github.com/s3share/s3share/s3backend"
)

// Who walks through a tree reads one folder after the other, a request each. From
// the third sibling on, a tour lists what is below their parent without a
// delimiter: a page of a thousand keys is the listings of all folders in it. It
// keeps a few pages ahead of its readers, and ends when nobody follows, or when
// folders are so large that to list them one by one takes no more requests.
const (
	toursAt    = 3                // siblings that were read
	tourAhead  = 4                // pages without a reader
	tourLoss   = 2                // pages more than folders
	tourWait   = 2                // pages that a reader waits for his folder
	tourIdle   = 10 * time.Second // without a reader
	tourAgain  = time.Minute      // after folders were large
	maxParents = 100              // whose children are counted
)

// parent counts the children of one folder that were listed lately.
type parent struct {
	children int
	last     time.Time
	large    time.Time // when a tour was given up
	deep     time.Time // when there was more below it than a page, see subtree.go
}

// tour is one walk over all keys below prefix. The Cache's mu guards it.
type tour struct {
	prefix  string
	at      string // the last key seen
	open    []*folder
	waiting map[string]*waiting // for their folder, by its prefix
	touched map[string]bool     // prefixes under which something changed here
	credit  int                 // pages that may be asked for without a reader
	wake    chan struct{}       // has a token when there is credit
	used    bool                // somebody follows, or did
}

func newTour(prefix, from string) *tour {
	return &tour{prefix: prefix, at: from, waiting: map[string]*waiting{}, touched: map[string]bool{}, wake: make(chan struct{}, 1)}
}

// folder is what a tour has seen of one.
type folder struct {
	prefix string
	asked  time.Time
	page   s3backend.Page
}

// waiting is a listing that a tour has promised.
type waiting struct {
	d     *dir
	l     *Listing
	pages int
}

// tourLocked has a new listing filled by a tour, one that goes on or one that
// begins here; false if it is to be fetched by itself.
func (c *Cache) tourLocked(d *dir, l *Listing) bool {
	for _, t := range c.tours {
		ahead := strings.HasPrefix(l.prefix, t.prefix) && (l.prefix > t.at || strings.HasPrefix(t.at, l.prefix))
		if ahead && !t.stale(l.prefix) && t.waiting[l.prefix] == nil {
			t.waiting[l.prefix] = &waiting{d: d, l: l}
			t.follow()
			return true
		}
	}
	above, _ := splitDir(l.prefix)
	if above == "" {
		return false
	}
	p, ok := c.parents.Get(above)
	if !ok || time.Since(p.last) > c.cfg.TTL {
		p = parent{large: p.large, deep: p.deep}
	}
	p.children, p.last = p.children+1, time.Now()
	c.parents.Add(above, p)
	if p.children < toursAt || time.Since(p.large) < tourAgain {
		return false
	}
	// "." stands right before the slash: the folder's own object is the first key.
	from := strings.TrimSuffix(l.prefix, "/") + "."
	t := newTour(above, from)
	t.waiting[l.prefix] = &waiting{d: d, l: l}
	t.follow()
	c.tours = append(c.tours, t)
	c.loads.Go(func() { c.lead(t, s3backend.ListInput{Prefix: above, StartAfter: from}, 0) })
	return true
}

// splitDir divides a folder's prefix behind its parent's.
func splitDir(prefix string) (above, name string) { return split(strings.TrimSuffix(prefix, "/")) }

// follow notes that somebody uses what the tour finds.
func (t *tour) follow() {
	t.credit, t.used = tourAhead, true
	select {
	case t.wake <- struct{}{}:
	default:
	}
}

// stale tells that something changed here in the folder, or around it.
func (t *tour) stale(prefix string) bool {
	for len(prefix) > len(t.prefix) {
		if t.touched[prefix] {
			return true
		}
		prefix, _ = splitDir(prefix)
	}
	return false
}

// lead takes a tour through the keys from in on, of a number of folders that it
// has seen.
func (c *Cache) lead(t *tour, in s3backend.ListInput, folders int) {
	for pages := 1; ; pages++ {
		asked := time.Now()
		page, err := c.bucket.List(c.ctx, in)
		c.mu.Lock()
		if err == nil {
			folders += c.seeLocked(t, page, asked)
		}
		large := pages-folders > tourLoss
		if err != nil || page.Next == "" || large {
			c.endLocked(t, large)
			c.mu.Unlock()
			return
		}
		t.credit--
		c.mu.Unlock()
		in.StartAfter, in.Token = "", page.Next
		if !c.goOn(t) {
			return
		}
	}
}

// goOn waits until the next page is worth its request.
func (c *Cache) goOn(t *tour) bool {
	for {
		c.mu.Lock()
		credit := t.credit
		c.mu.Unlock()
		if credit > 0 {
			return true
		}
		select {
		case <-t.wake:
			continue
		case <-time.After(tourIdle):
		case <-c.ctx.Done():
		}
		c.mu.Lock()
		defer c.mu.Unlock()
		if t.credit > 0 && c.ctx.Err() == nil {
			return true
		}
		c.endLocked(t, false)
		return false
	}
}

// seeLocked takes a page, and returns how many folders it has completed.
func (c *Cache) seeLocked(t *tour, page s3backend.Page, asked time.Time) (folders int) {
	for _, o := range page.Objects {
		folders += c.leaveLocked(t, o.Key)
		for {
			base := t.prefix
			if n := len(t.open); n > 0 {
				base = t.open[n-1].prefix
			}
			i := strings.IndexByte(o.Key[len(base):], '/')
			if i < 0 {
				break
			}
			sub := o.Key[:len(base)+i+1]
			if n := len(t.open); n > 0 {
				t.open[n-1].page.Prefixes = append(t.open[n-1].page.Prefixes, sub)
			}
			t.open = append(t.open, &folder{prefix: sub, asked: asked})
		}
		if n := len(t.open); n > 0 {
			t.open[n-1].page.Objects = append(t.open[n-1].page.Objects, o)
		}
		t.at = o.Key
	}
	if page.Next == "" {
		folders += c.leaveLocked(t, "")
	}
	for prefix, w := range t.waiting {
		switch w.pages++; {
		case prefix < t.at && !strings.HasPrefix(t.at, prefix) || page.Next == "": // no key begins with it
			c.fillLocked(t, &folder{prefix: prefix, asked: asked})
		case w.pages == tourWait:
			delete(t.waiting, prefix)
			c.loads.Go(func() { c.load(w.d, w.l, "") })
		}
	}
	return folders
}

// leaveLocked completes the folders that key is not in.
func (c *Cache) leaveLocked(t *tour, key string) (folders int) {
	for n := len(t.open); n > 0 && !strings.HasPrefix(key, t.open[n-1].prefix); n-- {
		c.fillLocked(t, t.open[n-1])
		t.open = t.open[:n-1]
		folders++
	}
	return folders
}

// fillLocked makes a listing of what was seen of a folder, unless something
// changed there that it does not know of.
func (c *Cache) fillLocked(t *tour, f *folder) {
	w := t.waiting[f.prefix]
	delete(t.waiting, f.prefix)
	if w == nil {
		if t.stale(f.prefix) {
			return
		}
		w = &waiting{l: c.newListingLocked(f.prefix, allPages)}
		if d, ok := c.dirs.Get(f.prefix); ok {
			if d.next != nil || d.cur != nil && d.cur.after(f.asked) {
				return // somebody asks for it, or has
			}
			w.d = d
		} else {
			w.d = &dir{}
			c.dirs.Add(f.prefix, w.d)
		}
		w.d.next = w.l
		w.l.tour = t
	}
	w.l.since(f.asked)
	c.takeLocked(w.d, w.l, f.page, nil)
}

// endLocked ends a tour. Those who wait for it list by themselves.
func (c *Cache) endLocked(t *tour, large bool) {
	if large {
		p, _ := c.parents.Get(t.prefix)
		p.large = time.Now()
		c.parents.Add(t.prefix, p)
	}
	for i := range c.tours {
		if c.tours[i] == t {
			c.tours = append(c.tours[:i:i], c.tours[i+1:]...)
			break
		}
	}
	for _, w := range t.waiting {
		c.loads.Go(func() { c.load(w.d, w.l, "") })
	}
	t.open, t.waiting, t.touched = nil, nil, nil
}

// touchLocked keeps tours from showing a folder as it was before a change here.
func (c *Cache) touchLocked(prefix string) {
	for _, t := range c.tours {
		if strings.HasPrefix(prefix, t.prefix) {
			t.touched[prefix] = true
		}
	}
}
