package stage

import (
	"hash/crc32"
	"io"
	"math/rand/v2"
	"path/filepath"
	"testing"

	"github.com/s3share/s3share/cache/outbox/parts"
	"github.com/s3share/s3share/s3backend"
)

func newTestStage(t *testing.T) *Stage {
	t.Helper()
	s, err := New(filepath.Join(t.TempDir(), "f"), nil, nil, 0, noLimit)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

// TestCRCIsKnownOfWhatWasWrittenInOrder: a file that was written as cp does it is not
// read to be summed.
func TestCRCIsKnownOfWhatWasWrittenInOrder(t *testing.T) {
	s := newTestStage(t)
	data := random(1, 2*parts.Size+5)
	for off := 0; off < len(data); off += 1 << 20 {
		if _, err := s.WriteAt(data[off:min(len(data), off+1<<20)], int64(off), nil); err != nil {
			t.Fatal(err)
		}
	}
	for _, p := range parts.LayoutFor(0).Plan(int64(len(data))) {
		body, ok := s.Body(p.Off, p.N, nil).(s3backend.Summed)
		if !ok {
			t.Errorf("the sum of part %d is not known", p.Num)
		} else if want := crc32.ChecksumIEEE(data[p.Off : p.Off+p.N]); body.CRC32() != want {
			t.Errorf("the sum of part %d is %08x, want %08x", p.Num, body.CRC32(), want)
		}
	}
	if _, ok := s.Body(0, 100, nil).(s3backend.Summed); ok {
		t.Error("the sum of a part of what was written is known")
	}
}

// TestCRCIsThatOfTheBytes changes a file in all ways: where a sum is known,
// it is right.
func TestCRCIsThatOfTheBytes(t *testing.T) {
	known := 0
	for seed := range uint64(5) {
		rnd := rand.New(rand.NewPCG(seed, 1))
		s := newTestStage(t)
		for range 20 {
			size := s.Size()
			var err error
			switch k := rnd.IntN(20); {
			case k < 12: // mostly forward
				_, _, err = s.Append(random(rnd.Uint64(), rnd.IntN(parts.Size/3)), nil)
			case k < 15 && size > 0:
				_, err = s.WriteAt(random(rnd.Uint64(), rnd.IntN(1<<20)), rnd.Int64N(size), nil)
			case k < 17:
				err = s.Truncate(rnd.Int64N(3*parts.Size), nil)
			case k < 18:
				err = s.Truncate(0, nil)
			case size > 0:
				off := rnd.Int64N(size)
				err = s.Punch(off, off+rnd.Int64N(1<<20), nil)
			}
			if err != nil {
				t.Fatal(err)
			}
			for _, p := range parts.LayoutFor(0).Plan(s.Size()) {
				body := s.Body(p.Off, p.N, nil)
				sum, ok := body.(s3backend.Summed)
				if !ok || p.N == 0 {
					continue
				}
				known++
				data, err := io.ReadAll(body)
				if err != nil {
					t.Fatal(err)
				}
				if got, want := sum.CRC32(), crc32.ChecksumIEEE(data); got != want {
					t.Fatalf("seed %d: the sum of %d bytes at %d is %08x, want %08x",
						seed, p.N, p.Off, got, want)
				}
			}
		}
	}
	if known == 0 {
		t.Error("no sum was ever known")
	}
}

func TestCombineCRC(t *testing.T) {
	data := random(3, 100_000)
	for _, at := range []int{0, 1, 7, 4096, 99_999, len(data)} {
		a, b := data[:at], data[at:]
		if got, want := CombineCRC(crc32.ChecksumIEEE(a), crc32.ChecksumIEEE(b),
			int64(len(b))), crc32.ChecksumIEEE(data); got != want {
			t.Errorf("combined at %d they make %08x, want %08x", at, got, want)
		}
	}
}
