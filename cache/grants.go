package cache

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/s3share/s3share/cache/keyname"
	"github.com/s3share/s3share/s3backend"
)

// grants is what was found out about the policy, by the exchange's folder. What is
// not known counts as granted: S3 says no itself.
type grants struct {
	probed map[string]*probed // each of the exchange's folders; never changes, nil without a Prober

	mu     sync.Mutex
	delete map[string]grant
	// refusals are when probes were refused within the last hour, the oldest first.
	refusals []time.Time
	left     map[string]s3backend.Upload // of probes, by folder: what S3 did not let abort
}

type grant struct {
	err error // nil for granted
	at  time.Time
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
	if err != nil {
		g.refusedLocked()
	}
}

// refusedLocked notes that a probe was refused.
func (g *grants) refusedLocked() { g.refusals = append(g.refusals, time.Now()) }

// enoughLocked reports whether so many probes were refused in the last hour that nothing
// is asked again.
func (g *grants) enoughLocked() bool {
	g.refusals = slices.DeleteFunc(g.refusals, func(at time.Time) bool { return time.Since(at) > time.Hour })
	return len(g.refusals) >= refusals
}

func (g *grants) known(folder string) (error, bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	r, ok := g.delete[folder]
	if ok && r.err != nil && time.Since(r.at) > retried && !g.enoughLocked() {
		return nil, false
	}
	return r.err, ok
}

// mayDelete tells whether the policy lets us delete at key, before anything is
// done that would need it: nil, or why not. Where the server's answers do not tell,
// it is nil, and S3 refuses the removal itself.
func (c *Cache) mayDelete(ctx context.Context, key string) error {
	folder := keyname.Folder(key)
	if err, ok := c.grants.known(folder); ok {
		return err
	}
	err := c.bucket.MayDelete(ctx, folder+"/")
	if err == nil || errors.Is(err, s3backend.Denied) {
		c.grants.learn(folder, err)
	}
	if errors.Is(err, s3backend.ErrUntold) {
		return nil
	}
	return err
}

// of is what is asked about a folder, nil where it is none of the exchange's or
// nothing is asked.
func (g *grants) of(folder string) *probed { return g.probed[folder] }

// mayPut tells whether the policy lets us put at key: nil, or Denied before a byte is
// staged that could not be delivered. The first who asks waits for the answer, for a
// second at most. Where nothing is known it is nil.
func (c *Cache) mayPut(ctx context.Context, key string) error {
	folder := keyname.Folder(key)
	p := c.grants.of(folder)
	if p == nil {
		return nil
	}
	c.ask(folder, p.putting, (*question).tried)
	if err := p.putting.await(ctx); err != nil {
		return err
	}
	return c.refusesPut(key)
}

// refusesPut is mayPut as far as it is known without asking.
func (c *Cache) refusesPut(key string) error {
	folder := keyname.Folder(key)
	p := c.grants.of(folder)
	if p == nil {
		return nil
	}
	c.grants.mu.Lock()
	defer c.grants.mu.Unlock()
	if refused(p.putting.err) {
		return fmt.Errorf("the policy grants no put in %s/: %w", folder, p.putting.err)
	}
	return nil
}

// refusesRead reports whether a probe was told that nothing may be read in the folder.
func (g *grants) refusesRead(folder string) bool {
	p := g.of(folder)
	if p == nil {
		return false
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	return refused(p.reading.err)
}

// wasRead notes that a version was read: so what others put in the folder may be, whatever
// a probe was told.
func (g *grants) wasRead(folder string) {
	p := g.of(folder)
	if p == nil {
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if refused(p.reading.err) {
		p.reading.err, p.reading.believe = nil, 0
	}
}

// Permission bits for everybody to read, and to write.
const (
	readBits  = 0o444
	writeBits = 0o222
)

// denies are the permission bits that the policy takes from what is at key. ours
// tells that it was written here: then its ACL may let us read it still.
func (c *Cache) denies(key string, ours bool) (bits uint32) {
	folder := keyname.Folder(key)
	c.freshen(folder)
	p := c.grants.of(folder)
	if p == nil {
		return 0
	}
	c.grants.mu.Lock()
	defer c.grants.mu.Unlock()
	if refused(p.putting.err) {
		bits |= writeBits
	}
	if refused(p.reading.err) && !ours {
		bits |= readBits
	}
	return bits
}
