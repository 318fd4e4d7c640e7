package content

import (
	"errors"
	"testing"

	"pgregory.net/rapid"
)

// TestSparingReads draws reads of a large object: they get the right bytes, none of which are
// fetched ahead, and whatever is here already, however little may be fetched.
func TestSparingReads(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		src := new(bucket)
		c, err := New(src, Config{})
		if err != nil {
			rt.Fatal(err)
		}
		defer c.Close()
		obj := object("a", 40<<20+int64(rapid.IntRange(0, blockSize).Draw(rt, "rest")))
		r := c.Open(obj)
		defer r.Close()
		left := int64(rapid.IntRange(0, 8<<20).Draw(rt, "may fetch"))
		may := func(missing int64) bool {
			if missing > left {
				return false
			}
			left -= missing
			return true
		}
		began, here := left, map[int64]bool{}
		for off := int64(0); ; {
			switch rapid.IntRange(0, 9).Draw(rt, "next") {
			case 0:
				var fetched int64
				for i := range here {
					fetched += r.v.length(i)
				}
				if fetched != began-left || src.bytes.Load() != fetched {
					rt.Fatalf("%d bytes were fetched, %d counted, %d are here",
						src.bytes.Load(), began-left, fetched)
				}
				return
			case 1, 2, 3:
				off = rapid.Int64Range(0, obj.Size-1).Draw(rt, "off")
			}
			p := make([]byte, rapid.IntRange(1, 1<<20).Draw(rt, "bytes"))
			want := make([]byte, min(int64(len(p)), obj.Size-off))
			readObject(obj, want, off)
			missing := false
			from, to := off/blockSize, (off+int64(len(want))+blockSize-1)/blockSize
			for i := from; i < to; i++ {
				missing = missing || !here[i]
			}
			n, err := r.ReadSparing(rt.Context(), p, off, may)
			switch {
			case errors.Is(err, ErrSpared) && missing && n == 0:
				continue
			case n != len(want) || string(p[:n]) != string(want):
				rt.Fatalf("a read of %d bytes at %d returns %d, %v", len(p), off, n, err)
			}
			if missing {
				from, to = from/sparingBlocks*sparingBlocks,
					min((to+sparingBlocks-1)/sparingBlocks*sparingBlocks, r.v.count())
			}
			for i := from; i < to; i++ {
				here[i] = true
			}
			if off += int64(n); off == obj.Size {
				off = 0
			}
		}
	})
}
