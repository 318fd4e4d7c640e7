package cache

import (
	"sync"
	"time"

	"github.com/hashicorp/golang-lru/v2/simplelru"
)

// outcome is what became of what was in the outbox under a key.
type outcome struct {
	Confirmed
	etag string // of a delivery
}

// maxOutcomes is how many are remembered.
const maxOutcomes = 10_000

// outcomes remembers what became of the keys that left the outbox last.
type outcomes struct {
	mu    sync.Mutex
	byKey *simplelru.LRU[string, outcome]
}

func newOutcomes() *outcomes {
	// NewLRU fails only for a size below 1.
	byKey, _ := simplelru.NewLRU[string, outcome](maxOutcomes, nil)
	return &outcomes{byKey: byKey}
}

func (o *outcomes) note(key string, is Presence, etag string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.byKey.Add(key, outcome{Confirmed{Is: is, At: time.Now()}, etag})
}

// forget is called for a key of which something else is true now.
func (o *outcomes) forget(key string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.byKey.Remove(key)
}

func (o *outcomes) get(key string) (outcome, bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.byKey.Get(key)
}
