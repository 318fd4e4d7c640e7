package content

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/s3share/s3share/s3backend"
)

// bucket is a Source of bytes that depend on key, ETag and offset alone.
type bucket struct {
	gets  atomic.Int64
	bytes atomic.Int64
	now   atomic.Int64 // requests under way
	most  atomic.Int64 // of them at a time
}

// noise is what the objects are cut out of; its length is no multiple of a block.
var noise = func() []byte {
	b := make([]byte, 3<<20+4099)
	r := rand.NewChaCha8([32]byte{7})
	r.Read(b)
	return b
}()

// place returns where in the noise the bytes of obj from off on begin.
func place(obj s3backend.Object, off int64) int64 {
	salt := int64(0)
	for _, c := range obj.Key + "\x00" + obj.ETag {
		salt = salt*31 + int64(c)
	}
	return (off + salt&0xfffff) % int64(len(noise))
}

// readObject fills p with the bytes of obj from off on.
func readObject(obj s3backend.Object, p []byte, off int64) {
	for at := place(obj, off); len(p) > 0; at = 0 {
		p = p[copy(p, noise[at:]):]
	}
}

// isObject reports whether p holds the bytes of obj from off on. It copies nothing, and
// bytes.Compare is not instrumented: under the race detector, tests of long reads take
// most of their time for looking at each byte.
func isObject(obj s3backend.Object, p []byte, off int64) bool {
	for at := place(obj, off); len(p) > 0; at = 0 {
		n := min(len(p), len(noise)-int(at))
		if order := bytes.Compare(p[:n], noise[at:int(at)+n]); order != 0 {
			return false
		}
		p = p[n:]
	}
	return true
}

func (b *bucket) Get(ctx context.Context, obj s3backend.Object,
	off, n int64) (io.ReadCloser, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if off < 0 || n <= 0 || off+n > obj.Size {
		return nil, fmt.Errorf("get %d+%d of %d bytes", off, n, obj.Size)
	}
	b.gets.Add(1)
	b.bytes.Add(n)
	for now := b.now.Add(1); ; {
		if most := b.most.Load(); now <= most || b.most.CompareAndSwap(most, now) {
			break
		}
	}
	return &body{b: b, obj: obj, off: off, end: off + n}, nil
}

type body struct {
	b        *bucket
	obj      s3backend.Object
	off, end int64
}

func (r *body) Read(p []byte) (int, error) {
	if r.off == r.end {
		return 0, io.EOF
	}
	p = p[:min(int64(len(p)), r.end-r.off)]
	readObject(r.obj, p, r.off)
	r.off += int64(len(p))
	return len(p), nil
}

func (r *body) Close() error {
	r.b.now.Add(-1)
	return nil
}

// source is a function as a Source.
type source func(ctx context.Context, obj s3backend.Object, off, n int64) (io.ReadCloser, error)

func (s source) Get(ctx context.Context, obj s3backend.Object,
	off, n int64) (io.ReadCloser, error) {
	return s(ctx, obj, off, n)
}

// readFunc is a function as a body.
type readFunc struct {
	io.ReadCloser
	read func(p []byte) (int, error)
}

func (r readFunc) Read(p []byte) (int, error) { return r.read(p) }

// failing passes n requests, then fails each.
func failing(src Source, n int64, err error) Source {
	var seen atomic.Int64
	return source(func(ctx context.Context, obj s3backend.Object,
		off, m int64) (io.ReadCloser, error) {
		if seen.Add(1) > n {
			return nil, err
		}
		return src.Get(ctx, obj, off, m)
	})
}

// flaky fails some requests, and cuts others off after some bytes.
func flaky(src Source, seed uint64) Source {
	var mu sync.Mutex
	r := rand.New(rand.NewPCG(seed, 1))
	return source(func(ctx context.Context, obj s3backend.Object,
		off, n int64) (io.ReadCloser, error) {
		mu.Lock()
		kind, cut := r.IntN(6), r.Int64N(n)
		mu.Unlock()
		if kind == 0 {
			return nil, errFlaky
		}
		b, err := src.Get(ctx, obj, off, n)
		if kind == 1 && err == nil {
			return limited(b, cut), nil
		}
		return b, err
	})
}

var errFlaky = errors.New("flaky")

// limited ends b after n bytes.
func limited(b io.ReadCloser, n int64) io.ReadCloser {
	return readFunc{b, io.LimitReader(b, n).Read}
}

// paced is a source with a latency, of whose bodies pace makes what is read.
func paced(src Source, latency time.Duration,
	pace func(context.Context, io.Reader) func([]byte) (int, error)) Source {
	return source(func(ctx context.Context, obj s3backend.Object,
		off, n int64) (io.ReadCloser, error) {
		if err := sleep(ctx, latency); err != nil {
			return nil, err
		}
		b, err := src.Get(ctx, obj, off, n)
		if err != nil {
			return nil, err
		}
		return readFunc{b, pace(ctx, b)}, nil
	})
}

// slow is a source with a latency and a rate for each request, in bytes a second.
func slow(src Source, latency time.Duration, rate int64) Source {
	return paced(src, latency, func(ctx context.Context, b io.Reader) func([]byte) (int, error) {
		return func(p []byte) (int, error) {
			m, err := b.Read(p)
			if e := sleep(ctx, time.Duration(int64(m)*int64(time.Second)/rate)); e != nil {
				return 0, e
			}
			return m, err
		}
	})
}

func sleep(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// gated is a source whose requests and bodies wait until the gate is closed.
func gated(src Source, gate <-chan struct{}) Source {
	return source(func(ctx context.Context, obj s3backend.Object,
		off, n int64) (io.ReadCloser, error) {
		select {
		case <-gate:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
		return src.Get(ctx, obj, off, n)
	})
}

func object(key string, size int64) s3backend.Object {
	return s3backend.Object{Key: key, Size: size, ETag: "etag of " + key}
}

func newCache(t testing.TB, src Source, cfg Config) *Cache {
	t.Helper()
	c, err := New(src, cfg)
	if err != nil {
		t.Fatalf("New: %v", err)
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	return c
}

// shorter returns n, or a quarter of it under -short: the race detector looks at each byte.
func shorter(n int64) int64 {
	if testing.Short() {
		return n / 4
	}
	return n
}

// check reads n bytes at off and compares them with the true ones.
func check(t testing.TB, r *Reader, off, n int64) {
	t.Helper()
	if err := tryCheck(t.Context(), r, off, n); err != nil {
		t.Fatal(err)
	}
}

func tryCheck(ctx context.Context, r *Reader, off, n int64) error {
	p := make([]byte, n)
	got, err := r.ReadAt(ctx, p, off)
	obj := r.v.obj
	want := int(max(0, min(n, obj.Size-off)))
	if err == io.EOF && int64(got) < n {
		err = nil
	}
	if err != nil {
		return fmt.Errorf("ReadAt(%q, %d, %d) = %d, %w", obj.Key, n, off, got, err)
	}
	if got != want {
		return fmt.Errorf("ReadAt(%q, %d, %d) = %d bytes, want %d", obj.Key, n, off, got, want)
	}
	if !isObject(obj, p[:got], off) {
		return fmt.Errorf("ReadAt(%q, %d, %d): wrong bytes", obj.Key, n, off)
	}
	return nil
}

// checkAll reads all of r's object in steps of n bytes.
func checkAll(t testing.TB, r *Reader, n int64) {
	t.Helper()
	for off := int64(0); off < r.v.obj.Size; off += n {
		check(t, r, off, n)
	}
}
