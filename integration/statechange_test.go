package integration

import (
	"net/http"
	"slices"
	"sync"
	"testing"
)

// TestStatesOfDeliveryWakeWatchers has S3 take its time for a file in a directory that is watched:
// a program that reads the file's state at each event, as file managers do, has seen it uploading,
// and knows in the end that it is delivered.
func TestStatesOfDeliveryWakeWatchers(t *testing.T) {
	t.Parallel()
	x, gateway := newExchange(t, "article").through(t)
	let := make(chan struct{})
	gateway.when(func(op string, _ http.ResponseWriter, r *http.Request) bool {
		if op == "PutObject" {
			select {
			case <-let:
			case <-r.Context().Done():
			}
		}
		return false
	})
	m := x.mount(client)
	w := watchDir(t, m.path(delivery), allEvents)
	m.awaitWatched(1)
	var mu sync.Mutex
	var seen []string
	w.mu.Lock()
	w.told = func(name, _ string) {
		if name == "slow.txt" {
			state := m.fileState(delivery + name)
			mu.Lock()
			seen = append(seen, state)
			mu.Unlock()
		}
	}
	w.mu.Unlock()
	m.write(delivery+"slow.txt", []byte("slow"))
	saw := func(state string) func() bool {
		return func() bool {
			mu.Lock()
			defer mu.Unlock()
			return slices.Contains(seen, state)
		}
	}
	await(t, "a watcher to see it uploading", saw("uploading"))
	close(let)
	await(t, "a watcher to see it delivered", saw("delivered"))
	if st := m.arrivals(); st.Announced+st.Failed > 0 {
		t.Errorf("status counts states as arrivals: %+v", st)
	}
	if got := string(m.read(delivery + "slow.txt")); got != "slow" {
		t.Errorf("slow.txt holds %q", got)
	}
}
