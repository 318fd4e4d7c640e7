// Package cache is the one view of an exchange that the file system sees: what
// the bucket holds, overlaid with what is pending.
//
// It combines three packages. meta keeps what is known of names and may be forgotten,
// content keeps bytes of immutable versions and may be evicted, outbox keeps what
// was written here until S3 has confirmed it. A [Cache] takes paths below the
// mountpoint, "Delivery/q3.csv", and has a [File] for each file that is open or
// pending; a [Handle] is one open of it. Types that do not know the Cache do what is
// not about the merged view. A resolver finds what a path names. An attrStore and
// dirAttrs keep times and modes. removedDirs keeps the directories that are being
// removed, and markers those whose markers are pending. [Deliveries] lists what waits,
// for commands. Operations of several steps are values: a renaming, a dirRename.
//
// The life of a write: Handle.WriteAt stages the bytes in an outbox item over the
// version that was opened; the last Release seals it; when S3 has confirmed the
// commit, events.Delivered makes the new version the file's content, and its staged
// bytes become cached blocks.
package cache

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/s3share/s3share/cache/content"
	"github.com/s3share/s3share/cache/grants"
	"github.com/s3share/s3share/cache/keyname"
	"github.com/s3share/s3share/cache/ledger"
	"github.com/s3share/s3share/cache/meta"
	"github.com/s3share/s3share/cache/outbox"
	"github.com/s3share/s3share/cache/privatename"
	"github.com/s3share/s3share/cache/readahead"
	"github.com/s3share/s3share/cache/receipts"
	"github.com/s3share/s3share/s3backend"
)

// Bucket is what the cache asks of a bucket; *s3backend.Client and its Rights implement it.
type Bucket interface {
	meta.Bucket
	content.Source
	outbox.Bucket
	grants.Deleter
}

// Config says what is shown and where it is kept. Folders and StateDir are required.
type Config struct {
	Folders   []string // at the root of the mount; single names
	StateDir  string   // for what is pending
	CacheDir  string   // for cached content; "" for memory alone
	CacheSize int64    // most bytes in CacheDir, 0 for content's default
	Memory    int64    // most bytes of content in memory, 0 for content's default
	StageSize int64    // most bytes staged, 0 for what the disk has
	Sync      bool     // close and fsync return when S3 has confirmed
	ReadOnly  bool
	Private   *privatename.Patterns // names that are not sent; nil for the built-in list
	OnStatus  func(outbox.Status)   // called once for each thing that a person should know
	Who       string                // names us in the name of a conflict copy
	// Annotations are those of the objects in the bucket; nil if none are kept.
	Annotations outbox.Annotations
	Checker     grants.Checker         // asks what the policy grants; nil: nothing is known of it
	Suspended   *outbox.SuspendedError // why nothing is sent from the beginning; nil if it is
	// Recorded is called for each version that was delivered or received. It returns at once. It
	// may be nil.
	Recorded func(receipts.Entry)
	Logger   *slog.Logger
}

// notify hands the outbox's news on.
func (cfg Config) notify(st outbox.Status) {
	if cfg.OnStatus != nil {
		cfg.OnStatus(withPaths([]outbox.Status{st})[0])
	}
}

// Errors of names, beside those of s3backend. They say what the caller asked for,
// and hold for it alone.
var (
	ErrExist       = errors.New("name is taken")
	ErrNotEmpty    = errors.New("folder is not empty")
	ErrIsDir       = errors.New("is a folder")
	ErrNotDir      = errors.New("is no folder")
	ErrNameTooLong = errors.New("name is longer than S3 takes")
	ErrNotUTF8     = keyname.ErrNotUTF8
	ErrNotHere     = errors.New("nothing but the exchange's folders is kept here")
	ErrReadOnly    = errors.New("mounted read-only")
	ErrInvalid     = keyname.ErrInvalid
	ErrPrivate     = errors.New("what S3 has is not moved into a private directory")
)

// fresh is how old an answer may be that a file is opened by.
const fresh = time.Second

// Cache is one exchange. All methods may be called concurrently.
type Cache struct {
	cfg    Config
	log    *slog.Logger
	bucket Bucket

	// What is known, what is cached, and what is pending.
	names  *meta.Cache
	blocks *content.Cache
	out    *outbox.Outbox
	grants *grants.Policy
	sent   *ledger.Ledger

	// The parts of the view. None of them knows the Cache.
	paths    resolver
	attrs    *attrStore
	dirs     *dirAttrs
	removed  *removedDirs
	markers  *markers
	unlisted ledgerListings

	readahead  *readahead.Tracker
	deliveries *Deliveries
	replaced   *replacements
	outcomes   *outcomes
	recorded   recorder
	last       lastAnswers

	ending context.Context // ends with Close
	end    context.CancelFunc
	work   sync.WaitGroup

	// mu guards the fields below, and those of each File. Take it before the locks of the parts,
	// and before an outbox item's; it is never held across a request.
	mu         sync.Mutex
	nextID     uint64
	files      fileTable
	pending    map[*outbox.Item]*File
	exclusives exclusives
}

// New opens the cache, and the outbox in cfg.StateDir.
func New(b Bucket, cfg Config) (*Cache, error) {
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	c := &Cache{
		cfg: cfg, log: cfg.Logger, bucket: b, last: lastAnswers{cfg.StateDir,
			cfg.Logger}, recorded: cfg.Recorded,
		paths: resolver{bucket: b, folders: cfg.Folders, readOnly: cfg.ReadOnly},
		files: newFileTable(), pending: map[*outbox.Item]*File{},
		outcomes: newOutcomes(),
	}
	var err error
	if c.sent, err = ledger.Open(ledgerFile(cfg.StateDir)); err != nil {
		return nil, err
	}
	c.ending, c.end = context.WithCancel(context.Background())
	c.grants = grants.New(c.ending, grants.Config{Folders: cfg.Folders, ReadOnly: cfg.ReadOnly,
		Checker: cfg.Checker, Deleter: b, Logger: cfg.Logger, Last: c.last.rights()})
	c.replaced = &replacements{sent: c.sent, grants: c.grants}
	watched := c.grants.Watch(b, c.replaced.wasRead)
	c.blocks, err = content.New(watched, content.Config{Memory: cfg.Memory, Dir: cfg.CacheDir,
		DiskSize: cfg.CacheSize, Logger: cfg.Logger})
	if err != nil {
		c.end()
		return nil, err
	}
	c.names = meta.New(dropboxBucket{watched, c.grants, c.sent, &c.unlisted}, meta.Config{})
	c.attrs = &attrStore{sent: c.sent, names: c.names, grants: c.grants, log: c.log}
	c.dirs = &dirAttrs{store: c.attrs, begun: time.Now(), changed: map[string]time.Time{}}
	c.last.listings(c.names)
	c.readahead = readahead.New(c.names, content.MaxPrefetch, fresh)
	c.out, err = outbox.New(unconditionalBucket{watched, c.replaced}, events{c},
		outbox.Config{Dir: stageDir(cfg.StateDir), Conflicts: conflictsFile(cfg.StateDir),
			Size: cfg.StageSize, Who: cfg.Who, Shown: keyname.EscapeFull, Private: cfg.Private,
			OnStatus: cfg.notify, Annotations: cfg.Annotations,
			Suspended: cfg.Suspended, Logger: cfg.Logger})
	if err == nil {
		c.removed = &removedDirs{out: c.out, names: c.names, byPrefix: map[string]*removedDir{}}
		c.markers = newMarkers(c.out, c.names, c.grants, c.removed)
		c.deliveries = &Deliveries{
			out: c.out, names: c.names, sent: c.sent, grants: c.grants, replaced: c.replaced,
			unlisted: &c.unlisted, outcomes: c.outcomes, ending: c.ending,
		}
		err = c.recover()
	}
	if err != nil {
		c.end()
		c.names.Close()
		return nil, errors.Join(err, c.blocks.Close())
	}
	c.grants.Start()
	if len(c.out.Conflicts()) > 0 {
		c.work.Go(c.reviewConflicts)
	}
	return c, nil
}

// recover shows what an earlier process left pending, and goes on with it.
func (c *Cache) recover() error {
	items, err := c.out.Recover(func(o s3backend.Object) outbox.Base { return c.blocks.Open(o) })
	if err != nil {
		return err
	}
	c.removed.recover()
	c.mu.Lock()
	for _, it := range items {
		if it.IsFolder() {
			c.markers.recovered(it)
			continue
		}
		f := c.newFileLocked(it.Key())
		f.obj, f.item = it.Over(), it
		if base := it.Base(); base.Key == it.Key() || !c.out.Private(it.Key()) {
			c.attrs.keepMode(it, base)
		} // else S3 may have base still, as a file of its own: its mode is in the journal
		c.files.put(f)
		c.pending[it] = f
	}
	c.mu.Unlock()
	for _, it := range items {
		it.Resume()
	}
	c.out.Resume()
	return nil
}

// Close stops all work and waits for it. What is pending stays in the outbox.
func (c *Cache) Close() error {
	c.end()
	c.work.Wait()
	c.grants.Wait()
	c.out.Close()
	c.names.Close()
	c.KeepLast()
	c.dirs.keep()
	return errors.Join(c.blocks.Close(), c.sent.Close())
}

// Deliveries returns what this Cache has to deliver.
func (c *Cache) Deliveries() *Deliveries { return c.deliveries }

// KeepLast writes what was listed last, and what the policy granted, for a later process.
func (c *Cache) KeepLast() { c.last.keep(c.names, c.grants) }

// Syncs reports whether close and fsync wait until S3 has confirmed.
func (c *Cache) Syncs() bool { return c.cfg.Sync }
