package content

import (
	"bytes"
	"math/rand/v2"
	"slices"
	"testing"
)

// viewOf returns a View of n bytes at off, which has the right ones.
func viewOf(t *testing.T, r *Reader, off, n int64) *View {
	t.Helper()
	v, err := r.View(t.Context(), off, n)
	if err != nil || v == nil {
		t.Fatalf("View(%d, %d) = %v, %v", off, n, v, err)
	}
	want := make([]byte, n)
	readObject(r.v.obj, want, off)
	if got := slices.Concat(v.Slices()...); !bytes.Equal(got, want) {
		t.Fatalf("View(%d, %d) has the wrong bytes", off, n)
	}
	return v
}

// TestSecondSmallReadOffersItsBlocks: of what is on the disk or in memory, each second small read
// of a block, or of two, offers all of their bytes, wherever they are.
func TestSecondSmallReadOffersItsBlocks(t *testing.T) {
	dir, obj := t.TempDir(), object("a", 20<<20+100)
	fillDisk(t, dir, obj)
	c := newCache(t, new(bucket), Config{Dir: dir})
	r := c.Open(obj)
	defer r.Close()
	for i := int64(0); i < r.v.count(); i += 3 {
		check(t, r, i*blockSize, blockSize) // into memory
	}
	r.read.scattered = true // as after many reads
	rnd := rand.New(rand.NewPCG(1, 2))
	last := r.v.count() - 1
	for _, i := range rnd.Perm(int(last/2 + 1)) {
		from := int64(2 * i)
		lowest, highest := from*blockSize, min((from+2)*blockSize, obj.Size)-4096
		if from == last {
			lowest, highest = from*blockSize-1, obj.Size-50 // its end, and some before it
		}
		for n := range 4 {
			off := lowest + rnd.Int64N(max(1, highest-lowest))
			size := min(4096, obj.Size-off)
			if from != last && n > 0 {
				off = (from+1)*blockSize - 1 - int64(n) // of both blocks
			}
			v := viewOf(t, r, off, size)
			at, around := v.Around()
			got := slices.Concat(around...)
			want := make([]byte, min(ceil(off+size), obj.Size)-off/blockSize*blockSize)
			readObject(obj, want, at)
			if offers := len(got) > 0; offers &&
				(at != off/blockSize*blockSize || !bytes.Equal(got, want)) {
				t.Errorf(
					"read %d of %d bytes at %d: %d bytes at %d are offered, not those of its blocks", n, size, off, len(got), at)
			} else if from != last && n > 0 && offers != (n == 2) {
				t.Errorf("read %d of %d bytes at %d: are its blocks offered: %t",
					n, size, off, offers)
			}
			v.Release()
		}
	}
}

// ceil returns the end of the block that ends at off or behind it.
func ceil(off int64) int64 { return (off + blockSize - 1) / blockSize * blockSize }

// TestBlocksAreNotOfferedBeforeAllIsRead: a program that reads all of an object page by page is
// seen to do so.
func TestBlocksAreNotOfferedBeforeAllIsRead(t *testing.T) {
	c := newCache(t, new(bucket), Config{})
	r := c.Open(object("a", 2<<20))
	defer r.Close()
	for round := range 2 {
		offers := 0
		for off := int64(0); off < 2<<20; off += 4096 {
			v := viewOf(t, r, off, 4096)
			if _, around := v.Around(); around != nil {
				offers++
			}
			v.Release()
		}
		if _, whole := r.Whole(); !whole || (offers > 0) != (round > 0) {
			t.Errorf("round %d: all was read: %t, and %d reads offered a block",
				round, whole, offers)
		}
	}
}

// TestReadsThatOfferNoBlocks: one large read after another, and small ones of what is missing,
// offer nothing, and fetch nothing for that.
func TestReadsThatOfferNoBlocks(t *testing.T) {
	src := new(bucket)
	c := newCache(t, src, Config{})
	r := c.Open(object("a", 64<<20))
	defer r.Close()
	for i := range int64(30) {
		v := viewOf(t, r, (i*37%60)<<20+100, 4096)
		if _, around := v.Around(); around != nil {
			t.Errorf("a read of what is missing, at block %d, offers %d bytes", (i*37%60)<<3,
				len(slices.Concat(around...)))
		}
		v.Release()
	}
	if got := src.bytes.Load(); got != 30*4096 {
		t.Errorf("%d bytes were fetched, want %d", got, 30*4096)
	}
	small := c.Open(object("b", 1<<20))
	defer small.Close()
	for _, at := range []*Reader{r, small} {
		for off := int64(0); off < 1<<20; off += 32 << 10 {
			v := viewOf(t, at, off, 32<<10)
			if _, around := v.Around(); around != nil {
				t.Errorf("a read of 32 KiB at %d offers more", off)
			}
			v.Release()
		}
	}
	for range 4 {
		v := viewOf(t, small, 5000, 100)
		if _, around := v.Around(); around != nil {
			t.Error("a read of a small object offers more")
		}
		v.Release()
	}
}
