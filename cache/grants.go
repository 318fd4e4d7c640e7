package cache

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/s3share/s3share/s3backend"
)

// regrant is how long a refusal is believed: the owner may mend the policy.
const regrant = time.Minute

// grants is what was found out about the policy: whether objects of a folder may
// be deleted.
type grants struct {
	mu     sync.Mutex
	delete map[string]grant // by the exchange's folder
}

type grant struct {
	err error // nil for granted
	at  time.Time
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
