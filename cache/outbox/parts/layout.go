package parts

import "slices"

// A Layout divides a file whose size is not known yet into parts that grow: [FirstTier] parts
// of the first size, then [PerTier] of [FirstGrowth] times that, then [PerTier] of eight times
// that, and so on up to S3's largest part. It restarts with parts of the first size where
// large ones would take too long, and at the end of a file. The journal holds it: a change of
// the division needs another version. The zero Layout is none.
type Layout struct {
	Version  int     // of the division: byThousands or growing
	First    int64   // the size of the first parts, in bytes; 0: there is no layout
	Restarts []int32 // the numbers of the parts with which it restarts, ascending
}

const (
	// byThousands is the division of journals without a version: a thousand parts of the
	// first size, a thousand of eight times that, and so on.
	byThousands = 0
	growing     = 1

	// FirstTier is how many parts have the first size.
	FirstTier = 16
	// FirstGrowth is how many times larger the parts behind the first tier are.
	FirstGrowth = 2
	// PerTier is how many parts have the same size behind the first tier.
	PerTier    = 1000
	tierGrowth = 8
)

// LayoutFor returns the layout with the smallest parts that holds size bytes.
func LayoutFor(size int64) Layout {
	l := Layout{Version: growing, First: Size}
	for l.First < MaxSize && !l.Holds(size) {
		l.First = min(2*l.First, MaxSize)
	}
	return l
}

// IsZero reports whether there is no layout.
func (l Layout) IsZero() bool { return l.First == 0 }

// Part returns the numth part, from 1, of a file without an end.
func (l Layout) Part(num int32) Part {
	var off int64
	from := int32(1)
	for _, n := range l.Restarts {
		if n > num {
			break
		}
		p := l.partFromStart(n - from)
		off, from = off+p.Off, n
	}
	p := l.partFromStart(num - from)
	return Part{Num: num, Off: off + p.Off, N: p.N}
}

// partFromStart returns the part behind n others, of a layout without restarts.
func (l Layout) partFromStart(n int32) Part {
	many, growth := int64(FirstTier), int64(FirstGrowth)
	if l.Version == byThousands {
		many, growth = PerTier, tierGrowth
	}
	var off int64
	size, left := l.First, int64(n)
	for left >= many && size < MaxSize {
		off += many * size
		left -= many
		size = min(size*growth, MaxSize)
		many, growth = PerTier, tierGrowth
	}
	return Part{Off: off + left*size, N: size}
}

// Restart lets the layout restart with part num, which is behind all earlier restarts, and
// reports whether that makes the part smaller; otherwise it changes nothing.
func (l *Layout) Restart(num int32) bool {
	if l.Part(num).N <= l.First {
		return false
	}
	l.Restarts = append(slices.Clip(l.Restarts), num)
	return true
}

// Holds reports whether S3's largest number of parts of this layout holds size bytes.
func (l Layout) Holds(size int64) bool {
	last := l.Part(MaxCount)
	return last.Off+last.N >= size
}

// Plan returns the parts of a file of size bytes.
func (l Layout) Plan(size int64) []Part {
	var parts []Part
	for num := int32(1); ; num++ {
		p := l.Part(num)
		if p.Off >= size && num > 1 {
			return parts
		}
		p.N = min(p.N, size-p.Off)
		parts = append(parts, p)
	}
}
