package cache

import (
	"context"
	"errors"
	"log/slog"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/s3share/s3share/cache/keyname"
	"github.com/s3share/s3share/cache/ledger"
	"github.com/s3share/s3share/cache/meta"
	"github.com/s3share/s3share/cache/outbox"
	"github.com/s3share/s3share/s3backend"
)

func ledgerFile(stateDir string) string { return filepath.Join(stateDir, "ledger.jsonl") }

// dropboxBucket is the bucket as names are looked up in it: where the policy lets us put
// and not list, as in a dropbox, what we sent is listed from the ledger.
type dropboxBucket struct {
	meta.Bucket
	c *Cache
}

// List asks S3, unless it is known that the policy does not let us.
func (b dropboxBucket) List(ctx context.Context, in s3backend.ListInput) (s3backend.Page, error) {
	folder := keyname.Folder(in.Prefix)
	if b.c.grants.WriteOnly(ctx, folder, false) {
		b.c.grants.RefreshIfOld(folder)
		b.c.unlisted.note(folder)
		return b.c.listFromLedger(in), nil
	}
	page, err := b.Bucket.List(ctx, in)
	if errors.Is(err, s3backend.Denied) && b.c.grants.WriteOnly(ctx, folder, true) {
		b.c.unlisted.note(folder)
		return b.c.listFromLedger(in), nil
	}
	return page, err
}

// ledgerListings notes when a folder was last listed from the ledger. Such a listing does not
// say what S3 holds, and it may be looked at when the policy has changed already.
type ledgerListings struct {
	mu sync.Mutex
	at map[string]time.Time // by folder
}

func (u *ledgerListings) note(folder string) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.at == nil {
		u.at = map[string]time.Time{}
	}
	u.at[folder] = time.Now()
}

// since reports whether the folder was listed from the ledger at that time or later.
func (u *ledgerListings) since(folder string, from time.Time) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	at, ok := u.at[folder]
	return ok && !at.Before(from)
}

// age is how long ago the folder was last listed from the ledger, -1 if never.
func (u *ledgerListings) age(folder string) time.Duration {
	u.mu.Lock()
	defer u.mu.Unlock()
	if at, ok := u.at[folder]; ok {
		return time.Since(at)
	}
	return -1
}

// listFromLedger lists what we sent as S3 lists what it holds.
func (c *Cache) listFromLedger(in s3backend.ListInput) s3backend.Page {
	var page s3backend.Page
	most := int(in.Max)
	if most == 0 {
		most = 1000
	}
	after := max(in.StartAfter, in.Token)
	last := ""
	for _, e := range c.sent.Sent(in.Prefix) {
		key := e.Key
		if in.Delimiter != "" {
			if i := strings.Index(key[len(in.Prefix):], in.Delimiter); i >= 0 {
				key = key[:len(in.Prefix)+i+len(in.Delimiter)]
			}
		}
		common := key != e.Key || in.Delimiter != "" && key != in.Prefix && strings.HasSuffix(key, in.Delimiter)
		switch {
		case key <= after || key == last:
			continue
		case len(page.Objects)+len(page.Prefixes) == most:
			page.Next = last
			return page
		case common:
			page.Prefixes = append(page.Prefixes, key)
		default:
			page.Objects = append(page.Objects, s3backend.Object{Key: e.Key, Size: e.Size, ETag: e.ETag, Modified: e.Sent})
		}
		last = key
	}
	return page
}

// remember records in the ledger what S3 does not return later: the time and the permission bits,
// which no listing has, and everything if listing is refused.
func (c *Cache) remember(it *outbox.Item, obj s3backend.Object) {
	mtime, mode, hasMode := it.StatOf(obj)
	e := ledger.Entry{Key: obj.Key, ETag: obj.ETag, Mtime: mtime, Mode: mode, HasMode: hasMode, Touched: true, Ours: true, Size: obj.Size}
	readable := c.grants.CanListAndRead(keyname.Folder(obj.Key))
	if it.IsFolder() {
		if readable {
			return
		}
		// What was set of the directory stays.
		dir := c.sent.Dir(obj.Key)
		e.Mtime, e.Touched, e.Mode, e.HasMode = dir.Mtime, dir.Touched, dir.Mode, dir.HasMode
	}
	if !readable {
		e.Sent = time.Now()
	}
	if err := c.sent.Put(e); err != nil {
		c.log.Warn("what was sent, its time or its mode may not be shown after a remount", "key", obj.Key, "err", err)
	}
}

// learned notes a version that a request about this one key has returned, and that the
// other party may have written. It keeps the version's time and mode, which no listing has,
// so that the next mount shows the same.
func (c *Cache) learned(obj s3backend.Object) {
	c.names.Put(obj)
	mtime, hasMtime := outbox.MtimeOf(obj.Header)
	mode, hasMode := outbox.ModeOf(obj.Header)
	if e, _ := c.sent.Get(obj.Key, obj.ETag); obj.ETag == e.ETag && (e.Touched || e.HasMode) {
		return // they are known: this machine delivered it, or learned was called before
	}
	if hasMode {
		c.setMode(obj.Key, obj.ETag, mode)
	}
	if !hasMtime {
		return
	}
	if err := c.sent.SetTimes(obj.Key, obj.ETag, mtime, nil); err != nil {
		c.log.Warn("a time is kept until the mount is undone only", "key", obj.Key, "err", err)
	}
}

// forget forgets what is remembered of a key that holds another version, or none.
func (c *Cache) forget(key string) {
	if err := c.sent.Forget(key); err != nil {
		c.log.Warn("the ledger cannot be written", "key", key, "err", err)
	}
}

// keepTimes records the time and the mode of a version that S3 does not let us copy. It logs that
// once.
func (c *Cache) keepTimes(it *outbox.Item, obj s3backend.Object, why error) {
	_, mtime, bits, hasMode := it.Stat()
	var mode *uint32
	if hasMode {
		mode = &bits
	}
	if err := c.sent.SetTimes(obj.Key, obj.ETag, mtime, mode); err != nil {
		c.log.Warn("a time is kept until the mount is undone only", "key", obj.Key, "err", err)
	}
	level := slog.LevelDebug
	if c.timesKept.CompareAndSwap(false, true) {
		level = slog.LevelWarn
	}
	c.log.Log(context.Background(), level, "a new time is kept on this machine, since S3 does not let the object be copied", "key", obj.Key, "err", why)
}

// setMode remembers the permission bits of a version that S3 holds.
func (c *Cache) setMode(key, etag string, mode uint32) {
	if err := c.sent.SetMode(key, etag, mode); err != nil {
		c.log.Warn("a mode is kept until the mount is undone only", "key", key, "err", err)
	}
}
