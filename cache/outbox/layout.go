package outbox

import "slices"

// layout divides a file whose size is not known yet into parts that grow: firstParts
// of the first size, a thousand of twice that, a thousand of eight times that, and so
// on up to S3's largest part. It begins anew where large parts would take too long, and
// at the end of a file. It is journaled: what is changed here gets another version.
type layout struct {
	version int     // of this file: see the constants
	first   int64   // the size of the first parts; 0: there is no layout
	anew    []int32 // the parts with which it begins anew, ascending
}

const (
	// layoutOfThousands is the one without a version: a thousand parts of the first
	// size, a thousand of eight times that, and so on.
	layoutOfThousands = 0
	layoutThatGrows   = 1

	firstParts   = 16
	firstGrowth  = 2
	partsPerTier = 1000
	tierGrowth   = 8
)

// layoutFor returns the finest layout that holds size.
func layoutFor(size int64) layout {
	l := layout{version: layoutThatGrows, first: PartSize}
	for l.first < maxPart && !l.holds(size) {
		l.first = min(2*l.first, maxPart)
	}
	return l
}

func (l layout) none() bool { return l.first == 0 }

// part is the numth part, from 1, of a file without an end.
func (l layout) part(num int32) part {
	var off int64
	from := int32(1)
	for _, n := range l.anew {
		if n > num {
			break
		}
		p := l.fresh(n - from)
		off, from = off+p.off, n
	}
	p := l.fresh(num - from)
	return part{num: num, off: off + p.off, n: p.n}
}

// fresh is the part behind n others of a layout that has not begun anew.
func (l layout) fresh(n int32) part {
	many, growth := int64(firstParts), int64(firstGrowth)
	if l.version == layoutOfThousands {
		many, growth = partsPerTier, tierGrowth
	}
	var off int64
	size, left := l.first, int64(n)
	for left >= many && size < maxPart {
		off += many * size
		left -= many
		size = min(size*growth, maxPart)
		many, growth = partsPerTier, tierGrowth
	}
	return part{off: off + left*size, n: size}
}

// beginAnew has the layout begin anew with part num, behind all with which it has done
// so before, if that makes it a smaller one.
func (l *layout) beginAnew(num int32) bool {
	if l.part(num).n <= l.first {
		return false
	}
	l.anew = append(slices.Clip(l.anew), num)
	return true
}

// holds tells whether the most parts of this layout hold size.
func (l layout) holds(size int64) bool {
	last := l.part(maxParts)
	return last.off+last.n >= size
}

// plan returns the parts of a file of this size.
func (l layout) plan(size int64) []part {
	var parts []part
	for num := int32(1); ; num++ {
		p := l.part(num)
		if p.off >= size && num > 1 {
			return parts
		}
		p.n = min(p.n, size-p.off)
		parts = append(parts, p)
	}
}
