package outbox

import (
	"context"
	"encoding/base64"
	"encoding/binary"
	"hash/crc32"
	"io"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/s3share/s3share/cache/buckettest"
	"github.com/s3share/s3share/s3backend"
)

func TestLayoutGrows(t *testing.T) {
	if n := len(layoutFor(0).plan(1 << 30)); n > 48 {
		t.Errorf("1 GiB goes in %d parts", n)
	}
	if p := (layout{first: PartSize}).part(1000); p.n != PartSize || p.off != 999*PartSize {
		t.Errorf("in the layout that earlier versions journaled, part 1000 is %+v", p)
	}
	rnd := rand.New(rand.NewPCG(5, 6))
	for range 200 {
		l := layoutFor(0)
		for num := range int32(5) {
			l.beginAnew(num*500 + rnd.Int32N(500) + 1)
		}
		size := rnd.Int64N(1 << 40)
		checkParts(t, l.plan(size), size)
	}
}

// sinking takes parts of which it keeps the sums alone.
type sinking struct {
	buckettest.S3
	mu    sync.Mutex
	parts map[int32]s3backend.Part // as they came last
	sent  []int32
	crc   uint32 // of what was completed
}

func (s *sinking) UploadPart(_ context.Context, _ s3backend.Upload, num int32, body io.ReadSeeker, size int64) (s3backend.Part, error) {
	h := crc32.NewIEEE()
	n, err := io.Copy(h, body)
	if err == nil && n != size {
		err = io.ErrUnexpectedEOF
	}
	p := s3backend.Part{Number: num, ETag: "e", Size: size, CRC32: base64.StdEncoding.EncodeToString(binary.BigEndian.AppendUint32(nil, h.Sum32()))}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.parts[num] = p
	s.sent = append(s.sent, num)
	return p, err
}

func (s *sinking) Complete(_ context.Context, up s3backend.Upload, parts []s3backend.Part, size int64, _ s3backend.Condition) (s3backend.Object, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, p := range parts {
		if p.Number != int32(i+1) || s.parts[p.Number] != p {
			return s3backend.Object{}, s3backend.Other
		}
		sum, _ := base64.StdEncoding.DecodeString(p.CRC32)
		s.crc = joined(s.crc, binary.BigEndian.Uint32(sum), p.Size)
	}
	return s3backend.Object{Key: up.Key, ETag: "e", Size: size}, nil
}

// news returns the numbers and sizes of what came since it was asked last.
func (s *sinking) news() (nums []int32, sizes []int64) {
	synctest.Wait()
	s.mu.Lock()
	defer s.mu.Unlock()
	nums, s.sent = s.sent, nil
	slices.Sort(nums)
	for _, n := range nums {
		sizes = append(sizes, s.parts[n].Size)
	}
	return nums, sizes
}

// seems has requests have taken so many nanoseconds for a byte.
func (l *line) seems(each float64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.each = each
}

// TestTheEndOfALargeFile: what is written last goes up in small parts at once, though
// parts have grown; a later process, and who writes the file again, goes on with them.
func TestTheEndOfALargeFile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &sinking{S3: buckettest.New(), parts: map[int32]s3backend.Part{}}
		fault := func(buckettest.S3) buckettest.S3 { return s }
		r := newRig(t, buckettest.New(), t.TempDir(), Config{}, fault)
		r.recover()
		it := r.create("Delivery/large", nil)
		piece, crc, size := random(1, PartSize), uint32(0), int64(0)
		write := func(n int64) {
			for n += size; size < n; size += min(PartSize, n-size) {
				p := piece[:min(PartSize, n-size)]
				r.write(it, p, size)
				crc = crc32.Update(crc, crc32.IEEETable, p)
			}
			synctest.Wait()
		}
		const grown = firstParts * PartSize
		r.line.seems(1e-9)
		write(grown + 5*PartSize)
		if nums, _ := s.news(); len(nums) != firstParts+2 {
			t.Errorf("parts %v went up while the file was open, want two of those that are larger", nums)
		}
		write(100)
		r.done(it)
		if nums, sizes := s.news(); !slices.Equal(nums, []int32{19, 20}) || !slices.Equal(sizes, []int64{PartSize, 100}) {
			t.Errorf("after the close parts %v of %v bytes went up", nums, sizes)
		}
		r.hold(it)
		write(PartSize)
		if nums, sizes := s.news(); !slices.Equal(nums, []int32{20}) || sizes[0] != PartSize {
			t.Errorf("when it was written again parts %v of %v bytes went up", nums, sizes)
		}
		if err := it.Seal(); err != nil {
			t.Fatal(err)
		}

		dir := t.TempDir()
		copyDir(t, r.dir, dir)
		r.Close()
		r = newRig(t, r.b, dir, Config{}, fault)
		defer r.Close()
		r.resume()
		r.drain()
		if nums, sizes := s.news(); !slices.Equal(nums, []int32{21}) || sizes[0] != 100 {
			t.Errorf("a later process sent parts %v of %v bytes", nums, sizes)
		}
		if s.crc != crc {
			t.Error("S3 has other bytes than were written")
		}
	})
}

// TestPartsStaySmallOnASlowLine: large ones would take longer than a file settles.
func TestPartsStaySmallOnASlowLine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &sinking{S3: buckettest.New(), parts: map[int32]s3backend.Part{}}
		r := newRig(t, buckettest.New(), t.TempDir(), Config{}, func(buckettest.S3) buckettest.S3 { return s })
		defer r.Close()
		r.recover()
		it := r.create("Delivery/large", nil)
		for n := range int64(2*firstParts + 2) {
			r.line.seems(float64(time.Second) / PartSize)
			r.write(it, make([]byte, PartSize), n*PartSize)
		}
		r.done(it)
		r.drain()
		for n, p := range s.parts {
			if p.Size > PartSize {
				t.Errorf("part %d has %d bytes", n, p.Size)
			}
		}
	})
}

// TestPartsOfAnotherPlan recovers a journal of an earlier version that tells of a part
// with other bounds: it goes up again.
func TestPartsOfAnotherPlan(t *testing.T) {
	recoverable(t, nil, func(r *rig) {
		data := random(1, 2*PartSize+1)
		it := r.create("Delivery/a", data)
		synctest.Wait()
		other, err := r.b.CreateUpload(r.Context(), "Delivery/a", nil)
		if err != nil {
			r.Fatal(err)
		}
		done := []record{{Op: opUpload, Key: other.Key, Upload: other.ID, Layout: PartSize}}
		for _, p := range []part{{num: 1, n: PartSize}, {num: 2, off: PartSize, n: PartSize / 2}} {
			got, err := r.b.UploadPart(r.Context(), other, p.num, it.stage.body(p.off, p.n, nil), p.n)
			if err != nil {
				r.Fatal(err)
			}
			done = append(done, record{Op: opPart, Upload: other.ID, Part: &p, S3: &got})
		}
		if err := it.note(done...); err != nil {
			r.Fatal(err)
		}
		r.done(it)
		r = r.again()
		defer r.Close()
		before := r.b.Count(buckettest.UploadPart)
		r.resume()
		r.drain()
		r.wantHolds("Delivery/a", data)
		if n := r.b.Count(buckettest.UploadPart) - before; n != 2 {
			t.Errorf("%d parts went up, want the one with other bounds and the last", n)
		}
	})
}
