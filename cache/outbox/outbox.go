// Package outbox keeps what is not in S3 yet: written files, new directories and removals, until
// S3 has confirmed each.
//
// An [Item] is one file that was written here: staged bytes over the version that they change
// (package stage), and a journal (package journal). While a program writes a new file, complete
// parts of it (package parts) are sent already, to a multipart upload (package multipart). When the
// last writer has released the item and nobody has touched it for the settle time, it is committed:
// by one PutObject, or by completing its multipart upload, on the condition that S3 still holds the
// version that it replaces. If S3 does not, the other party's version stays, and the item becomes a
// conflict copy. All uploads share a limit of the bytes in flight (package uplink).
//
// The life of a byte: Item.WriteAt stages and journals it. A multipart upload or commitAttempt.send
// reads it from the stage into a request. Events.Delivered hands the staged file on, to become
// cached content.
//
// An Item consists of its content, its target and its schedule. The content is the staged bytes
// ([stage.Stage]), what the journal has of them (sealing, itemLog), whether they are all that their
// writers meant (integrity), the copying of the base (materializing), and what is sent while they
// are written (uploading). The target is the object that the item is to become: its entry and its
// commits. The schedule is whether and when it is delivered. A commitAttempt delivers it.
//
// Locks are taken in this order: sealing.changing, schedule.mu, uploading.mu, those of the target,
// of integrity and of materializing, removals.logMu, removals.mu, Outbox.mu, that of the stage,
// itemLog.mu, that of the staged file. None is held across a request.
//
// Files are named for the steps of an item: create, write, seal, schedule, upload, deliver,
// commit, reconcile, rename, move, remove, drop. What an earlier process left is replayed and
// recovered.
package outbox

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/s3share/s3share/cache/outbox/journal"
	"github.com/s3share/s3share/cache/outbox/multipart"
	"github.com/s3share/s3share/cache/outbox/parts"
	"github.com/s3share/s3share/cache/outbox/stage"
	"github.com/s3share/s3share/cache/outbox/uplink"
	"github.com/s3share/s3share/cache/privatedir"
	"github.com/s3share/s3share/cache/privatename"
	"github.com/s3share/s3share/s3backend"
)

// Bucket is what the outbox asks of a bucket; *s3backend.Client implements it.
type Bucket interface {
	List(ctx context.Context, in s3backend.ListInput) (s3backend.Page, error)
	Head(ctx context.Context, key string) (s3backend.Object, error)
	Put(ctx context.Context, key string, body io.ReadSeeker, size int64, h *s3backend.Header,
		cond s3backend.Condition) (s3backend.Object, error)
	CreateUpload(ctx context.Context, key string, h *s3backend.Header) (s3backend.Upload, error)
	UploadPart(ctx context.Context, up s3backend.Upload, num int32, body io.ReadSeeker,
		size int64) (s3backend.Part, error)
	CopyPart(ctx context.Context, up s3backend.Upload, num int32, src s3backend.Object, off,
		size int64) (s3backend.Part, error)
	Complete(ctx context.Context, up s3backend.Upload, parts []s3backend.Part, size int64,
		cond s3backend.Condition) (s3backend.Object, error)
	Abort(ctx context.Context, up s3backend.Upload) error
	Copy(ctx context.Context, src s3backend.Object, key string, h *s3backend.Header,
		cond s3backend.Condition) (s3backend.Object, error)
	Delete(ctx context.Context, key string, cond s3backend.Condition) error
	DeleteAll(ctx context.Context, objs []s3backend.Object) (map[string]error, error)
	RemovesVersions() bool
}

// Events is implemented by the cache, which shows what becomes of pending files. Its methods are
// called without any lock of the outbox held, one after another for each item.
type Events interface {
	// Confirmed is called when S3 holds the item's content as obj, before the journal ends: what
	// a later process has to know of obj is written down now. If this process is killed before
	// it calls Delivered, the later one calls Confirmed again.
	Confirmed(it *Item, obj s3backend.Object)
	// Delivered is called when the item's journal has ended. path is a local file with
	// exactly these bytes, which the callee may take by a rename, or "" if there is none; see
	// Item.Bytes.
	Delivered(it *Item, obj s3backend.Object, path string)
	// Committed is called when S3 holds obj, of an item that is still written.
	Committed(it *Item, obj s3backend.Object)
	// Conflicted is called when the item's key holds the other party's version. Ours becomes a
	// conflict copy at the key conflict.
	Conflicted(it *Item, conflict string)
	// Removed is called when the key is deleted from S3, or with the reason why it is not.
	Removed(key string, err error)
	// Moved is called when S3 holds a copy of old as obj, in a rename that an earlier process
	// had begun, before it removes old.
	Moved(old, obj s3backend.Object)
	// Forgotten is called when no removal is pending at the key any more: it was carried
	// out or refused, or something else has taken the name.
	Forgotten(key string)
}

// Config bounds an Outbox. Dir is required.
type Config struct {
	Dir       string                // for staged files; made with mode 0700
	Conflicts string                // the file that keeps the list of conflict copies; "" for none
	Settle    time.Duration         // quiet time before a closed file is committed
	Requests  int                   // maximum number of requests in flight, small ones not counted
	Workers   int                   // small files being committed at once, and as many large ones
	Size      int64                 // most bytes staged; 0: what the disk has
	MinFree   int64                 // bytes that stay free on Dir's disk
	Who       string                // names us in the name of a conflict copy
	Private   *privatename.Patterns // names that are not sent; nil for the built-in list
	// Shown is the name under which an element of a key is shown; nil where it is itself.
	Shown    func(elem string) string
	OnStatus func(Status) // called with what a person should know; see Outbox.notify
	// Annotations are those of the objects in the bucket; nil if none are kept.
	Annotations Annotations
	// Suspended is why nothing is sent from the beginning; nil if it is. See Outbox.Suspend.
	Suspended *SuspendedError
	Logger    *slog.Logger
}

const (
	defaultSettle   = 250 * time.Millisecond
	defaultRequests = 32
	defaultWorkers  = 64
)

// Outbox owns all items, and every goroutine that delivers them.
type Outbox struct {
	// Admission answers whether anything may be sent now.
	Admission *Admission

	bucket Bucket
	events Events
	cfg    Config
	log    *slog.Logger

	ctx    context.Context
	cancel context.CancelFunc
	work   sync.WaitGroup

	uplink    *uplink.Limiter
	uploads   *multipart.Service
	single    *queue // settled files, and folders, that are one request
	multipart *queue // settled files that go by parts
	removals  *removals
	boots     boots
	journals  journalDir
	quota     quota

	copiesNoParts atomic.Bool // the server does not take UploadPartCopy
	unkept        sync.Map    // what was logged of annotations that cannot be kept
	onResume      []func()    // renames that wait for Resume

	conflicts     *conflictList
	conflictNames conflictNames
	notRemoved    notRemoved
	ambiguous     ambiguousIndex
	waiters       waiters
	unreadables   unreadables

	// mu guards the fields below. It is taken after an Item's.
	mu       sync.Mutex
	items    map[*Item]struct{}
	openBase func(s3backend.Object) Base // as given to Recover
	moving   map[string]Status           // renames that Recover goes on with, by the old key
}

// New opens the outbox in cfg.Dir.
func New(bucket Bucket, events Events, cfg Config) (*Outbox, error) {
	if cfg.Settle == 0 {
		cfg.Settle = defaultSettle
	}
	if cfg.Requests == 0 {
		cfg.Requests = defaultRequests
	}
	if cfg.Workers == 0 {
		cfg.Workers = defaultWorkers
	}
	if cfg.Private == nil {
		cfg.Private, _ = privatename.New(nil)
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	dir, err := privatedir.OpenOrCreate(cfg.Dir)
	if err != nil {
		return nil, fmt.Errorf("cannot keep an outbox: %w", err)
	}
	defer dir.Close()
	syncMade(cfg.Dir, cfg.Logger)
	slots, err := stage.OpenSlots(cfg.Dir)
	if err != nil {
		return nil, fmt.Errorf("cannot keep an outbox: %w", err)
	}
	o := &Outbox{
		bucket: bucket, events: events, cfg: cfg, log: cfg.Logger,
		boots:  bootsOf(cfg.Dir),
		uplink: uplink.New(cfg.Requests),
		journals: journalDir{path: cfg.Dir, log: cfg.Logger, slots: slots,
			recycler: journal.NewRecycler(cfg.Dir), syncerWake: make(chan struct{}, 1)},
		items:         map[*Item]struct{}{},
		moving:        map[string]Status{},
		conflictNames: conflictNames{cfg.Who, cfg.Private, cfg.Shown},
		ambiguous:     ambiguousIndex{items: map[string][]*Item{}},
		waiters:       newWaiters(),
	}
	o.quota.dir, o.quota.max, o.quota.minFree = cfg.Dir, cfg.Size, cfg.MinFree
	o.Admission = newAdmission(cfg, o.notify)
	o.conflicts = &conflictList{path: cfg.Conflicts, notify: o.notify, log: o.log}
	o.ctx, o.cancel = context.WithCancel(context.Background())
	o.uploads = &multipart.Service{
		Context: o.ctx, Bucket: bucket, Limiter: o.uplink, Log: o.log, Go: o.work.Go,
		Await: o.Admission.wait, Suspended: o.Admission.Suspension,
		LargePartsFit: func() bool {
			return o.uplink.FitsWithin(parts.FirstGrowth*parts.Size, cfg.Settle)
		},
		IsPermanent: isPermanent,
	}
	o.removals = newRemovals(o)
	o.single, o.multipart = newQueue(o, cfg.Workers), newQueue(o, cfg.Workers)
	o.work.Go(o.syncLoop)
	return o, nil
}

// Close cancels what is in flight and waits for it. Staged files stay, and are synced.
func (o *Outbox) Close() {
	o.cancel()
	o.work.Wait()
	o.syncIdle(0)
	o.journals.close()
	if owes, err := Owes(o.cfg.Dir); err == nil && !owes {
		os.Remove(o.boots.path)
	}
}

func (o *Outbox) add(it *Item) {
	o.mu.Lock()
	o.items[it] = struct{}{}
	o.mu.Unlock()
}

func (o *Outbox) forget(it *Item) {
	o.mu.Lock()
	delete(o.items, it)
	o.mu.Unlock()
	o.waiters.wake()
}

// baseOpener returns the function that was given to Recover; nil before.
func (o *Outbox) baseOpener() func(s3backend.Object) Base {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.openBase
}

// Items returns all pending files and directory markers, in no order.
func (o *Outbox) Items() []*Item {
	o.mu.Lock()
	defer o.mu.Unlock()
	items := make([]*Item, 0, len(o.items))
	for it := range o.items {
		items = append(items, it)
	}
	return items
}

// Private reports whether what has this key never leaves the outbox.
func (o *Outbox) Private(key string) bool { return o.cfg.Private.Key(key) }

// Base reads the version that an item lies over.
type Base = stage.Base
