package multipart

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"math/rand/v2"
	"path/filepath"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/s3share/s3share/cache/buckettest"
	"github.com/s3share/s3share/cache/outbox/journal"
	"github.com/s3share/s3share/cache/outbox/parts"
	"github.com/s3share/s3share/cache/outbox/stage"
	"github.com/s3share/s3share/cache/outbox/uplink"
	"github.com/s3share/s3share/s3backend"
)

const key = "Delivery/big"

// pending is a file that is being written, with the upload that sends it.
type pending struct {
	*testing.T
	b       *buckettest.Bucket
	s       *Service
	content *stage.Stage
	up      *Upload

	mu      sync.Mutex
	recs    []journal.Record
	refused error
}

func (p *pending) Key() string { return key }

func (p *pending) Header(context.Context) (*s3backend.Header, error) {
	return &s3backend.Header{}, nil
}

func (p *pending) Materialize(ctx context.Context, off, end int64) error {
	return p.content.Materialize(ctx, off, end)
}

func (p *pending) Note(recs ...journal.Record) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.recs = append(p.recs, recs...)
	return nil
}

func (p *pending) NotCreated(err error) { p.Refused(err) }
func (p *pending) PartSent(up *Upload)  { up.SendReady(p.content.Size()) }

func (p *pending) Refused(err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.refused = err
}

// newPending begins a file, and its upload to a bucket of which fault, if not nil, answers some
// requests.
func newPending(t *testing.T, fault func(buckettest.S3) buckettest.S3) *pending {
	t.Helper()
	none := stage.Owner{Reserve: func(int64) error { return nil }}
	content, err := stage.New(filepath.Join(t.TempDir(), "f"), nil, nil, 0, none)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(content.Close)
	p := &pending{T: t, b: buckettest.New(), content: content}
	var bucket buckettest.S3 = p.b
	if fault != nil {
		bucket = fault(bucket)
	}
	p.s = &Service{
		Context: t.Context(), Bucket: bucket, Limiter: uplink.New(4),
		Log: slog.New(slog.DiscardHandler), Go: func(f func()) { go f() },
		Await:         func(context.Context) error { return nil },
		Suspended:     func() error { return nil },
		LargePartsFit: func() bool { return false },
		IsPermanent:   func(err error) bool { return errors.Is(err, s3backend.Denied) },
	}
	p.up = New(p.s, p.file(), 0)
	return p
}

func (p *pending) file() File {
	return File{Owner: p, Content: p.content, Progress: new(uplink.Progress)}
}

// write writes n random bytes at off, as a program does.
func (p *pending) write(rnd *rand.Rand, off, n int64) {
	p.Helper()
	data := make([]byte, n)
	for i := 0; i < len(data); i += 512 {
		data[i] = byte(rnd.Uint32())
	}
	if _, err := p.content.WriteAt(data, off, nil); err != nil {
		p.Fatal(err)
	}
	p.up.SendReady(off + n)
}

// commit completes the upload, and checks that the object is the content.
func (p *pending) commit() {
	p.Helper()
	ctx, size := p.Context(), p.content.Size()
	list, ok, err := p.up.TakeOver(ctx, size)
	if err != nil {
		p.Fatal(err)
	}
	if !ok {
		if p.up, list, err = Create(ctx, p.s, p.file(), key, nil, size, nil); err != nil {
			p.Fatal(err)
		}
	}
	sent, err := p.up.SendMissing(ctx, list)
	if err != nil {
		p.Fatal(err)
	}
	etag := p.up.ETag(size)
	obj, err := p.up.Complete(ctx, sent, size, s3backend.Condition{})
	if err != nil {
		p.Fatal(err)
	}
	if obj.ETag != etag {
		p.Errorf("the object's ETag is %s, and ETag says %s", obj.ETag, etag)
	}
	want := make([]byte, size)
	if _, err := p.content.ReadAt(ctx, want, 0); err != nil && err != io.EOF {
		p.Fatal(err)
	}
	if got, _ := p.b.Data(key); string(got) != string(want) {
		p.Errorf("the object has %d bytes that are not the %d of the file", len(got), size)
	}
}

// TestObjectIsTheLastContent writes files in any order, closes and opens them, and goes on in
// another process: the object has the bytes that the file had last, and what was sent and not
// changed since is not sent again.
func TestObjectIsTheLastContent(t *testing.T) {
	for seed := range uint64(2) {
		synctest.Test(t, func(t *testing.T) {
			rnd := rand.New(rand.NewPCG(seed, 2))
			p := newPending(t, nil)
			for range 8 {
				size := p.content.Size()
				switch k := rnd.IntN(10); {
				case k < 6:
					p.write(rnd, size, rnd.Int64N(parts.Size))
				case k < 8 && size > 0:
					p.write(rnd, rnd.Int64N(size), 1+rnd.Int64N(1<<20))
				case k < 9:
					p.up.Seal()
					p.up.SendReady(size)
					synctest.Wait()
					p.up.Resume()
				default:
					synctest.Wait()
					var st *State
					for _, r := range p.recs {
						st = st.Apply(r)
					}
					if st != nil {
						p.up = Restore(p.s, p.file(), st)
					}
				}
			}
			synctest.Wait()
			p.commit()
		})
	}
}

// TestPartsAreSentOnce writes a file from its beginning to its end: each part is sent while the
// file is written, but for the last.
func TestPartsAreSentOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rnd, p := rand.New(rand.NewPCG(1, 1)), newPending(t, nil)
		for off := int64(0); off < 3*parts.Size; off += 1 << 20 {
			p.write(rnd, off, 1<<20)
		}
		p.write(rnd, 3*parts.Size, 5)
		synctest.Wait()
		if n := p.b.Count(buckettest.UploadPart); n != 3 {
			t.Errorf("%d parts were sent while the file was written, want 3", n)
		}
		p.commit()
		if n := p.b.Count(buckettest.UploadPart); n != 4 {
			t.Errorf("%d parts were sent in all, want 4", n)
		}
	})
}

// TestRefusedTwiceIsToldToTheOwner: one refusal alone may be of a server that still applies an old
// policy.
func TestRefusedTwiceIsToldToTheOwner(t *testing.T) {
	for _, times := range []int{1, 2} {
		synctest.Test(t, func(t *testing.T) {
			n := 0
			p := newPending(t, func(b buckettest.S3) buckettest.S3 {
				return buckettest.Answer(b, buckettest.UploadPart, func() error {
					if n++; n <= times {
						return s3backend.Denied
					}
					return nil
				})
			})
			p.write(rand.New(rand.NewPCG(1, 1)), 0, parts.Size)
			synctest.Wait()
			if got := p.refused != nil; got != (times == 2) {
				t.Errorf("refused %d times: the owner got %v", times, p.refused)
			}
		})
	}
}
