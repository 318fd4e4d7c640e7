package integration

import (
	"bytes"
	"fmt"
	"os"
	"testing"
)

// TestGrown has the other party replace a file by longer and shorter ones, while a
// program here looks at it and reads it again and again: it gets one version or the
// next, whole, and never the one cut to the size of the other.
func TestGrown(t *testing.T) {
	t.Parallel()
	x := newExchange(t, "article")
	m := x.mount(client)
	const key = submissions + "file"
	old := []byte("version 0")
	x.put(owner, key, old, true)
	m.awaitContent(key, old)
	for i, size := range []int{10_000, 300, 70_000, 20, 40_000} {
		next := append(fmt.Appendf(nil, "version %d", i+1), randomBytes(size)...)
		x.put(owner, key, next, true)
		await(t, fmt.Sprintf("version %d", i+1), func() bool {
			if _, err := os.Stat(m.path(key)); err != nil { // and the kernel knows a size
				t.Fatal(err)
			}
			got, err := os.ReadFile(m.path(key))
			if err != nil || !bytes.Equal(got, old) && !bytes.Equal(got, next) {
				t.Fatalf("it reads %s, %v; want %s or %s", brief(got), err, brief(old), brief(next))
			}
			return bytes.Equal(got, next)
		})
		old = next
	}
}
