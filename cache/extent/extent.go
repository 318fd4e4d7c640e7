// Package extent keeps which bytes of a file are there, or have changed.
package extent

import "sort"

// Range is the range [Off, End) of a file, in bytes.
type Range struct{ Off, End int64 }

// Set is a set of bytes: sorted, disjoint ranges that do not touch.
type Set []Range

// Add includes [off, end).
func (s *Set) Add(off, end int64) {
	if off >= end {
		return
	}
	x := *s
	// Writers go forward: the last range grows.
	if n := len(x); n > 0 && x[n-1].Off <= off && off <= x[n-1].End {
		x[n-1].End = max(x[n-1].End, end)
		return
	}
	i := sort.Search(len(x), func(i int) bool { return x[i].End >= off })
	j := i
	for ; j < len(x) && x[j].Off <= end; j++ {
		off, end = min(off, x[j].Off), max(end, x[j].End)
	}
	if i == j {
		x = append(x, Range{})
		copy(x[i+1:], x[i:])
		x[i] = Range{off, end}
	} else {
		x[i] = Range{off, end}
		x = append(x[:i+1], x[j:]...)
	}
	*s = x
}

// Cut removes all from size on.
func (s *Set) Cut(size int64) {
	x := *s
	i := sort.Search(len(x), func(i int) bool { return x[i].End > size })
	if i < len(x) {
		if x[i].Off < size {
			x[i].End = size
			i++
		}
		x = x[:i]
	}
	*s = x
}

// Total is how many bytes are in the set.
func (s Set) Total() (n int64) {
	for _, x := range s {
		n += x.End - x.Off
	}
	return n
}

// Gaps returns what of [off, end) is not in the set.
func (s Set) Gaps(off, end int64) []Range {
	var out []Range
	i := sort.Search(len(s), func(i int) bool { return s[i].End > off })
	for ; i < len(s) && s[i].Off < end; i++ {
		if off < s[i].Off {
			out = append(out, Range{off, s[i].Off})
		}
		off = s[i].End
	}
	if off < end {
		out = append(out, Range{off, end})
	}
	return out
}

// Has reports whether all of [off, end) is in the set.
func (s Set) Has(off, end int64) bool {
	i := sort.Search(len(s), func(i int) bool { return s[i].End > off })
	return off >= end || i < len(s) && s[i].Off <= off && end <= s[i].End
}

// Next returns the run of bytes from off on that are all in the set, or all not:
// its end (limit at most), and which of the two.
func (s Set) Next(off, limit int64) (end int64, in bool) {
	i := sort.Search(len(s), func(i int) bool { return s[i].End > off })
	switch {
	case i == len(s):
		return limit, false
	case s[i].Off <= off:
		return min(s[i].End, limit), true
	}
	return min(s[i].Off, limit), false
}
