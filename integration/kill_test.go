package integration

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"
)

// TestKill ends the daemon by SIGKILL at random instants while files are written,
// and mounts again on the same outbox: what a close(2) returned for is in the
// bucket in the end, bit for bit, and no object is anything but a whole file.
// S3SHARE_SOAK is how many kills there are, 200 unless told otherwise.
func TestKill(t *testing.T) {
	kills := 200
	if s := os.Getenv("S3SHARE_SOAK"); s != "" {
		n, err := strconv.Atoi(s)
		if err != nil {
			t.Fatal(err)
		}
		kills = n
	}
	x := newExchange(t, "article")
	state, cache := filepath.Join(t.TempDir(), "state"), filepath.Join(t.TempDir(), "cache")
	// What a key holds is told by its length: all of it together would take gigabytes.
	closed, meant := map[string]int{}, map[string]int{}
	text := func(key string, size int) []byte {
		return bytes.Repeat([]byte(key+"\n"), size/len(key)+1)
	}
	rnd := rand.New(rand.NewPCG(1, 2))
	for n := range kills {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			m := x.in(t).mount(client, "--state-dir", state, "--cache-dir", cache)
			m.done = true // it is not unmounted, but killed
			kill := time.AfterFunc(time.Duration(rnd.Int64N(int64(500*time.Millisecond))),
				func() { _ = m.cmd.Process.Kill() })
			defer kill.Stop()
			for i := 0; ; i++ {
				key := fmt.Sprintf("%s%d-%d", delivery, n, i)
				size := rnd.IntN(100_000)
				if rnd.IntN(10) == 0 {
					size = 20 << 20 // by parts, which begin before the close
				}
				meant[key] = size
				if os.WriteFile(m.path(key), text(key, size), 0o644) != nil {
					break // the daemon is gone
				}
				closed[key] = size
			}
			<-m.ended
		})
	}
	m := x.mount(client, "--state-dir", state, "--cache-dir", cache)
	m.done = true
	// Files that were open at a kill are interrupted, and stay here.
	if out, err := m.run("unmount", "--keep", m.dir); err != nil {
		t.Logf("left in the outbox:\n%s", out)
	}
	for key, size := range closed {
		want := text(key, size)
		if got, err := x.get(owner, key); err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s was closed with %d bytes, and the bucket has %s, %v", key,
				len(want), brief(got), err)
		}
	}
	for key := range x.list() {
		if got, err := x.get(owner, key); err != nil || !bytes.Equal(got, text(key, meant[key])) {
			t.Errorf("%s is in the bucket as %s, and not as a whole file, %v", key, brief(got), err)
		}
	}
	t.Logf("%d kills, %d files closed of %d begun", kills, len(closed), len(meant))
}
