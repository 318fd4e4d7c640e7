// Package meta keeps what is known of the bucket's names: listings of folders
// and answers about single names, the negative ones too. All of it may be
// forgotten at any time: nothing here is the only copy.
//
// A [Listing] is one folder, filled page by page from S3 while it is already
// being read. A [Cache] holds listings in an LRU bounded by their entries, and
// answers a lookup from the folder's listing where that is small, so that
// looking at every file of a folder costs one request. A folder of many pages is
// asked for single names until so many were asked that listing it is cheaper.
//
// The cache is told of what this program commits or removes ([Cache.Put],
// [Cache.Remove]), so that it never shows an older state than its own writes.
package meta

import (
	"context"
	"errors"
	"math"
	"strings"
	"sync"
	"time"
	"weak"

	"github.com/hashicorp/golang-lru/v2/simplelru"
	"golang.org/x/sync/singleflight"

	"github.com/s3share/s3share/s3backend"
)

// Bucket is what the cache asks of a bucket; *s3backend.Client implements it.
type Bucket interface {
	List(ctx context.Context, in s3backend.ListInput) (s3backend.Page, error)
}

// Config bounds a Cache. The zero value takes the defaults.
type Config struct {
	// TTL is how long an answer about names is good when nobody asks for a
	// fresher one; a folder of many pages keeps longer, by what it cost.
	TTL time.Duration
	// Entries is the most directory entries that are kept, over all folders.
	Entries int
}

const (
	defaultTTL     = 5 * time.Second
	absentTTL      = time.Second // for "there is none": the other party may deliver it any time
	maxTTL         = time.Minute
	defaultEntries = 250_000
	maxPoints      = 50_000 // answers about single names
	maxHeaders     = 50_000 // headers of versions

	// pointsBeforeMore is how many names of a large folder are looked up one by
	// one before somePages of it are listed besides, and pointsBeforeAll before the
	// whole of it is.
	pointsBeforeMore = 4
	pointsBeforeAll  = 32
	// knownBeforeMore is how many names that the listing has were looked up before a
	// name behind them has somePages more of it listed.
	knownBeforeMore = 100

	firstPage, somePages, allPages = 1, 16, math.MaxInt
)

// Cache answers what the bucket holds. All methods may be called concurrently.
type Cache struct {
	bucket Bucket
	cfg    Config

	ctx    context.Context
	cancel context.CancelFunc
	loads  sync.WaitGroup
	flight singleflight.Group // point lookups under way, by key

	// mu guards the fields below; it is taken before a Listing's.
	mu        sync.Mutex
	dirs      *simplelru.LRU[string, *dir]
	read      map[string][]weak.Pointer[Listing] // all that somebody may read still, by prefix
	total     int                                // entries over all dirs
	last      lastKnown
	points    *simplelru.LRU[string, point]
	headers   *simplelru.LRU[string, *s3backend.Header]
	treeLists []*treeList
	parents   *simplelru.LRU[string, parent]
	forget    *time.Timer // of what is too old, nil while there is nothing
	changes   uint64      // counts Put and Remove: an answer asked for before is not kept
}

// dir is what is known of one folder: the listing in use, and the one that is
// being fetched to replace it.
type dir struct {
	cur, next *Listing
	counted   int // entries, of both, that Cache.total has
	pointed   int // names looked up one by one lately, since cur was begun
	known     int // names looked up that cur had, since more of it was read
	lately    time.Time
}

// New returns an empty cache of what bucket holds.
func New(bucket Bucket, cfg Config) *Cache {
	if cfg.TTL == 0 {
		cfg.TTL = defaultTTL
	}
	if cfg.Entries == 0 {
		cfg.Entries = defaultEntries
	}
	c := &Cache{bucket: bucket, cfg: cfg,
		read: map[string][]weak.Pointer[Listing]{}, last: newLastKnown()}
	c.ctx, c.cancel = context.WithCancel(context.Background())
	// The sizes are constants above zero, the only thing NewLRU refuses.
	c.dirs, _ = simplelru.NewLRU(cfg.Entries, func(_ string, d *dir) {
		c.total -= d.counted
		d.stop()
	})
	c.points, _ = simplelru.NewLRU[string, point](maxPoints, nil)
	c.headers, _ = simplelru.NewLRU[string, *s3backend.Header](maxHeaders, nil)
	c.parents, _ = simplelru.NewLRU[string, parent](maxParents, nil)
	return c
}

// Close ends the listings under way and waits for them.
func (c *Cache) Close() {
	c.cancel()
	c.loads.Wait()
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.forget != nil {
		c.forget.Stop()
	}
}

// List returns the listing of the folder whose keys begin with prefix ("" or
// ending in "/"), begun at most maxAge ago, or the cache's own time to live if
// maxAge is negative. It returns at once; the listing's readers wait for pages.
func (c *Cache) List(prefix string, maxAge time.Duration) *Listing {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.listLocked(prefix, maxAge, allPages)
}

// listLocked finds or begins a listing of which so many pages are wanted.
func (c *Cache) listLocked(prefix string, maxAge time.Duration, wanted int) *Listing {
	d, ok := c.dirs.Get(prefix)
	if !ok {
		d = &dir{}
		c.dirs.Add(prefix, d)
	}
	if l := d.cur; l != nil && l.usable(c.age(l, maxAge)) {
		l.extend(wanted)
		if l.treeList != nil {
			l.treeList.use()
		}
		return l
	}
	if l := d.next; l != nil && l.usable(c.age(l, maxAge)) {
		l.extend(wanted)
		return l
	}
	l := c.newListingLocked(prefix, wanted)
	d.next = l
	if d.cur == nil {
		d.cur = l
	}
	switch {
	case maxAge < 0 && wanted == allPages && c.treeListLocked(d, l):
	case c.subtreeLocked(d, l):
	default:
		c.loads.Go(func() { c.load(d, l, "") })
	}
	return l
}

// age is how old l may be under maxAge.
func (c *Cache) age(l *Listing, maxAge time.Duration) time.Duration {
	if maxAge >= 0 {
		return maxAge
	}
	return min(c.cfg.TTL*time.Duration(1+l.Pages()/4), max(c.cfg.TTL, maxTTL))
}

// load fetches l's pages behind from, a key, or "" for all of them: one after the other
// while the folder may be small.
func (c *Cache) load(d *dir, l *Listing, from string) {
	in := s3backend.ListInput{Prefix: l.prefix, Delimiter: "/", StartAfter: from}
	for {
		page, err := c.bucket.List(c.ctx, in)
		if err != nil && in.StartAfter != "" {
			in.StartAfter = "" // not every server begins there
			continue
		}
		if from != "" {
			// Who does not begin there begins anew, and who does may tell once more of
			// the folder that the key is in.
			_, page = splitPage(page, from)
		}
		c.take(d, l, page, err)
		if err != nil || page.Next == "" || !l.wantMore(c.ctx) {
			return
		}
		in.Token, in.StartAfter = page.Next, ""
		if l.worthParallel() {
			c.parallelList(l, in.Token, func(p s3backend.Page, err error) { c.take(d, l, p, err) })
			return
		}
	}
}

// take adds a page to a listing, and makes it the folder's once it is usable
// instead of the older one.
func (c *Cache) take(d *dir, l *Listing, page s3backend.Page, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.takeLocked(d, l, page, err)
}

func (c *Cache) takeLocked(d *dir, l *Listing, page s3backend.Page, err error) {
	l.add(page, err)
	if err == nil && page.Next == "" || d.cur.failed() {
		c.useLocked(d, l)
	}
	if err == nil && page.Next == "" && d.cur == l {
		c.last.keep(l)
	}
	c.countLocked(l.prefix, d)
	c.evictLocked(l.prefix)
	c.forgetSoonLocked()
}

// forgetSoonLocked has forgetOld called, unless it will be.
func (c *Cache) forgetSoonLocked() {
	if c.forget == nil && c.ctx.Err() == nil {
		c.forget = time.AfterFunc(maxTTL, c.forgetOld)
	}
}

// forgetOld drops the listings that are too old for any answer.
func (c *Cache) forgetOld() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.forget = nil
	for _, prefix := range c.dirs.Keys() {
		if d, _ := c.dirs.Peek(prefix); !d.cur.usable(maxTTL) &&
			(d.next == nil || !d.next.usable(maxTTL)) {
			c.dirs.Remove(prefix)
		}
	}
	for prefix := range c.read {
		c.listingsInUseLocked(prefix)
	}
	if c.dirs.Len() > 0 {
		c.forgetSoonLocked()
	}
}

// newListingLocked begins a listing, which learns of all changes from now on for as long
// as somebody may read it: also if it is forgotten meanwhile, or another takes its place.
func (c *Cache) newListingLocked(prefix string, wanted int) *Listing {
	l := newListing(prefix, wanted)
	c.read[prefix] = append(c.read[prefix], weak.Make(l))
	c.forgetSoonLocked()
	return l
}

// listingsInUseLocked returns the listings of a folder that somebody may still read.
func (c *Cache) listingsInUseLocked(prefix string) (all []*Listing) {
	kept := c.read[prefix][:0]
	for _, p := range c.read[prefix] {
		if l := p.Value(); l != nil {
			all, kept = append(all, l), append(kept, p)
		}
	}
	if c.read[prefix] = kept; len(kept) == 0 {
		delete(c.read, prefix)
	}
	return all
}

// useLocked makes l the folder's listing, unless a later one has taken its place:
// that knows of changes that l was not told of.
func (c *Cache) useLocked(d *dir, l *Listing) {
	switch l {
	case d.cur:
	case d.next:
		d.cur, d.pointed, d.known = l, 0, 0
	default:
		return
	}
	if d.next == l {
		d.next = nil
	}
}

// size is how many entries are kept of the folder.
func (d *dir) size() (n int) {
	if d.cur != nil {
		n = d.cur.size()
	}
	if d.next != nil && d.next != d.cur {
		n += d.next.size()
	}
	return n
}

// stop ends the listings of a folder that is forgotten.
func (d *dir) stop() {
	for _, l := range []*Listing{d.cur, d.next} {
		if l != nil {
			l.stop()
		}
	}
}

// countLocked brings total up to date with a folder, if it is still kept.
func (c *Cache) countLocked(prefix string, d *dir) {
	if kept, _ := c.dirs.Peek(prefix); kept != d {
		return
	}
	n := d.size()
	c.total += n - d.counted
	d.counted = n
}

// evictLocked forgets the folders used longest ago until the budget is kept;
// the folder being filled stays.
func (c *Cache) evictLocked(keep string) {
	for c.total > c.cfg.Entries {
		prefix, _, ok := c.dirs.GetOldest()
		if !ok || prefix == keep {
			return
		}
		c.dirs.Remove(prefix)
	}
}

// split divides a key behind its last slash.
func split(key string) (prefix, name string) {
	i := strings.LastIndexByte(key, '/') + 1
	return key[:i], key[i:]
}

// errStopped ends a listing that was forgotten while it was read; it is begun
// anew by whoever still wants it.
var errStopped = errors.New("listing forgotten")
