package parts

import "github.com/s3share/s3share/cache/extent"

// PlanEdit divides an edited file of size bytes. The first baseValid bytes come from the
// version that was edited, the base, except for the ranges in dirty, which were written. The
// server copies what is left of the base, in parts as large as possible; only the rest is
// uploaded. PlanEdit returns nil if nothing can be copied, or if that takes too many parts.
func PlanEdit(size, baseValid int64, dirty extent.Set) []Part {
	var runs []Part // alternating; they get their numbers at the end
	for off := int64(0); off < size; {
		end, in := dirty.Next(off, size)
		clean := !in && off < baseValid
		if clean {
			end = min(end, baseValid)
		}
		runs = append(runs, Part{Off: off, N: end - off, Copied: clean && end-off >= 2*MinSize})
		off = end
	}
	runs = mergeUploaded(runs)
	// An uploaded run that is too short for a part takes bytes from the copied run behind it.
	for i := range runs {
		r := &runs[i]
		if r.Copied || r.N >= MinSize || i == len(runs)-1 {
			continue
		}
		short := MinSize - r.N
		r.N += short
		runs[i+1].Off += short
		runs[i+1].N -= short
		if runs[i+1].N < MinSize {
			runs[i+1].Copied = false
		}
	}
	runs = mergeUploaded(runs)
	var parts []Part
	saved := int64(0)
	for _, r := range runs {
		step := int64(Size / 2) // an edit is short, and its commit waits for the last part
		if r.Copied {
			step = copySize
			saved += r.N
		}
		for r.N > 0 {
			n := min(step, r.N)
			if r.N-n < MinSize {
				n = r.N
			}
			parts = append(parts,
				Part{Num: int32(len(parts) + 1), Off: r.Off, N: n, Copied: r.Copied})
			r.Off, r.N = r.Off+n, r.N-n
		}
	}
	if saved == 0 || len(parts) > int(MaxCount) {
		return nil
	}
	return parts
}

// mergeUploaded joins neighbours that are both uploaded.
func mergeUploaded(runs []Part) []Part {
	var out []Part
	for _, r := range runs {
		if n := len(out); n > 0 && !r.Copied && !out[n-1].Copied {
			out[n-1].N += r.N
			continue
		}
		out = append(out, r)
	}
	return out
}
