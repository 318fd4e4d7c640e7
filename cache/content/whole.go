package content

import (
	"github.com/s3share/s3share/cache/extent"
	"github.com/s3share/s3share/s3backend"
)

// maxPieces is how many pieces of an object are kept account of. A program that reads it from the
// beginning to the end reads one, or a few at a time.
const maxPieces = 64

// wholeRead finds out whether all bytes of an object were read.
type wholeRead struct {
	pieces    extent.Set
	scattered bool // there were too many pieces
}

func (w *wholeRead) add(off, end int64) {
	if w.scattered {
		return
	}
	if w.pieces.Add(off, end); len(w.pieces) > maxPieces {
		w.pieces, w.scattered = nil, true
	}
}

// settled reports whether further reads of an object of this size cannot change what Whole returns.
func (w *wholeRead) settled(size int64) bool { return w.scattered || w.pieces.Has(0, size) }

// Whole reports whether all bytes of the version were read from r, and returns the version. It is
// false of an object that was read in many pieces, in no order, and of an empty one.
func (r *Reader) Whole() (s3backend.Object, bool) {
	r.c.mu.Lock()
	defer r.c.mu.Unlock()
	size := r.v.obj.Size
	return r.v.obj, size > 0 && r.read.pieces.Has(0, size)
}
