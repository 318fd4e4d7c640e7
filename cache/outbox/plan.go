package outbox

import (
	"github.com/s3share/s3share/cache/extent"
	"github.com/s3share/s3share/s3backend"
)

// Limits of S3's multipart uploads, in bytes and parts.
const (
	minPart  = s3backend.MinPartSize // all but the last
	maxPart  = s3backend.MaxPartSize
	maxParts = s3backend.MaxParts
)

const (
	// PartSize is the size of an upload's first parts; a file up to it goes by
	// one PutObject. Half of it would double what the requests cost, and is no
	// faster where 32 are under way.
	PartSize = 16 << 20

	// copyPart is how much one UploadPartCopy moves: several run at once, and a
	// server copies some 100 MB/s in each.
	copyPart = 512 << 20
)

// part is one piece of an upload: its number, from 1, and its range.
type part struct {
	num    int32
	off, n int64
	copied bool // the server copies it from the base
}

// planEdit divides an edited file so that the ranges that the base still has are
// copied by the server, in parts as long as may be, and only the rest goes up.
// It returns nil where that saves nothing.
func planEdit(size, baseValid int64, dirty extent.Set) []part {
	var runs []part // alternating; nums are given at the end
	for off := int64(0); off < size; {
		end, in := dirty.Next(off, size)
		clean := !in && off < baseValid
		if clean {
			end = min(end, baseValid)
		}
		runs = append(runs, part{off: off, n: end - off, copied: clean && end-off >= 2*minPart})
		off = end
	}
	runs = mergeUploads(runs)
	// An uploaded run too short for a part borrows from the copied one behind it,
	// or before it at the end of those.
	for i := range runs {
		r := &runs[i]
		if r.copied || r.n >= minPart || i == len(runs)-1 {
			continue
		}
		short := minPart - r.n
		r.n += short
		runs[i+1].off += short
		runs[i+1].n -= short
		if runs[i+1].n < minPart {
			runs[i+1].copied = false
		}
	}
	runs = mergeUploads(runs)
	var parts []part
	saved := int64(0)
	for _, r := range runs {
		step := int64(PartSize / 2) // what is edited is short, and waits for its last part
		if r.copied {
			step = copyPart
			saved += r.n
		}
		for r.n > 0 {
			n := min(step, r.n)
			if r.n-n < minPart {
				n = r.n
			}
			parts = append(parts, part{num: int32(len(parts) + 1), off: r.off, n: n, copied: r.copied})
			r.off, r.n = r.off+n, r.n-n
		}
	}
	if saved == 0 || len(parts) > int(maxParts) {
		return nil
	}
	return parts
}

// mergeUploads joins neighbours that both go up.
func mergeUploads(runs []part) []part {
	var out []part
	for _, r := range runs {
		if n := len(out); n > 0 && !r.copied && !out[n-1].copied {
			out[n-1].n += r.n
			continue
		}
		out = append(out, r)
	}
	return out
}

// lastByte is how long a file of these parts is.
func lastByte(parts []part) int64 {
	if len(parts) == 0 {
		return 0
	}
	last := parts[len(parts)-1]
	return last.off + last.n
}
