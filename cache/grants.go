package cache

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/s3share/s3share/s3backend"
)

// Prober finds out what the policy grants in a folder, by requests that change
// nothing; *s3backend.Client implements it. Each answer is nil, s3backend.Denied, or
// why it cannot be told.
type Prober interface {
	MayList(ctx context.Context, prefix string) error
	MayGet(ctx context.Context, prefix string, mayList error) error
	MayPut(ctx context.Context, prefix string, earlier s3backend.Upload) (left s3backend.Upload, err error)
}

const (
	// regrant is how long a refusal is believed: the owner may mend the policy.
	regrant = time.Minute
	// regranted is how long it is believed that all is granted.
	regranted = 5 * time.Minute
	// doubtful is the least time between two probes of a folder for refusals.
	doubtful = 5 * time.Second
	// firstWait is how long a program that makes the first file waits for what the
	// first probe tells.
	firstWait = time.Second
)

// grants is what was found out about the policy, by the exchange's folder. What is
// not known counts as granted: S3 says no itself.
type grants struct {
	mu     sync.Mutex
	delete map[string]grant
	probed map[string]*probed
	left   map[string]s3backend.Upload // of probes, by folder: what S3 did not let abort
}

type grant struct {
	err error // nil for granted
	at  time.Time
}

// probed is what the last probe of a folder told.
type probed struct {
	put, get, list error
	at             time.Time     // when it ended; zero before the first
	running        bool          // another is under way
	first          chan struct{} // closed when the first has ended
}

// refused tells whether a probe's answer is a no.
func refused(err error) bool {
	return errors.Is(err, s3backend.Denied) && !errors.Is(err, s3backend.ErrUntold)
}

// learn notes S3's answer to a delete in this folder.
func (g *grants) learn(folder string, err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.delete == nil {
		g.delete = map[string]grant{}
	}
	g.delete[folder] = grant{err, time.Now()}
}

func (g *grants) known(folder string) (error, bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	r, ok := g.delete[folder]
	if ok && r.err != nil && time.Since(r.at) > regrant {
		return nil, false
	}
	return r.err, ok
}

// mayDelete tells whether the policy lets us delete at key, before anything is
// done that would need it: nil, or why not.
func (c *Cache) mayDelete(ctx context.Context, key string) error {
	folder := folderOf(key)
	if err, ok := c.grants.known(folder); ok {
		return err
	}
	err := c.bucket.MayDelete(ctx, folder+"/")
	if err == nil || errors.Is(err, s3backend.Denied) {
		c.grants.learn(folder, err)
	}
	return err
}

// mayPut tells whether the policy lets us put at key: nil, or Denied before a byte is
// staged that could not be delivered. Where nothing is known it is nil.
func (c *Cache) mayPut(ctx context.Context, key string) error {
	if c.cfg.Prober == nil {
		return nil
	}
	folder := folderOf(key)
	c.freshen(folder)
	g := &c.grants
	g.mu.Lock()
	p := g.probed[folder]
	g.mu.Unlock()
	if p == nil {
		return nil
	}
	select {
	case <-p.first:
	case <-time.After(firstWait):
	case <-ctx.Done():
		return ctx.Err()
	}
	g.mu.Lock()
	err := p.put
	g.mu.Unlock()
	if !refused(err) {
		return nil
	}
	return fmt.Errorf("the policy grants no put in %s/: %w", folder, err)
}

// probeAll begins to find out what is granted in each folder.
func (c *Cache) probeAll() {
	for _, folder := range c.cfg.Folders {
		c.freshen(folder)
	}
}

// freshen has a folder probed in the background if what is known of it is too old.
func (c *Cache) freshen(folder string) {
	c.probeIf(folder, func(p *probed) bool {
		age := time.Since(p.at)
		return p.at.IsZero() || age > regranted || age > regrant && (p.put != nil || p.get != nil)
	})
}

// doubt has a folder probed again because S3 has refused a request in it.
func (c *Cache) doubt(folder string) {
	c.probeIf(folder, func(p *probed) bool { return time.Since(p.at) > doubtful })
}

// reprobe has all folders probed again, since a person says that things have changed.
func (c *Cache) reprobe() {
	for _, folder := range c.cfg.Folders {
		c.probeIf(folder, func(*probed) bool { return true })
	}
	c.grants.mu.Lock()
	defer c.grants.mu.Unlock()
	clear(c.grants.delete)
}

// probeIf has a folder of the exchange probed where due says so, once at a time.
func (c *Cache) probeIf(folder string, due func(*probed) bool) {
	if c.cfg.Prober == nil || c.checkFolder(folder+"/") != nil {
		return
	}
	g := &c.grants
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.probed == nil {
		g.probed, g.left = map[string]*probed{}, map[string]s3backend.Upload{}
	}
	p := g.probed[folder]
	if p == nil {
		p = &probed{first: make(chan struct{})}
		g.probed[folder] = p
	}
	if p.running || !due(p) || c.ending.Err() != nil {
		return
	}
	p.running = true
	c.probes.Go(func() { c.probe(folder, p) })
}

// probe asks what is granted in a folder, and notes what was told.
func (c *Cache) probe(folder string, p *probed) {
	ctx, prefix := c.ending, folder+"/"
	var put, get, list error
	var asking sync.WaitGroup
	if !c.cfg.ReadOnly {
		asking.Go(func() {
			c.grants.mu.Lock()
			left := c.grants.left[folder]
			c.grants.mu.Unlock()
			left, put = c.cfg.Prober.MayPut(ctx, prefix, left)
			c.grants.mu.Lock()
			c.grants.left[folder] = left
			c.grants.mu.Unlock()
		})
	}
	// A refusal alone would not tell: who may not list is refused what is not there.
	if get = c.cfg.Prober.MayGet(ctx, prefix, nil); get != nil {
		if list = c.cfg.Prober.MayList(ctx, prefix); refused(list) {
			get = errors.Join(s3backend.ErrUntold, get)
		}
	}
	asking.Wait()
	if ctx.Err() != nil {
		return
	}
	c.grants.mu.Lock()
	defer c.grants.mu.Unlock()
	if was := p.at; was.IsZero() || refused(p.put) != refused(put) || refused(p.get) != refused(get) || refused(p.list) != refused(list) {
		c.log.Info("the policy, as far as it can be told", "folder", folder,
			"list", grantText(list), "get", grantText(get), "put", grantText(put))
	}
	p.put, p.get, p.list = put, get, list
	if p.at.IsZero() {
		close(p.first)
	}
	p.at, p.running = time.Now(), false
}

func grantText(err error) string {
	switch {
	case err == nil:
		return "granted"
	case refused(err):
		return "refused"
	}
	return "unknown: " + err.Error()
}

// Permission bits for everybody to read, and to write.
const (
	readBits  = 0o444
	writeBits = 0o222
)

// denies are the permission bits that the policy takes from what is at key. ours
// tells that it was written here: then its ACL may let us read it still.
func (c *Cache) denies(key string, ours bool) (bits uint32) {
	folder := folderOf(key)
	c.freshen(folder)
	c.grants.mu.Lock()
	defer c.grants.mu.Unlock()
	p := c.grants.probed[folder]
	if p == nil {
		return 0
	}
	if refused(p.put) {
		bits |= writeBits
	}
	if refused(p.get) && !ours {
		bits |= readBits
	}
	return bits
}
