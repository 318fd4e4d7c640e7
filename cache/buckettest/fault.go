package buckettest

import (
	"context"
	"errors"
	"io"
	"strings"
	"sync/atomic"
	"time"

	"github.com/s3share/s3share/s3backend"
)

// Around is asked at each request: it calls send, or does not, and returns what
// the caller is told.
type Around func(ctx context.Context, op, key string, send func() error) error

// Wrap puts a fault around a bucket.
func Wrap(b S3, around Around) S3 { return &faulty{b, around} }

// A Rule has something happen to the requests that it matches.
type Rule struct {
	Op    string // of this kind; "" for all
	Key   string // whose key begins with this
	Skip  int64  // so many that match pass first
	Times int64  // it happens to so many; 0 for all
	Do    Around // what happens: [FailWith], [DelayBy], [LoseAnswer], [Repeat] or another
}

// Faults puts rules around a bucket. The first one that matches a request is the only
// one.
func Faults(b S3, rules ...Rule) S3 {
	met := make([]atomic.Int64, len(rules))
	return Wrap(b, func(ctx context.Context, op, key string, send func() error) error {
		for i, r := range rules {
			if r.Op != "" && r.Op != op || !strings.HasPrefix(key, r.Key) {
				continue
			}
			if n := met[i].Add(1) - r.Skip; n > 0 && (r.Times == 0 || n <= r.Times) {
				return r.Do(ctx, op, key, send)
			}
		}
		return send()
	})
}

// FailWith answers in the place of S3, which sees nothing.
func FailWith(err error) Around {
	return func(context.Context, string, string, func() error) error { return err }
}

// DelayBy holds a request on its way to S3.
func DelayBy(d time.Duration) Around {
	return func(ctx context.Context, op, key string, send func() error) error {
		t := time.NewTimer(d)
		defer t.Stop()
		select {
		case <-t.C:
			return send()
		case <-ctx.Done():
			return canceled(ctx, op, key)
		}
	}
}

// LoseAnswer has a request take effect, and its answer lost on the way.
func LoseAnswer(_ context.Context, op, key string, send func() error) error {
	if err := send(); err != nil {
		return err
	}
	return &s3backend.Error{Op: op, Key: key, Kind: s3backend.Other, Err: io.ErrUnexpectedEOF}
}

// Repeat has a request take effect, and sends it again, as a client does that lost the
// first answer: what the second one says is not to be trusted.
func Repeat(_ context.Context, _, _ string, send func() error) error {
	if err := send(); err != nil {
		return err
	}
	err := send()
	var e *s3backend.Error
	if errors.As(err, &e) {
		e.Lost = true
	}
	return err
}

// seemStale has a request take effect and answers that its condition failed.
func seemStale(_ context.Context, op, key string, send func() error) error {
	if err := send(); err != nil {
		return err
	}
	return &s3backend.Error{Op: op, Key: key, Kind: s3backend.Stale,
		Err: errors.New("PreconditionFailed"), Lost: true}
}

// nth has something happen to the nth request of this kind, from 1.
func nth(b S3, op string, n int64, do Around) S3 {
	return Faults(b, Rule{Op: op, Skip: n - 1, Times: 1, Do: do})
}

// Fail fails the nth request of this kind, from 1, before S3 sees it.
func Fail(b S3, op string, n int64, err error) S3 { return nth(b, op, n, FailWith(err)) }

// LoseReply has the nth request of this kind, from 1, take effect, and its answer
// lost on the way.
func LoseReply(b S3, op string, n int64) S3 { return nth(b, op, n, LoseAnswer) }

// SeemStale has the nth request of this kind take effect and answers that its
// condition failed, as a client's own second attempt sees it.
func SeemStale(b S3, op string, n int64) S3 { return nth(b, op, n, seemStale) }

// Deny refuses requests of this kind as a policy does, for keys with this prefix.
func Deny(b S3, op, prefix string) S3 {
	return Wrap(b, func(_ context.Context, o, key string, send func() error) error {
		if o == op && strings.HasPrefix(key, prefix) {
			return refuse(op, key, s3backend.Denied, "AccessDenied")
		}
		return send()
	})
}

// DenyDelete is a policy without s3:DeleteObject.
func DenyDelete(b S3) S3 { return Deny(Deny(Deny(b, Delete, ""), DeleteAll, ""), MayDelete, "") }

// Answer fails each request of this kind, "" for all, while err returns one.
func Answer(b S3, op string, err func() error) S3 {
	return Wrap(b, func(_ context.Context, o, key string, send func() error) error {
		if o == op || op == "" {
			if err := err(); err != nil {
				return &s3backend.Error{Op: o, Key: key, Kind: kindOf(err), Err: err}
			}
		}
		return send()
	})
}

func kindOf(err error) s3backend.Kind {
	k, _ := err.(s3backend.Kind)
	return k
}

// Busy has the first n requests throttled.
func Busy(b S3, op string, n int64) S3 {
	var left atomic.Int64
	left.Store(n)
	return Answer(b, op, func() error {
		if left.Add(-1) >= 0 {
			return s3backend.Busy
		}
		return nil
	})
}

// Holder keeps requests of one kind from reaching S3 until it lets them go.
type Holder struct {
	Entered chan string // the key of each request that is held
	release chan struct{}
}

// Hold holds requests of this kind, as a slow network does.
func Hold(b S3, op string) (S3, *Holder) {
	h := &Holder{Entered: make(chan string, 1000), release: make(chan struct{})}
	return Wrap(b, func(ctx context.Context, o, key string, send func() error) error {
		if o != op {
			return send()
		}
		h.Entered <- key
		select {
		case <-h.release:
			return send()
		case <-ctx.Done():
			return canceled(ctx, op, key)
		}
	}), h
}

// Release lets all requests go, and those that come.
func (h *Holder) Release() { close(h.release) }

type faulty struct {
	S3
	around Around
}

// through sends one request with an answer.
func through[T any](f *faulty, ctx context.Context, op, key string,
	send func() (T, error)) (T, error) {
	var out T
	err := f.around(ctx, op, key, func() (err error) {
		out, err = send()
		return err
	})
	if err != nil {
		var none T
		return none, err
	}
	return out, nil
}

// rewinder returns what lets a body be sent once more.
func rewinder(body io.Seeker) func() {
	start, _ := body.Seek(0, io.SeekCurrent)
	return func() { _, _ = body.Seek(start, io.SeekStart) }
}

func (f *faulty) List(ctx context.Context, in s3backend.ListInput) (s3backend.Page, error) {
	return through(f, ctx, List, in.Prefix,
		func() (s3backend.Page, error) { return f.S3.List(ctx, in) })
}

func (f *faulty) Head(ctx context.Context, key string) (s3backend.Object, error) {
	return through(f,
		ctx, Head, key, func() (s3backend.Object, error) { return f.S3.Head(ctx, key) })
}

func (f *faulty) Get(ctx context.Context, obj s3backend.Object,
	off, n int64) (io.ReadCloser, error) {
	return through(f, ctx, Get, obj.Key,
		func() (io.ReadCloser, error) { return f.S3.Get(ctx, obj, off, n) })
}

func (f *faulty) Put(ctx context.Context, key string, body io.ReadSeeker, size int64,
	h *s3backend.Header, cond s3backend.Condition) (s3backend.Object, error) {
	rewind := rewinder(body)
	return through(f, ctx, Put, key, func() (s3backend.Object, error) {
		rewind()
		return f.S3.Put(ctx, key, body, size, h, cond)
	})
}

func (f *faulty) CreateUpload(ctx context.Context, key string,
	h *s3backend.Header) (s3backend.Upload, error) {
	return through(f, ctx, CreateUpload,
		key, func() (s3backend.Upload, error) { return f.S3.CreateUpload(ctx, key, h) })
}

func (f *faulty) UploadPart(ctx context.Context, up s3backend.Upload, num int32, body io.ReadSeeker,
	size int64) (s3backend.Part, error) {
	rewind := rewinder(body)
	return through(f, ctx, UploadPart, up.Key, func() (s3backend.Part, error) {
		rewind()
		return f.S3.UploadPart(ctx, up, num, body, size)
	})
}

func (f *faulty) CopyPart(ctx context.Context, up s3backend.Upload, num int32, src s3backend.Object,
	off, size int64) (s3backend.Part, error) {
	return through(f, ctx, CopyPart, up.Key,
		func() (s3backend.Part, error) { return f.S3.CopyPart(ctx, up, num, src, off, size) })
}

func (f *faulty) Complete(ctx context.Context, up s3backend.Upload, parts []s3backend.Part,
	size int64, cond s3backend.Condition) (s3backend.Object, error) {
	return through(f, ctx, Complete, up.Key,
		func() (s3backend.Object, error) { return f.S3.Complete(ctx, up, parts, size, cond) })
}

func (f *faulty) Abort(ctx context.Context, up s3backend.Upload) error {
	return f.around(ctx, Abort, up.Key, func() error { return f.S3.Abort(ctx, up) })
}

func (f *faulty) Copy(ctx context.Context, src s3backend.Object, key string, h *s3backend.Header,
	cond s3backend.Condition) (s3backend.Object, error) {
	return through(f, ctx,
		Copy, key, func() (s3backend.Object, error) { return f.S3.Copy(ctx, src, key, h, cond) })
}

func (f *faulty) Delete(ctx context.Context, key string, cond s3backend.Condition) error {
	return f.around(ctx, Delete, key, func() error { return f.S3.Delete(ctx, key, cond) })
}

func (f *faulty) DeleteAll(ctx context.Context, objs []s3backend.Object) (map[string]error, error) {
	return through(f, ctx, DeleteAll, objs[0].Key,
		func() (map[string]error, error) { return f.S3.DeleteAll(ctx, objs) })
}

func (f *faulty) MayDelete(ctx context.Context, prefix string) error {
	return f.around(ctx, MayDelete, prefix, func() error { return f.S3.MayDelete(ctx, prefix) })
}
