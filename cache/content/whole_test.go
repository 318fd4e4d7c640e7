package content

import (
	"testing"

	"pgregory.net/rapid"
)

// TestWholeIsNeverSaidOfLess reads pieces of an object in any order: it was read whole only if
// each byte was, and it is if the pieces were few.
func TestWholeIsNeverSaidOfLess(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		const size = 200
		var w wholeRead
		var read [size]bool
		n := rapid.IntRange(0, 150).Draw(t, "reads")
		for range n {
			off := rapid.IntRange(0, size-1).Draw(t, "off")
			end := min(off+rapid.IntRange(1, 40).Draw(t, "length"), size)
			w.add(int64(off), int64(end))
			for i := off; i < end; i++ {
				read[i] = true
			}
		}
		all := true
		for _, r := range read {
			all = all && r
		}
		if got := w.pieces.Has(0, size); got && !all || !got && all && n <= maxPieces {
			t.Fatalf("it was read whole: %t, and it is said to be: %t", all, got)
		}
	})
}
