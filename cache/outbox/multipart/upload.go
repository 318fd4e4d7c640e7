package multipart

import (
	"context"
	"io"
	"log/slog"
	"sync"
	"sync/atomic"

	"github.com/s3share/s3share/cache/outbox/journal"
	"github.com/s3share/s3share/cache/outbox/parts"
	"github.com/s3share/s3share/cache/outbox/uplink"
	"github.com/s3share/s3share/s3backend"
)

// Bucket is what uploads ask of a bucket; *s3backend.Client implements it.
type Bucket interface {
	s3backend.Finder
	CreateUpload(ctx context.Context, key string, h *s3backend.Header) (s3backend.Upload, error)
	UploadPart(ctx context.Context, up s3backend.Upload, num int32, body io.ReadSeeker,
		size int64) (s3backend.Part, error)
	CopyPart(ctx context.Context, up s3backend.Upload, num int32, src s3backend.Object, off,
		size int64) (s3backend.Part, error)
	Complete(ctx context.Context, up s3backend.Upload, parts []s3backend.Part, size int64,
		cond s3backend.Condition) (s3backend.Object, error)
	Abort(ctx context.Context, up s3backend.Upload) error
}

// Limiter limits the requests of all uploads together; *uplink.Limiter implements it.
type Limiter interface {
	Acquire(ctx context.Context, owner any, n int64) (*uplink.Ticket, error)
	Max() int
}

// Service is what all uploads of an outbox have in common.
type Service struct {
	// Context ends the requests that are made before a commit.
	Context context.Context
	Bucket  Bucket
	Limiter Limiter
	Log     *slog.Logger
	// Go runs a function in a goroutine that the outbox waits for.
	Go func(func())
	// Await returns when requests may be sent. It may be long if S3 throttles.
	Await func(context.Context) error
	// Suspended returns why no request may begin now, nil if it may.
	Suspended func() error
	// LargePartsFit reports whether parts larger than the first arrive while a file settles: then
	// smaller ones would not deliver it sooner.
	LargePartsFit func() bool
	// IsPermanent reports whether a failed request fails again until a person changes something.
	IsPermanent func(error) bool
}

// File is what an upload sends.
type File struct {
	Owner    Owner
	Content  Content
	Base     s3backend.Object // parts are copied from this version; no ETag for none
	Progress *uplink.Progress // identifies the file to the limiter too
}

// Owner is the pending file that an upload sends. Its methods may be called by several goroutines
// at once.
type Owner interface {
	Key() string
	// Header returns the header of the object.
	Header(ctx context.Context) (*s3backend.Header, error)
	// Materialize makes [off, end) of the content available without the base.
	Materialize(ctx context.Context, off, end int64) error
	// Note appends to the journal.
	Note(recs ...journal.Record) error
	// NotCreated is called if the upload of a file that is still written was not created.
	NotCreated(err error)
	// Refused is called if S3 has refused a part of a file that is still written, and has refused
	// it again.
	Refused(err error)
	// PartSent is called after a part of this upload was sent before the commit: others may be
	// complete.
	PartSent(up *Upload)
}

// Content is the staged content of a file; *stage.Stage implements it.
type Content interface {
	Open() error
	Close()
	Body(off, n int64, t *uplink.Ticket) io.ReadSeeker
	Changes() uint64
	ChangedSince(off, end int64, seq uint64) bool
	Has(off, end int64) bool
	HasAny(off, end int64) bool
	CanCopy(list []parts.Part) bool
	CRC32(off, n int64) (string, error)
}

// Upload is a multipart upload, and the parts that S3 has.
type Upload struct {
	s *Service
	f File

	once   sync.Once // guards the next three, which create sets
	remote s3backend.Upload
	header *s3backend.Header
	err    error

	// list are the parts as planned for an edit, which has no layout, and planned is the number of
	// changes of the content that they were planned for. Only commits use them.
	list    []parts.Part
	planned uint64

	ctx       context.Context // of the parts that are sent early; ends with Cancel
	cancel    context.CancelFunc
	partCut   atomic.Bool // a request for a part was canceled
	resending atomic.Bool // a refused part is being sent again

	// mu guards the fields below.
	mu        sync.Mutex
	layout    parts.Layout
	noted     bool // the journal has the layout
	sealed    bool // the file is closed: its last part can be sent
	done      map[int32]sentPart
	next      int32 // the first part that was not begun to be sent early
	inFlight  int   // parts that are sent early
	closed    bool  // the commit has taken over: no more parts are sent early
	recovered bool  // done is from an earlier process, and not verified yet
	idle      chan struct{}
}

// sentPart is a part that S3 has, as it was when the content had changed seq times.
type sentPart struct {
	parts.Part
	seq uint64
	s3  s3backend.Part
}

func newUpload(s *Service, f File, l parts.Layout) *Upload {
	up := &Upload{s: s, f: f, layout: l, done: map[int32]sentPart{}, next: 1,
		idle: make(chan struct{})}
	up.ctx, up.cancel = context.WithCancel(s.Context)
	return up
}

// New returns an upload of a file that is still being written, and has size bytes as yet. It is
// created at S3 with its first part.
func New(s *Service, f File, size int64) *Upload {
	return newUpload(s, f, parts.LayoutFor(size))
}

// Edit is how an edited file is divided, so that S3 copies what has not changed.
type Edit struct {
	Parts []parts.Part
	Seq   uint64 // Content.Changes when they were planned
}

// Create returns an upload for the commit of a file of size bytes, created at S3, and the parts
// that it has to have. edit is nil if all bytes are sent. If there is an error, the upload has to
// be aborted too.
func Create(ctx context.Context, s *Service, f File, key string, h *s3backend.Header, size int64,
	edit *Edit) (*Upload, []parts.Part, error) {
	up := newUpload(s, f, parts.Layout{})
	var list []parts.Part
	if edit != nil {
		up.list, up.planned = edit.Parts, edit.Seq
		list = edit.Parts
	} else {
		up.layout = parts.LayoutFor(size)
		if !s.LargePartsFit() {
			up.useSmallParts(size)
		}
		list = up.layout.Plan(size)
	}
	up.once.Do(func() { up.err = up.create(ctx, key, h) })
	if up.err != nil {
		return up, nil, up.err
	}
	up.closed = true // it is the commit's
	close(up.idle)
	return up, list, nil
}

// create creates the upload at S3.
func (up *Upload) create(ctx context.Context, key string, h *s3backend.Header) error {
	remote, err := up.s.Bucket.CreateUpload(ctx, key, h)
	if err != nil {
		return err
	}
	up.remote, up.header = remote, h
	return up.f.Owner.Note(up.Record())
}

// Remote returns the upload as S3 knows it; without an ID if it was not created.
func (up *Upload) Remote() s3backend.Upload { return up.remote }

// Header returns the header with which the upload was created. It is the object's.
func (up *Upload) Header() *s3backend.Header {
	if up == nil {
		return nil
	}
	return up.header
}

// Record returns the journal's record of an upload that was created.
func (up *Upload) Record() journal.Record {
	up.mu.Lock()
	defer up.mu.Unlock()
	up.noted = true
	l := up.layout
	return journal.Record{Op: journal.OpUpload, Key: up.remote.Key, Upload: up.remote.ID,
		Abort: up.remote.AbortDate, CRC: up.remote.CRC32, Header: (*journal.RawHeader)(up.header),
		Layout: l.First, LayoutVersion: l.Version, Restarts: l.Restarts, Parts: up.list}
}

// noteLayout journals the layout of an upload that was created, if it has changed.
func (up *Upload) noteLayout() {
	if up.isNoted() {
		return
	}
	if err := up.f.Owner.Note(up.Record()); err != nil {
		up.s.Log.Debug("some parts will be sent again by a later process", "key", up.remote.Key,
			"err", err)
	}
}

// isNoted reports whether the journal has the layout.
func (up *Upload) isNoted() bool {
	up.mu.Lock()
	defer up.mu.Unlock()
	return up.noted
}

// part returns what S3 has of a part; false for nothing.
func (up *Upload) part(num int32) (sentPart, bool) {
	up.mu.Lock()
	defer up.mu.Unlock()
	d, ok := up.done[num]
	return d, ok
}

// add records that S3 has a part.
func (up *Upload) add(p sentPart) {
	up.mu.Lock()
	defer up.mu.Unlock()
	up.done[p.Num] = p
}
