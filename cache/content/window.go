package content

// minWindow is what the first of a sequence of reads fetches. It is small, as
// many programs look at a file's head only, and yet costs little more time than
// one block.
const minWindow = 1 << 20

// reach is how far behind the furthest read of a sequence, in bytes, a read
// still belongs to it: the kernel's readahead of one file arrives concurrently,
// in any order.
const reach = 8 << 20

// maxStrays is the number of reads elsewhere after which a sequence is over.
// Fewer are a look at a file's directory or trailer.
const maxStrays = 4

// window follows the reads of one Reader: whether they are a sequence, where it
// is and how far ahead of it to fetch. All numbers are bytes. The zero window
// has seen no read.
type window struct {
	size   int64 // how far ahead to be; 0: no sequence
	next   int64 // end of the furthest read of the sequence
	ahead  int64 // fetched up to here
	grown  int64 // next when size changed last
	waited bool  // since then, a read found its block missing or not yet full
	last   int64 // end of the last read that belongs to no sequence
	strays int   // such reads since the last that belongs to one
}

// note takes in a read of [off, end). It reports whether the read belongs to a
// sequence, and whether it ends another whose blocks fetched ahead are useless.
func (w *window) note(off, end int64) (sequential, ended bool) {
	was := w.size > 0
	switch {
	case was && off >= w.next-reach && off <= max(w.ahead, w.next+minWindow):
		w.next = max(w.next, end)
		w.last, w.strays = w.next, 0
		if w.waited && w.next-w.grown >= w.size/4 {
			w.size *= 2
			w.grown = w.next
			w.waited = false
		}
		return true, false
	case off == 0, w.last > 0 && off >= w.last && off <= w.last+blockSize:
		*w = window{size: minWindow, next: end, ahead: off &^ (blockSize - 1), grown: off, last: end}
		return true, was
	}
	w.last = end
	w.strays++
	if was && w.strays >= maxStrays {
		*w = window{last: end}
		return false, true
	}
	return false, false
}

// failed makes the window small again, and have fetched up to off only.
func (w *window) failed(off int64) {
	if w.size > 0 {
		w.size = minWindow
		w.grown = w.next
		w.ahead = min(w.ahead, off)
	}
}
