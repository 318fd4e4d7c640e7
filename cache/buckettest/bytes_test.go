package buckettest

import (
	"bytes"
	"math/rand/v2"
	"testing"
)

// TestBytes compares clone and Equal with what package bytes does, for parts of random sizes.
func TestBytes(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	for range 2000 {
		parts := make([][]byte, rnd.IntN(4))
		for i := range parts {
			parts[i] = make([]byte, rnd.IntN(40))
			for j := range parts[i] {
				parts[i][j] = byte(rnd.Uint32())
			}
		}
		want := bytes.Join(parts, nil)
		got := clone(parts...)
		if !bytes.Equal(got, want) || !Equal(got, want) {
			t.Fatalf("clone(%x) = %x, Equal %v", parts, got, Equal(got, want))
		}
		if Equal(got, append(want, 0)) {
			t.Fatalf("Equal(%x, one byte more) = true", got)
		}
		for i := range got {
			got[i] ^= 1 << rnd.IntN(8)
			if Equal(got, want) {
				t.Fatalf("Equal(%x, %x) = true", got, want)
			}
			got[i] = want[i]
		}
	}
}
