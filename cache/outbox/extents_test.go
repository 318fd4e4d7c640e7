package outbox

import (
	"math/rand/v2"
	"testing"
)

// TestExtents compares random changes with a map of bytes.
func TestExtents(t *testing.T) {
	const size = 64
	rnd := rand.New(rand.NewPCG(1, 2))
	for range 300 {
		var s extents
		var want [size]bool
		for range 20 {
			a, b := rnd.Int64N(size+1), rnd.Int64N(size+1)
			a, b = min(a, b), max(a, b)
			if rnd.IntN(4) == 0 {
				s.cut(a)
				clear(want[a:])
			} else {
				s.add(a, b)
				for i := a; i < b; i++ {
					want[i] = true
				}
			}
			for i := 1; i < len(s); i++ {
				if s[i-1].end >= s[i].off || s[i].off >= s[i].end {
					t.Fatalf("%v is not sorted and apart", s)
				}
			}
			for i := range int64(size) {
				if s.has(i, i+1) != want[i] {
					t.Fatalf("%v.has(%d) = %v, want %v", s, i, !want[i], want[i])
				}
				end, in := s.next(i, size)
				if in != want[i] || end <= i {
					t.Fatalf("%v.next(%d) = %d, %v", s, i, end, in)
				}
				for j := i; j < end; j++ {
					if want[j] != in {
						t.Fatalf("%v.next(%d) = %d, %v but byte %d differs", s, i, end, in, j)
					}
				}
			}
			missing := 0
			for _, g := range s.gaps(0, size) {
				missing += int(g.end - g.off)
			}
			for _, w := range want {
				if w {
					missing++
				}
			}
			if missing != size {
				t.Fatalf("%v.gaps and its bytes make %d, want %d", s, missing, size)
			}
		}
	}
}
