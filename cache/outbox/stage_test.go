package outbox

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"path/filepath"
	"sync"
	"testing"

	"github.com/s3share/s3share/cache/outbox/parts"
)

// TestFillKeepsWhatIsWrittenMeanwhile writes into a file while its base is being
// copied under it.
func TestFillKeepsWhatIsWrittenMeanwhile(t *testing.T) {
	const writers, size = 8, 4 << 20
	base := bytes.Repeat([]byte("b"), size)
	for range 5 {
		s, err := newStage(filepath.Join(t.TempDir(), "staged"), nil, cached(base), size)
		if err != nil {
			t.Fatal(err)
		}
		want := bytes.Clone(base)
		var g sync.WaitGroup
		for w := range writers {
			rnd := rand.New(rand.NewPCG(uint64(w), 1))
			var offs []int64
			for range 500 {
				off := rnd.Int64N(size/writers)*writers + int64(w)
				offs = append(offs, off)
				want[off] = 'w'
			}
			g.Go(func() {
				for _, off := range offs {
					if _, err := s.writeAt([]byte("w"), off); err != nil {
						t.Error(err)
					}
				}
			})
		}
		g.Go(func() {
			if err := s.fill(t.Context(), 0, size); err != nil {
				t.Error(err)
			}
		})
		g.Wait()
		got := make([]byte, size)
		if _, err := s.readAt(t.Context(), got, 0); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, want) {
			t.Fatalf("after fill and writes: %s", difference(got, want))
		}
		s.close()
	}
}

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
			if n, err := it.ReadAt(r.Context(), got, 0); n != len(want) && err != nil || !bytes.Equal(got, want) {
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
		}{{0, true, 0}, {0, false, 1 << 20}, {1 << 20, true, 1<<20 + 4}, {1<<20 + 1, false, 1<<20 + 1}} {
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

// TestZerosAreAChange cuts a file, or punches a hole, where there is data: what was
// sent of it before is not what it holds then. In a hole it is.
func TestZerosAreAChange(t *testing.T) {
	for _, c := range []struct {
		name string
		do   func(s *stage) error
		want [4]bool // by unit: the first was written, the last two are holes
	}{
		{"cut and grown", func(s *stage) error { return errors.Join(s.truncate(5), s.truncate(4*touchUnit)) }, [4]bool{0: true, 1: true}},
		{"grown", func(s *stage) error { return s.truncate(8 * touchUnit) }, [4]bool{}},
		{"punched", func(s *stage) error { return s.punch(touchUnit, 3*touchUnit) }, [4]bool{1: true}},
	} {
		s := newTestStage(t)
		if _, err := s.writeAt(random(1, touchUnit+5), 0); err != nil {
			t.Fatal(err)
		}
		if err := s.truncate(4 * touchUnit); err != nil {
			t.Fatal(err)
		}
		seq := s.seq
		if err := c.do(s); err != nil {
			t.Fatal(err)
		}
		for u, want := range c.want {
			if got := s.changedSince(int64(u)*touchUnit, int64(u+1)*touchUnit, seq); got != want {
				t.Errorf("%s: unit %d changed = %v, want %v", c.name, u, got, want)
			}
		}
	}
}
