package meta

import (
	"strings"
	"time"

	"github.com/s3share/s3share/s3backend"
)

// A program that reads a tree lists one directory after the other, a request each. From
// the third sibling on, a treeList lists what is below their parent without a delimiter: a
// page of a thousand keys is the listings of all directories in it. It keeps a few pages
// ahead of its readers, and ends when nobody reads on, or when directories are so large that
// to list them one by one takes no more requests.
const (
	minSiblings    = 3                // siblings that were read
	maxPagesAhead  = 4                // pages without a reader
	maxExtraPages  = 2                // pages more than folders
	maxPagesWaited = 2                // pages that a reader waits for its directory
	treeListIdle   = 10 * time.Second // without a reader
	treeListPause  = time.Minute      // after folders were large
	maxParents     = 100              // whose children are counted
)

// parent counts the children of one directory that were listed lately.
type parent struct {
	children int
	last     time.Time
	large    time.Time // when a treeList was given up
	deep     time.Time // when there was more below it than a page, see subtree.go
}

// treeList is one listing of all keys below prefix. The Cache's mu guards it.
type treeList struct {
	prefix  string
	at      string // the last key seen
	open    []*treeDir
	waiting map[string]*waiting // for their directory, by its prefix
	touched map[string]bool     // prefixes under which something changed here
	credit  int                 // pages that may be asked for without a reader
	wake    chan struct{}       // has a token when there is credit
	used    bool                // somebody reads on, or did
}

func newTreeList(prefix, from string) *treeList {
	return &treeList{prefix: prefix, at: from, waiting: map[string]*waiting{},
		touched: map[string]bool{}, wake: make(chan struct{}, 1)}
}

// treeDir is what a treeList has seen of one directory.
type treeDir struct {
	prefix string
	asked  time.Time
	page   s3backend.Page
}

// waiting is a listing that a treeList is to fill.
type waiting struct {
	d     *dir
	l     *Listing
	pages int
}

// treeListLocked has a new listing filled by a treeList, one that goes on or one that
// begins here; false if it is to be fetched by itself.
func (c *Cache) treeListLocked(d *dir, l *Listing) bool {
	for _, t := range c.treeLists {
		ahead := strings.HasPrefix(l.prefix, t.prefix) &&
			(l.prefix > t.at || strings.HasPrefix(t.at, l.prefix))
		if ahead && !t.stale(l.prefix) && t.waiting[l.prefix] == nil {
			t.waiting[l.prefix] = &waiting{d: d, l: l}
			t.use()
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
	if p.children < minSiblings || time.Since(p.large) < treeListPause {
		return false
	}
	// "." stands right before the slash: the folder's own object is the first key.
	from := strings.TrimSuffix(l.prefix, "/") + "."
	t := newTreeList(above, from)
	t.waiting[l.prefix] = &waiting{d: d, l: l}
	t.use()
	c.treeLists = append(c.treeLists, t)
	c.loads.Go(func() { c.runTreeList(t, s3backend.ListInput{Prefix: above, StartAfter: from}, 0) })
	return true
}

// splitDir splits a directory's prefix after its parent's.
func splitDir(prefix string) (above, name string) { return split(strings.TrimSuffix(prefix, "/")) }

// use records that somebody uses what the treeList finds.
func (t *treeList) use() {
	t.credit, t.used = maxPagesAhead, true
	select {
	case t.wake <- struct{}{}:
	default:
	}
}

// stale reports whether something changed here in the directory, or around it.
func (t *treeList) stale(prefix string) bool {
	for len(prefix) > len(t.prefix) {
		if t.touched[prefix] {
			return true
		}
		prefix, _ = splitDir(prefix)
	}
	return false
}

// runTreeList lists the keys from in on, for a treeList that has seen a number of
// directories.
func (c *Cache) runTreeList(t *treeList, in s3backend.ListInput, folders int) {
	for pages := 1; ; pages++ {
		asked := time.Now()
		page, err := c.bucket.List(c.ctx, in)
		c.mu.Lock()
		if err == nil {
			folders += c.seeLocked(t, page, asked)
		}
		large := pages-folders > maxExtraPages
		if err != nil || page.Next == "" || large {
			c.endLocked(t, large)
			c.mu.Unlock()
			return
		}
		t.credit--
		c.mu.Unlock()
		in.StartAfter, in.Token = "", page.Next
		if !c.awaitCredit(t) {
			return
		}
	}
}

// awaitCredit waits until the next page is worth its request.
func (c *Cache) awaitCredit(t *treeList) bool {
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
		case <-time.After(treeListIdle):
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

// seeLocked takes a page, and returns how many directories it has completed.
func (c *Cache) seeLocked(t *treeList, page s3backend.Page, asked time.Time) (folders int) {
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
			t.open = append(t.open, &treeDir{prefix: sub, asked: asked})
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
		// No key begins with it.
		case prefix < t.at && !strings.HasPrefix(t.at, prefix) || page.Next == "":
			c.fillLocked(t, &treeDir{prefix: prefix, asked: asked})
		case w.pages == maxPagesWaited:
			delete(t.waiting, prefix)
			c.loads.Go(func() { c.load(w.d, w.l, "") })
		}
	}
	return folders
}

// leaveLocked completes the directories that key is not in.
func (c *Cache) leaveLocked(t *treeList, key string) (folders int) {
	for n := len(t.open); n > 0 && !strings.HasPrefix(key, t.open[n-1].prefix); n-- {
		c.fillLocked(t, t.open[n-1])
		t.open = t.open[:n-1]
		folders++
	}
	return folders
}

// fillLocked makes a listing of what was seen of a directory, unless something
// changed there that it does not know of.
func (c *Cache) fillLocked(t *treeList, f *treeDir) {
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
		w.l.treeList = t
	}
	w.l.since(f.asked)
	c.takeLocked(w.d, w.l, f.page, nil)
}

// endLocked ends a treeList. Those who wait for it list by themselves.
func (c *Cache) endLocked(t *treeList, large bool) {
	if large {
		p, _ := c.parents.Get(t.prefix)
		p.large = time.Now()
		c.parents.Add(t.prefix, p)
	}
	for i := range c.treeLists {
		if c.treeLists[i] == t {
			c.treeLists = append(c.treeLists[:i:i], c.treeLists[i+1:]...)
			break
		}
	}
	for _, w := range t.waiting {
		c.loads.Go(func() { c.load(w.d, w.l, "") })
	}
	t.open, t.waiting, t.touched = nil, nil, nil
}

// touchLocked keeps treeLists from showing a directory as it was before a change here.
func (c *Cache) touchLocked(prefix string) {
	for _, t := range c.treeLists {
		if strings.HasPrefix(prefix, t.prefix) {
			t.touched[prefix] = true
		}
	}
}
