// Package buckettest is a bucket in memory for tests, the suite that checks that it
// behaves as S3 does, and the faults that S3 can have.
//
// A [Bucket] checks conditions strictly and keeps an object's metadata. It logs each
// request that reaches it, so a test can check how many requests an operation makes.
// [Run] is one suite for it and for the client on a real server: both have to behave
// the same. A fault is a wrapper
// ([Wrap], [Fail], [LoseReply], [Hold] and the like) around either.
package buckettest

import (
	"context"
	"crypto/md5"
	"encoding/hex"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/s3share/s3share/s3backend"
)

// S3 is every request that the cache and its rooms make; *s3backend.Client with its Rights
// implements it as well.
type S3 interface {
	List(ctx context.Context, in s3backend.ListInput) (s3backend.Page, error)
	Head(ctx context.Context, key string) (s3backend.Object, error)
	Get(ctx context.Context, obj s3backend.Object, off, n int64) (io.ReadCloser, error)
	Put(ctx context.Context, key string, body io.ReadSeeker, size int64, h *s3backend.Header,
		cond s3backend.Condition) (s3backend.Object, error)
	CreateUpload(ctx context.Context, key string, h *s3backend.Header) (s3backend.Upload, error)
	UploadPart(ctx context.Context, up s3backend.Upload, num int32, body io.ReadSeeker,
		size int64) (s3backend.Part, error)
	CopyPart(ctx context.Context, up s3backend.Upload, num int32, src s3backend.Object,
		off, size int64) (s3backend.Part, error)
	Complete(ctx context.Context, up s3backend.Upload, parts []s3backend.Part, size int64,
		cond s3backend.Condition) (s3backend.Object, error)
	Abort(ctx context.Context, up s3backend.Upload) error
	Copy(ctx context.Context, src s3backend.Object, key string, h *s3backend.Header,
		cond s3backend.Condition) (s3backend.Object, error)
	Delete(ctx context.Context, key string, cond s3backend.Condition) error
	DeleteAll(ctx context.Context, objs []s3backend.Object) (map[string]error, error)
	RemovesVersions() bool
	MayDelete(ctx context.Context, prefix string) error
}

// Real is a bucket of a server.
type Real struct {
	*s3backend.Client
	s3backend.Rights
}

var (
	_ S3 = (*Bucket)(nil)
	_ S3 = Real{}
)

// The requests, by S3's own names, as they stand in the log.
const (
	List         = "ListObjectsV2"
	Head         = "HeadObject"
	Get          = "GetObject"
	Put          = "PutObject"
	CreateUpload = "CreateMultipartUpload"
	UploadPart   = "UploadPart"
	CopyPart     = "UploadPartCopy"
	Complete     = "CompleteMultipartUpload"
	Abort        = "AbortMultipartUpload"
	Copy         = "CopyObject"
	Delete       = "DeleteObject"
	DeleteAll    = "DeleteObjects"
	MayDelete    = "DeleteObject that cannot be carried out"
)

// Request is one request that the bucket has answered.
type Request struct {
	Op, Key string
	Part    int32 // of an upload
	Size    int64 // bytes that it moved, or had the server copy
	Keys    int   // of a DeleteObjects
	Err     error
}

// String is the request in short: "PutObject Delivery/a".
func (r Request) String() string {
	s := r.Op + " " + r.Key
	if r.Part > 0 {
		s += fmt.Sprintf(" part %d", r.Part)
	}
	if r.Err != nil {
		s += ": " + r.Err.Error()
	}
	return s
}

// object is one version, immutable.
type object struct {
	s3backend.Object
	data []byte
}

// Bucket is a bucket in memory. Its methods may be called concurrently; the
// fields are set before its use.
type Bucket struct {
	PageSize  int  // of a listing, S3's 1000 if zero
	Versioned bool // what is replaced or removed is kept: see Versions

	// mu guards the fields below.
	mu      sync.Mutex
	objects map[string]object
	keys    []string // of objects, sorted; nil after a change
	uploads map[string]*upload
	nextID  int
	log     []Request
	history map[string][]entry // by key, the oldest first
}

// New returns an empty bucket.
func New() *Bucket {
	return &Bucket{objects: map[string]object{}, uploads: map[string]*upload{},
		history: map[string][]entry{}}
}

// Clone returns a bucket that holds the same now, uploads under way included, with
// an empty log.
func (b *Bucket) Clone() *Bucket {
	b.mu.Lock()
	defer b.mu.Unlock()
	c := &Bucket{
		PageSize: b.PageSize, Versioned: b.Versioned, objects: maps.Clone(b.objects),
		uploads: map[string]*upload{}, nextID: b.nextID,
		history: map[string][]entry{},
	}
	for key, all := range b.history {
		c.history[key] = slices.Clone(all)
	}
	for id, u := range b.uploads {
		c.uploads[id] = &upload{u.key, u.header, maps.Clone(u.parts)}
	}
	return c
}

// doneLocked logs a request with its answer.
func (b *Bucket) doneLocked(r Request) { b.log = append(b.log, r) }

// Log lists the requests so far, in the order of their answers.
func (b *Bucket) Log() []Request {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.log)
}

// ForgetLog begins the log anew.
func (b *Bucket) ForgetLog() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.log = nil
}

// Count is how many requests of this kind were logged; "" is of all kinds.
func (b *Bucket) Count(op string) int {
	n := 0
	for _, r := range b.Log() {
		if op == "" || r.Op == op {
			n++
		}
	}
	return n
}

// Moved is how many bytes went up, by whatever request.
func (b *Bucket) Moved() (n int64) {
	for _, r := range b.Log() {
		if r.Err == nil && (r.Op == Put || r.Op == UploadPart) {
			n += r.Size
		}
	}
	return n
}

// Store makes data the object at key, as another party would: it is not logged.
func (b *Bucket) Store(key string, data []byte, h *s3backend.Header) s3backend.Object {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.storeLocked(key, clone(data), etagOf(data), h)
}

// Discard removes the object at key, as another party would.
func (b *Bucket) Discard(key string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.removeLocked(key)
}

// Data is what key holds; false for nothing.
func (b *Bucket) Data(key string) ([]byte, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	o, ok := b.objects[key]
	return o.data, ok
}

// Object is the version that key holds, its header included; without an ETag if none.
func (b *Bucket) Object(key string) s3backend.Object {
	b.mu.Lock()
	defer b.mu.Unlock()
	o := b.objects[key].Object
	o.Header = cloneHeader(o.Header)
	return o
}

// Keys lists all keys, sorted.
func (b *Bucket) Keys() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.sortedLocked())
}

// Uploads is how many multipart uploads are neither complete nor aborted.
func (b *Bucket) Uploads() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.uploads)
}

func (b *Bucket) sortedLocked() []string {
	if b.keys == nil {
		b.keys = slices.Sorted(maps.Keys(b.objects))
	}
	return b.keys
}

func (b *Bucket) storeLocked(key string, data []byte, etag string,
	h *s3backend.Header) s3backend.Object {
	o := object{data: data, Object: s3backend.Object{
		Key: key, Size: int64(len(data)), ETag: etag, Header: cloneHeader(h),
		Modified: time.Now().UTC().Truncate(time.Second), // as S3 tells it
	}}
	if o.Header == nil {
		o.Header = &s3backend.Header{ContentType: "binary/octet-stream"}
	}
	if _, ok := b.objects[key]; !ok {
		b.keys = nil
	}
	o.Version = b.keepLocked(key, o, false)
	b.objects[key] = o
	told := o.Object
	told.Header = nil
	return told
}

func etagOf(data []byte) string {
	sum := md5.Sum(data)
	return hex.EncodeToString(sum[:])
}

func cloneHeader(h *s3backend.Header) *s3backend.Header {
	if h == nil {
		return nil
	}
	c := *h
	c.User = make(map[string]string, len(h.User))
	for k, v := range h.User {
		c.User[strings.ToLower(k)] = v
	}
	return &c
}

// refuse is S3's answer of this kind and code.
func refuse(op, key string, kind s3backend.Kind, code string) error {
	return &s3backend.Error{Op: op, Key: key, Kind: kind, Err: fmt.Errorf("%s", code)}
}

// canceled tells that the caller is gone already.
func canceled(ctx context.Context, op, key string) error {
	if ctx.Err() == nil {
		return nil
	}
	return fmt.Errorf("%s %q: %w", op, key, ctx.Err())
}

// holdsLocked tests a condition on what key holds.
func (b *Bucket) holdsLocked(op, key string, cond s3backend.Condition) error {
	o, ok := b.objects[key]
	if cond.IfNoneMatch && ok || cond.IfMatch != "" && (!ok || o.ETag != cond.IfMatch) {
		return refuse(op, key, s3backend.Stale, "PreconditionFailed")
	}
	return nil
}
