package outbox

import (
	"bytes"
	"math/rand/v2"
	"testing"

	"github.com/s3share/s3share/cache/outbox/parts"
)

// TestEditsAgreeWithAModel makes random changes of files over a base, and compares
// what is read here after each, and what the bucket holds at the end.
func TestEditsAgreeWithAModel(t *testing.T) {
	for seed := range uint64(6) {
		bubble(t, Config{}, nil, func(r *rig) {
			rnd := rand.New(rand.NewPCG(seed, 7))
			// Around a part's size, where a put turns into parts.
			want := random(seed, rnd.IntN(3*parts.Size))
			if seed%3 == 0 {
				want = random(seed, rnd.IntN(1000))
			}
			r.b.Store("Delivery/f", want, nil)
			want = bytes.Clone(want)
			it := r.edit("Delivery/f")
			for step := range 25 {
				off := rnd.Int64N(int64(len(want)) + 1)
				n := rnd.Int64N(1 << (8 + rnd.IntN(14)))
				switch rnd.IntN(6) {
				case 0: // truncate
					if err := it.Truncate(off); err != nil {
						r.Fatal(err)
					}
					want = want[:off]
				case 1: // extend
					if err := it.Truncate(int64(len(want)) + n); err != nil {
						r.Fatal(err)
					}
					want = append(want[:len(want):len(want)], make([]byte, n)...)
				case 2: // punch
					if err := it.Punch(off, off+n); err != nil {
						r.Fatal(err)
					}
					clear(want[off:min(int64(len(want)), off+n)])
				case 3: // append
					data := random(uint64(step), int(n))
					at, _, err := it.Append(data)
					if err != nil || at != int64(len(want)) {
						r.Fatalf("Append = %d, %v, want it at %d", at, err, len(want))
					}
					want = append(want[:len(want):len(want)], data...)
				default:
					data := random(uint64(step), int(n))
					r.write(it, data, off)
					if end := int(off + n); end > len(want) {
						want = append(want[:len(want):len(want)], make([]byte, end-len(want))...)
					}
					copy(want[off:], data)
				}
				if rnd.IntN(8) == 0 {
					r.done(it)
					r.hold(it)
				}
			}
			got := make([]byte, len(want))
			if n, err := it.ReadAt(r.Context(), got, 0); n != len(want) && err != nil ||
				!bytes.Equal(got, want) {
				r.Fatalf("seed %d: ReadAt = %d, %v: %s", seed, n, err, difference(got[:n], want))
			}
			r.done(it)
			r.drain()
			r.wantHolds("Delivery/f", want)
			r.wantKeys("Delivery/f")
			r.wantNothing()
		})
	}
}

func TestHoles(t *testing.T) {
	bubble(t, Config{}, nil, func(r *rig) {
		it := r.create("Delivery/f", nil)
		r.write(it, []byte("data"), 1<<20)
		if err := it.Truncate(3 << 20); err != nil {
			r.Fatal(err)
		}
		for _, c := range []struct {
			off  int64
			hole bool
			want int64
		}{{0, true, 0}, {0, false, 1 << 20}, {1 << 20, true, 1<<20 + 4},
			{1<<20 + 1, false, 1<<20 + 1}} {
			if got, err := it.Lseek(c.off, c.hole); got != c.want || err != nil {
				r.Errorf("Lseek(%d, hole %v) = %d, %v, want %d", c.off, c.hole, got, err, c.want)
			}
		}
		if got, err := it.Lseek(2<<20, false); err == nil {
			r.Errorf("Lseek of data behind the last = %d", got)
		}
		r.done(it)
		r.drain()
		want := make([]byte, 3<<20)
		copy(want[1<<20:], "data")
		r.wantHolds("Delivery/f", want)
	})
}
