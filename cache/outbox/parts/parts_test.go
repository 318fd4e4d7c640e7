package parts

import (
	"math/rand/v2"
	"testing"

	"github.com/s3share/s3share/cache/extent"
)

func TestLayoutHoldsTheLargestObject(t *testing.T) {
	const largest = 10_000 * MaxSize // 48.8 TiB
	for _, size := range []int64{1, Size, Size + 1, 1 << 30, 50 << 30, 1 << 40, 30 << 40, largest} {
		l := LayoutFor(size)
		parts := l.Plan(size)
		checkParts(t, parts, size)
		if size <= 1<<40 && l.First != Size {
			t.Errorf("layoutFor(%d) begins with parts of %d, want %d", size, l.First, Size)
		}
	}
}

// checkParts fails unless parts make a file of this size that S3 accepts.
func checkParts(t *testing.T, parts []Part, size int64) {
	t.Helper()
	off := int64(0)
	for i, p := range parts {
		switch {
		case p.Num != int32(i+1), p.Off != off:
			t.Fatalf("part %d is %+v, want it at %d", i+1, p, off)
		case p.N > MaxSize, p.N < MinSize && i != len(parts)-1, p.N <= 0:
			t.Fatalf("part %+v of %d has a size S3 refuses", p, len(parts))
		}
		off += p.N
	}
	if off != size || len(parts) > int(MaxCount) {
		t.Fatalf("%d parts make %d bytes, want %d", len(parts), off, size)
	}
}

func TestPlanEditMovesOnlyWhatChanged(t *testing.T) {
	const mib = 1 << 20
	for _, c := range []struct {
		name            string
		size, baseValid int64
		dirty           extent.Set
		up, copies      int64 // bytes that go up at most; copy requests
	}{
		{"1 MiB in the middle", 256 * mib, 256 * mib, extent.Set{{Off: 100 * mib, End: 101 * mib}}, 5 * mib, 2},
		{"1 MiB appended", 257 * mib, 256 * mib, extent.Set{{Off: 256 * mib, End: 257 * mib}}, 1 * mib, 1},
		{"at the start", 256 * mib, 256 * mib, extent.Set{{Off: 0, End: 1}}, 5 * mib, 1},
		{"shortened", 100 * mib, 100 * mib, nil, 0, 1},
	} {
		parts := PlanEdit(c.size, c.baseValid, c.dirty)
		checkParts(t, parts, c.size)
		var up, copies int64
		for _, p := range parts {
			if p.Copied {
				copies++
			} else {
				up += p.N
			}
		}
		if up > c.up || copies != c.copies {
			t.Errorf("%s: %d bytes go up in a plan with %d copies, want %d and %d",
				c.name, up, copies, c.up, c.copies)
		}
	}
}

func TestPlanEditIsAlwaysAccepted(t *testing.T) {
	rnd := rand.New(rand.NewPCG(3, 4))
	for range 2000 {
		size := rnd.Int64N(200<<20) + 1
		baseValid := rnd.Int64N(size + 1)
		var dirty extent.Set
		for range rnd.IntN(6) {
			off := rnd.Int64N(size)
			dirty.Add(off, min(size, off+rnd.Int64N(20<<20)+1))
		}
		parts := PlanEdit(size, baseValid, dirty)
		if parts == nil {
			continue
		}
		checkParts(t, parts, size)
		for _, p := range parts {
			if p.Copied && (p.Off+p.N > baseValid || len(dirty.Gaps(p.Off, p.Off+p.N)) != 1 ||
				dirty.Has(p.Off, p.Off+1)) {
				t.Fatalf("size %d, base %d, dirty %v: part %+v is not all in the base",
					size, baseValid, dirty, p)
			}
		}
	}
}

func TestLayoutGrows(t *testing.T) {
	if n := len(LayoutFor(0).Plan(1 << 30)); n > 48 {
		t.Errorf("1 GiB goes in %d parts", n)
	}
	if p := (Layout{First: Size}).Part(1000); p.N != Size || p.Off != 999*Size {
		t.Errorf("in the layout that earlier versions journaled, part 1000 is %+v", p)
	}
	rnd := rand.New(rand.NewPCG(5, 6))
	for range 200 {
		l := LayoutFor(0)
		for num := range int32(5) {
			l.Restart(num*500 + rnd.Int32N(500) + 1)
		}
		size := rnd.Int64N(1 << 40)
		checkParts(t, l.Plan(size), size)
	}
}
