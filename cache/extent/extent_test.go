package extent

import (
	"math/rand/v2"
	"testing"
)

// TestExtents compares random changes with a map of bytes.
func TestExtents(t *testing.T) {
	const size = 64
	rnd := rand.New(rand.NewPCG(1, 2))
	for range 300 {
		var s Set
		var want [size]bool
		for range 20 {
			a, b := rnd.Int64N(size+1), rnd.Int64N(size+1)
			a, b = min(a, b), max(a, b)
			if rnd.IntN(4) == 0 {
				s.Cut(a)
				clear(want[a:])
			} else {
				s.Add(a, b)
				for i := a; i < b; i++ {
					want[i] = true
				}
			}
			for i := 1; i < len(s); i++ {
				if s[i-1].End >= s[i].Off || s[i].Off >= s[i].End {
					t.Fatalf("%v is not sorted and apart", s)
				}
			}
			for i := range int64(size) {
				if s.Has(i, i+1) != want[i] {
					t.Fatalf("%v.Has(%d) = %v, want %v", s, i, !want[i], want[i])
				}
				end, in := s.Next(i, size)
				if in != want[i] || end <= i {
					t.Fatalf("%v.Next(%d) = %d, %v", s, i, end, in)
				}
				for j := i; j < end; j++ {
					if want[j] != in {
						t.Fatalf("%v.Next(%d) = %d, %v but byte %d differs", s, i, end, in, j)
					}
				}
			}
			missing := 0
			for _, g := range s.Gaps(0, size) {
				missing += int(g.End - g.Off)
			}
			for _, w := range want {
				if w {
					missing++
				}
			}
			if missing != size {
				t.Fatalf("%v.Gaps and its bytes make %d, want %d", s, missing, size)
			}
		}
	}
}
