package outbox

import (
	"context"
	"encoding/base64"
	"encoding/binary"
	"hash/crc32"
	"io"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/s3share/s3share/cache/buckettest"
	"github.com/s3share/s3share/cache/outbox/journal"
	"github.com/s3share/s3share/cache/outbox/parts"
	"github.com/s3share/s3share/cache/outbox/stage"
	"github.com/s3share/s3share/s3backend"
)

// sinking takes parts of which it keeps the sums alone.
type sinking struct {
	buckettest.S3
	mu    sync.Mutex
	parts map[int32]s3backend.Part // as they came last
	sent  []int32
	crc   uint32 // of what was completed
}

func (s *sinking) UploadPart(_ context.Context, _ s3backend.Upload, num int32, body io.ReadSeeker,
	size int64) (s3backend.Part, error) {
	h := crc32.NewIEEE()
	n, err := io.Copy(h, body)
	if err == nil && n != size {
		err = io.ErrUnexpectedEOF
	}
	p := s3backend.Part{Number: num, ETag: "e", Size: size,
		CRC32: base64.StdEncoding.EncodeToString(binary.BigEndian.AppendUint32(nil, h.Sum32()))}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.parts[num] = p
	s.sent = append(s.sent, num)
	return p, err
}

func (s *sinking) Complete(_ context.Context, up s3backend.Upload, parts []s3backend.Part,
	size int64, _ s3backend.Condition) (s3backend.Object, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, p := range parts {
		if p.Number != int32(i+1) || s.parts[p.Number] != p {
			return s3backend.Object{}, s3backend.Other
		}
		sum, _ := base64.StdEncoding.DecodeString(p.CRC32)
		s.crc = stage.CombineCRC(s.crc, binary.BigEndian.Uint32(sum), p.Size)
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

// took has a request of the size of a part take d.
func (r *rig) took(d time.Duration) {
	r.Helper()
	ticket, err := r.uplink.Acquire(r.Context(), r, parts.Size)
	if err != nil {
		r.Fatal(err)
	}
	time.Sleep(d)
	ticket.Done(nil)
}

// TestPartsAreSmallAtTheEndOfALargeFile: what is written last goes up in small parts at once,
// though parts have grown; a later process, and who writes the file again, goes on with them.
func TestPartsAreSmallAtTheEndOfALargeFile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &sinking{S3: buckettest.New(), parts: map[int32]s3backend.Part{}}
		fault := func(buckettest.S3) buckettest.S3 { return s }
		r := newRig(t, buckettest.New(), t.TempDir(), Config{}, fault)
		r.recover()
		it := r.create("Delivery/large", nil)
		piece, crc, size := random(1, parts.Size), uint32(0), int64(0)
		write := func(n int64) {
			for n += size; size < n; size += min(parts.Size, n-size) {
				p := piece[:min(parts.Size, n-size)]
				r.write(it, p, size)
				crc = crc32.Update(crc, crc32.IEEETable, p)
			}
			synctest.Wait()
		}
		const grown = parts.FirstTier * parts.Size
		r.took(time.Millisecond)
		write(grown + 5*parts.Size)
		if nums, _ := s.news(); len(nums) != parts.FirstTier+2 {
			t.Errorf("parts %v went up while the file was open, want two of those that are larger",
				nums)
		}
		write(100)
		r.done(it)
		if nums, sizes := s.news(); !slices.Equal(nums, []int32{19, 20}) ||
			!slices.Equal(sizes, []int64{parts.Size, 100}) {
			t.Errorf("after the close parts %v of %v bytes went up", nums, sizes)
		}
		r.hold(it)
		write(parts.Size)
		if nums, sizes := s.news(); !slices.Equal(nums, []int32{20}) || sizes[0] != parts.Size {
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

// TestPartsStaySmallOnASlowConnection: large ones would take longer than a file settles.
func TestPartsStaySmallOnASlowConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &sinking{S3: buckettest.New(), parts: map[int32]s3backend.Part{}}
		r := newRig(t, buckettest.New(), t.TempDir(), Config{},
			func(buckettest.S3) buckettest.S3 { return s })
		defer r.Close()
		r.recover()
		it := r.create("Delivery/large", nil)
		for n := range int64(2*parts.FirstTier + 2) {
			r.took(4 * time.Second)
			r.write(it, make([]byte, parts.Size), n*parts.Size)
		}
		r.done(it)
		r.drain()
		for n, p := range s.parts {
			if p.Size > parts.Size {
				t.Errorf("part %d has %d bytes", n, p.Size)
			}
		}
	})
}

// TestPartsOfAnotherPlan recovers a journal of an earlier version that tells of a part
// with other bounds: it goes up again.
func TestPartsOfAnotherPlan(t *testing.T) {
	recoverable(t, nil, func(r *rig) {
		data := random(1, 2*parts.Size+1)
		it := r.create("Delivery/a", data)
		synctest.Wait()
		other, err := r.b.CreateUpload(r.Context(), "Delivery/a", nil)
		if err != nil {
			r.Fatal(err)
		}
		done := []journal.Record{{Op: journal.OpUpload, Key: other.Key,
			Upload: other.ID, Layout: parts.Size}}
		for _, p := range []parts.Part{{Num: 1, N: parts.Size},
			{Num: 2, Off: parts.Size, N: parts.Size / 2}} {
			got, err := r.b.UploadPart(r.Context(), other, p.Num,
				it.stage.Body(p.Off, p.N, nil), p.N)
			if err != nil {
				r.Fatal(err)
			}
			done = append(done,
				journal.Record{Op: journal.OpPart, Upload: other.ID, Part: &p, S3: &got})
		}
		if err := it.log.note(done...); err != nil {
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
