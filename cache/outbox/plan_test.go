package outbox

import (
	"math/rand/v2"
	"testing"

	"github.com/s3share/s3share/cache/extent"
)

func TestLayoutHoldsTheLargestObject(t *testing.T) {
	const largest = 10_000 * maxPart // 48.8 TiB
	for _, size := range []int64{1, PartSize, PartSize + 1, 1 << 30, 50 << 30, 1 << 40, 30 << 40, largest} {
		l := layoutFor(size)
		parts := l.plan(size)
		checkParts(t, parts, size)
		if size <= 1<<40 && l.first != PartSize {
			t.Errorf("layoutFor(%d) begins with parts of %d, want %d", size, l.first, PartSize)
		}
	}
}

// checkParts fails unless parts make a file of this size that S3 accepts.
func checkParts(t *testing.T, parts []part, size int64) {
	t.Helper()
	off := int64(0)
	for i, p := range parts {
		switch {
		case p.num != int32(i+1), p.off != off:
			t.Fatalf("part %d is %+v, want it at %d", i+1, p, off)
		case p.n > maxPart, p.n < minPart && i != len(parts)-1, p.n <= 0:
			t.Fatalf("part %+v of %d has a size S3 refuses", p, len(parts))
		}
		off += p.n
	}
	if off != size || len(parts) > int(maxParts) {
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
		parts := planEdit(c.size, c.baseValid, c.dirty)
		checkParts(t, parts, c.size)
		var up, copies int64
		for _, p := range parts {
			if p.copied {
				copies++
			} else {
				up += p.n
			}
		}
		if up > c.up || copies != c.copies {
			t.Errorf("%s: %d bytes go up in a plan with %d copies, want %d and %d", c.name, up, copies, c.up, c.copies)
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
		parts := planEdit(size, baseValid, dirty)
		if parts == nil {
			continue
		}
		checkParts(t, parts, size)
		for _, p := range parts {
			if p.copied && (p.off+p.n > baseValid || len(dirty.Gaps(p.off, p.off+p.n)) != 1 || dirty.Has(p.off, p.off+1)) {
				t.Fatalf("size %d, base %d, dirty %v: part %+v is not all in the base", size, baseValid, dirty, p)
			}
		}
	}
}
