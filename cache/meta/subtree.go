package meta

import (
	"errors"
	"time"

	"github.com/s3share/s3share/s3backend"
)

// The first listing of a directory asks for all keys below it, without a delimiter. Where
// one page holds them, it is the listings of all directories there, and to go on into them
// costs no request: most exchanges are no larger. Where there is more, the page is the begin
// of the directory's own listing, which goes on after it with a delimiter. That may be one
// request more than a plain listing, so it is not tried there again for a while. What was
// seen of the directories below is kept, and a treeList goes on from there once somebody
// reads on.

// subtreePause is how long neither a directory that had more below it than a page, nor its
// children, are listed so again.
const subtreePause = 10 * time.Minute

// subtreeLocked has a new listing of a directory filled by listing all that is below it;
// false if it is to be fetched by itself: there was more, or nobody went on into it
// since the last time.
func (c *Cache) subtreeLocked(d *dir, l *Listing) bool {
	if d.cur != l && (d.cur.subtree == nil || !d.cur.subtree.used) {
		return false
	}
	above, _ := splitDir(l.prefix)
	for _, prefix := range []string{above, l.prefix} {
		if p, ok := c.parents.Get(prefix); ok && time.Since(p.deep) < subtreePause {
			return false
		}
	}
	t := newTreeList(l.prefix, l.prefix)
	t.open = []*treeDir{{prefix: l.prefix, asked: time.Now()}}
	t.waiting[l.prefix] = &waiting{d: d, l: l}
	l.subtree = t
	c.treeLists = append(c.treeLists, t)
	c.loads.Go(func() { c.listSubtree(t, d, l) })
	return true
}

// listSubtree lists the first page of all that is below l's directory.
func (c *Cache) listSubtree(t *treeList, d *dir, l *Listing) {
	asked := time.Now()
	page, err := c.bucket.List(c.ctx, s3backend.ListInput{Prefix: l.prefix})
	c.mu.Lock()
	if err != nil {
		delete(t.waiting, l.prefix)
		c.endLocked(t, false)
		if !errors.Is(err, s3backend.Denied) {
			c.takeLocked(d, l, page, err)
			c.mu.Unlock()
			return
		}
		c.deepLocked(l.prefix) // a policy may grant no more than to list with a delimiter
		c.mu.Unlock()
		c.load(d, l, "")
		return
	}
	if page.Next == "" {
		c.seeLocked(t, page, asked)
		c.endLocked(t, false)
		c.mu.Unlock()
		return
	}
	delete(t.waiting, l.prefix)
	folders := c.seeLocked(t, page, asked)
	from, own := t.at, t.open[0].page
	own.Next = page.Next
	t.open = t.open[1:]
	if len(own.Prefixes) > 0 {
		c.deepLocked(l.prefix)
		l.markShortFirstPage()
		c.loads.Go(func() {
			if c.awaitCredit(t) {
				c.runTreeList(t, s3backend.ListInput{Prefix: l.prefix, Token: page.Next}, folders)
			}
		})
	} else {
		c.endLocked(t, false)
	}
	c.takeLocked(d, l, own, nil)
	c.mu.Unlock()
	if l.wantMore(c.ctx) {
		c.load(d, l, from)
	}
}

// deepLocked records that there is more below a directory than a page.
func (c *Cache) deepLocked(prefix string) {
	p, _ := c.parents.Get(prefix)
	p.deep = time.Now()
	c.parents.Add(prefix, p)
}
