package cache

import (
	"context"
	"errors"
	"io"
	"sync"
	"time"

	"github.com/s3share/s3share/cache/grants"
	"github.com/s3share/s3share/cache/keyname"
	"github.com/s3share/s3share/cache/ledger"
	"github.com/s3share/s3share/cache/outbox"
	"github.com/s3share/s3share/s3backend"
)

// unconditionalBucket is a bucket in which a version can also be replaced where the policy lets us
// put and not get. AWS then refuses If-Match, which it does not If-None-Match. So a
// version is replaced without a condition if this outbox put it last, and a listing,
// right before, still shows its ETag. Between the two requests another change would go
// unseen. Any other version is the other party's: the error is Stale and
// [outbox.ErrUnread], by which ours becomes a conflict copy.
// Source: S3 User Guide, "Add preconditions to S3 operations with conditional requests".
type unconditionalBucket struct {
	outbox.Bucket
	replaced *replacements
}

// replacements is what unconditionalBucket remembers.
type replacements struct {
	sent   *ledger.Ledger
	grants *grants.Policy

	mu      sync.Mutex
	put     map[string]string        // ETags by key: what this process put last
	refused map[replaceKind]unreadAs // where If-Match was refused for want of get
}

// replaceKind is a folder, and whether the version was put by us: its ACL may let us
// read it where the policy does not.
type replaceKind struct {
	folder string
	ours   bool
}

// unreadAs is why If-Match was refused, and when.
type unreadAs struct {
	err error
	at  time.Time
}

const (
	// unreadFor is how long it is remembered that If-Match is refused in a folder.
	unreadFor = time.Hour
	// putKept is how many keys are remembered of what was put.
	putKept = 10_000
)

// Put replaces, or makes, a small object.
func (b unconditionalBucket) Put(ctx context.Context, key string, body io.ReadSeeker,
	size int64, h *s3backend.Header, cond s3backend.Condition) (obj s3backend.Object, err error) {
	start, err := body.Seek(0, io.SeekCurrent)
	if err != nil {
		return obj, err
	}
	err = b.replace(ctx, "PutObject", key, cond, func(cond s3backend.Condition) error {
		if _, err := body.Seek(start, io.SeekStart); err != nil {
			return err
		}
		obj, err = b.Bucket.Put(ctx, key, body, size, h, cond)
		return err
	})
	b.replaced.note(key, obj, err)
	return obj, err
}

// Complete replaces, or makes, an object by parts.
func (b unconditionalBucket) Complete(ctx context.Context, up s3backend.Upload,
	parts []s3backend.Part,
	size int64, cond s3backend.Condition) (obj s3backend.Object, err error) {
	err = b.replace(ctx, "CompleteMultipartUpload", up.Key, cond,
		func(cond s3backend.Condition) error {
			obj, err = b.Bucket.Complete(ctx, up, parts, size, cond)
			return err
		})
	b.replaced.note(up.Key, obj, err)
	return obj, err
}

// Copy replaces, or makes, an object by what another holds.
func (b unconditionalBucket) Copy(ctx context.Context, src s3backend.Object, key string,
	h *s3backend.Header, cond s3backend.Condition) (obj s3backend.Object, err error) {
	switch {
	case src.Key == key && b.unread(key) != nil: // who may not read it cannot copy it
		return obj, b.unread(key)
	case src.Key == key:
		obj, err = b.Bucket.Copy(ctx, src, key, h, cond)
	default:
		err = b.replace(ctx, "CopyObject", key, cond, func(cond s3backend.Condition) error {
			obj, err = b.Bucket.Copy(ctx, src, key, h, cond)
			return err
		})
	}
	b.replaced.note(key, obj, err)
	return obj, err
}

// Head asks, unless it is known that what is there may not be read.
func (b unconditionalBucket) Head(ctx context.Context, key string) (s3backend.Object, error) {
	if err := b.unread(key); err != nil {
		return s3backend.Object{}, err
	}
	return b.Bucket.Head(ctx, key)
}

// unread is why what the key holds may not be read, nil where that is not known.
func (b unconditionalBucket) unread(key string) error {
	if err := b.replaced.refusal(replaceKind{keyname.Folder(key), true}); err != nil ||
		b.replaced.mayBeOurs(key) {
		return err
	}
	return b.replaced.refusal(replaceKind{keyname.Folder(key), false})
}

// replace sends a request with its condition, or, where that is refused for want of
// get, without one.
func (b unconditionalBucket) replace(ctx context.Context, op, key string, cond s3backend.Condition,
	send func(s3backend.Condition) error) error {
	if cond.IfMatch == "" {
		return send(cond)
	}
	kind := replaceKind{keyname.Folder(key), b.replaced.putLast(key, cond.IfMatch)}
	why := b.replaced.refusal(kind)
	if why == nil {
		err := send(cond)
		if !errors.Is(err, s3backend.Denied) {
			return err
		}
		if _, herr := b.Head(ctx, key); !errors.Is(herr, s3backend.Denied) {
			return err // it may be read: the put itself is refused
		}
		why = err
		b.replaced.refuse(kind, err)
	}
	if kind.ours {
		obj, err := s3backend.ListExact(ctx, b, key)
		if err != nil && !errors.Is(err, s3backend.Denied) && !errors.Is(err, s3backend.NotExist) {
			return err
		}
		if err == nil && obj.ETag == cond.IfMatch {
			return send(s3backend.Condition{})
		}
	}
	return &s3backend.Error{Op: op, Key: key, Kind: s3backend.Stale,
		Err: errors.Join(outbox.ErrUnread, why)}
}

// putLast reports whether this outbox put the version: as this process or the ledger
// remembers.
func (r *replacements) putLast(key, etag string) bool {
	r.mu.Lock()
	last, ok := r.put[key]
	r.mu.Unlock()
	if ok {
		return last == etag
	}
	e, ok := r.sent.Get(key, etag)
	return ok && !e.Sent.IsZero()
}

// mayBeOurs reports whether the key may hold a version that this outbox put.
func (r *replacements) mayBeOurs(key string) bool {
	r.mu.Lock()
	_, ok := r.put[key]
	r.mu.Unlock()
	return ok || r.sent.HasSent(key)
}

// note remembers what was put, or that it is not known.
func (r *replacements) note(key string, obj s3backend.Object, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err != nil || obj.ETag == "" {
		delete(r.put, key)
		return
	}
	if r.put == nil || len(r.put) >= putKept {
		r.put = map[string]string{}
	}
	r.put[key] = obj.ETag
}

// refuse remembers that If-Match is refused.
func (r *replacements) refuse(kind replaceKind, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.refused == nil {
		r.refused = map[replaceKind]unreadAs{}
	}
	r.refused[kind] = unreadAs{err, time.Now()}
}

// refusal is why If-Match was refused lately, nil if it was not.
func (r *replacements) refusal(kind replaceKind) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if was := r.refused[kind]; time.Since(was.at) < unreadFor {
		return was.err
	}
	return nil
}

// forget forgets where If-Match was refused: a person says that things have changed.
func (r *replacements) forget() {
	r.mu.Lock()
	defer r.mu.Unlock()
	clear(r.refused)
}

// wasRead forgets what is known of a folder in which nothing may be read, for a version
// was.
func (r *replacements) wasRead(key, etag string) {
	folder := keyname.Folder(key)
	r.mu.Lock()
	none := len(r.refused) == 0
	r.mu.Unlock()
	if none && !r.grants.ReadDenied(folder) {
		return
	}
	kind := replaceKind{folder, r.putLast(key, etag)}
	if !kind.ours {
		r.grants.RecordRead(folder)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.refused, kind)
}
