package stage

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"path/filepath"
	"sync"
	"testing"
)

// noLimit is an owner that reserves any space.
var noLimit = Owner{Reserve: func(int64) error { return nil }}

// memory is a base in memory.
type memory []byte

func (m memory) ReadAt(_ context.Context, p []byte, off int64) (int, error) {
	if off >= int64(len(m)) {
		return 0, io.EOF
	}
	n := copy(p, m[off:])
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

// random returns n bytes.
func random(seed uint64, n int) []byte {
	rnd, b := rand.NewChaCha8([32]byte{byte(seed), byte(seed >> 8), byte(seed >> 16)}), make([]byte,
		n)
	rnd.Read(b)
	return b
}

// differences is how many bytes differ.
func differences(a, b []byte) (n int) {
	for i := range a {
		if a[i] != b[i] {
			n++
		}
	}
	return n
}

// TestMaterializeKeepsWhatIsWrittenMeanwhile writes into a file while its base is being
// copied under it.
func TestMaterializeKeepsWhatIsWrittenMeanwhile(t *testing.T) {
	const writers, size = 8, 4 << 20
	base := bytes.Repeat([]byte("b"), size)
	for range 5 {
		s, err := New(filepath.Join(t.TempDir(), "staged"), nil, memory(base), size, noLimit)
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
					if _, err := s.WriteAt([]byte("w"), off, nil); err != nil {
						t.Error(err)
					}
				}
			})
		}
		g.Go(func() {
			if err := s.Materialize(t.Context(), 0, size); err != nil {
				t.Error(err)
			}
		})
		g.Wait()
		got := make([]byte, size)
		if _, err := s.ReadAt(t.Context(), got, 0); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, want) {
			t.Fatalf("after copying and writing: %d bytes differ", differences(got, want))
		}
		s.Close()
	}
}

// TestZerosAreAChange cuts a file, or punches a hole, where there is data: what was
// sent of it before is not what it holds then. In a hole it is.
func TestZerosAreAChange(t *testing.T) {
	for _, c := range []struct {
		name string
		do   func(s *Stage) error
		want [4]bool // by unit: the first was written, the last two are holes
	}{
		{"cut and grown", func(s *Stage) error { return errors.Join(s.Truncate(5, nil), s.Truncate(4*unit, nil)) }, [4]bool{0: true, 1: true}},
		{"grown", func(s *Stage) error { return s.Truncate(8*unit, nil) }, [4]bool{}},
		{"punched", func(s *Stage) error { return s.Punch(unit, 3*unit, nil) }, [4]bool{1: true}},
	} {
		s := newTestStage(t)
		if _, err := s.WriteAt(random(1, unit+5), 0, nil); err != nil {
			t.Fatal(err)
		}
		if err := s.Truncate(4*unit, nil); err != nil {
			t.Fatal(err)
		}
		seq := s.seq
		if err := c.do(s); err != nil {
			t.Fatal(err)
		}
		for u, want := range c.want {
			if got := s.ChangedSince(int64(u)*unit, int64(u+1)*unit, seq); got != want {
				t.Errorf("%s: unit %d changed = %v, want %v", c.name, u, got, want)
			}
		}
	}
}
