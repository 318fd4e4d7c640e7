package outbox

import "sort"

// extent is the range [off, end) of a file, in bytes.
type extent struct{ off, end int64 }

// extents is a set of bytes: sorted, disjoint ranges that do not touch.
type extents []extent

// add includes [off, end).
func (s *extents) add(off, end int64) {
	if off >= end {
		return
	}
	x := *s
	// Writers go forward: the last range grows.
	if n := len(x); n > 0 && x[n-1].off <= off && off <= x[n-1].end {
		x[n-1].end = max(x[n-1].end, end)
		return
	}
	i := sort.Search(len(x), func(i int) bool { return x[i].end >= off })
	j := i
	for ; j < len(x) && x[j].off <= end; j++ {
		off, end = min(off, x[j].off), max(end, x[j].end)
	}
	if i == j {
		x = append(x, extent{})
		copy(x[i+1:], x[i:])
		x[i] = extent{off, end}
	} else {
		x[i] = extent{off, end}
		x = append(x[:i+1], x[j:]...)
	}
	*s = x
}

// cut removes all from size on.
func (s *extents) cut(size int64) {
	x := *s
	i := sort.Search(len(x), func(i int) bool { return x[i].end > size })
	if i < len(x) {
		if x[i].off < size {
			x[i].end = size
			i++
		}
		x = x[:i]
	}
	*s = x
}

// total is how many bytes are in the set.
func (s extents) total() (n int64) {
	for _, x := range s {
		n += x.end - x.off
	}
	return n
}

// gaps returns what of [off, end) is not in the set.
func (s extents) gaps(off, end int64) []extent {
	var out []extent
	i := sort.Search(len(s), func(i int) bool { return s[i].end > off })
	for ; i < len(s) && s[i].off < end; i++ {
		if off < s[i].off {
			out = append(out, extent{off, s[i].off})
		}
		off = s[i].end
	}
	if off < end {
		out = append(out, extent{off, end})
	}
	return out
}

// has tells whether all of [off, end) is in the set.
func (s extents) has(off, end int64) bool {
	i := sort.Search(len(s), func(i int) bool { return s[i].end > off })
	return off >= end || i < len(s) && s[i].off <= off && end <= s[i].end
}

// next returns the run of bytes from off on that are all in the set, or all not:
// its end (limit at most), and which of the two.
func (s extents) next(off, limit int64) (end int64, in bool) {
	i := sort.Search(len(s), func(i int) bool { return s[i].end > off })
	switch {
	case i == len(s):
		return limit, false
	case s[i].off <= off:
		return min(s[i].end, limit), true
	}
	return min(s[i].off, limit), false
}
