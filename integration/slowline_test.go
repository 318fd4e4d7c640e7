package integration

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
)

// TestSlowLine kills the daemon in the midst of an upload over a slow line: few parts
// were on their way, so little goes up again.
func TestSlowLine(t *testing.T) {
	t.Parallel()
	const key, size, few = delivery + "slow-line.bin", 256 * mib, 4
	direct := newExchange(t, "article")
	behind, g := direct.through(t)
	x, w := behind.over(t)
	w.spoil("bandwidth", "upstream", map[string]any{"rate": 256}) // KiB/s, each connection
	m := x.mount(client)
	var mu sync.Mutex
	begun := map[string]int{} // how often each part came, by its number
	g.when(func(op string, _ http.ResponseWriter, r *http.Request) bool {
		if op == "UploadPart" && strings.HasSuffix(r.URL.Path, "/"+key) {
			mu.Lock()
			begun[r.URL.Query().Get("partNumber")]++
			mu.Unlock()
		}
		return false
	})
	parts := func() int {
		mu.Lock()
		defer mu.Unlock()
		return len(begun)
	}
	want, err := pour(m.path(key), size)
	if err != nil {
		t.Fatal(err)
	}
	await(t, fmt.Sprintf("%d parts on their way", few), func() bool { return parts() >= few })
	await(t, "the file to be closed",
		func() bool { return !strings.HasPrefix(m.fileState(key), "open") })
	if n := parts(); n > few {
		t.Errorf("%d parts are on their way at once", n)
	}
	m.kill()
	g.CloseClientConnections()
	w.heal()
	m = m.revive(t)
	m.unmount()
	mu.Lock()
	defer mu.Unlock()
	twice := 0
	for _, n := range begun {
		twice += n - 1
	}
	if twice > few {
		t.Errorf("%d parts went to S3 again", twice)
	}
	if got, n, err := direct.checksum(key); err != nil || n != size || got != want {
		t.Errorf("the object has %d bytes, %v, the same: %v; want %d", n, err, got == want, size)
	}
}
