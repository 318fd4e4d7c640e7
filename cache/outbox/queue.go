package outbox

import (
	"sync"

	"github.com/s3share/s3share/cache/outbox/parts"
)

// queue holds settled items for its workers.
type queue struct {
	o     *Outbox
	woken chan struct{} // a token for each worker that should look

	mu    sync.Mutex
	items []*Item
}

func newQueue(o *Outbox, workers int) *queue {
	q := &queue{o: o, woken: make(chan struct{}, workers)}
	for range workers {
		o.work.Go(q.work)
	}
	return q
}

func (q *queue) put(it *Item) {
	q.mu.Lock()
	q.items = append(q.items, it)
	q.mu.Unlock()
	select {
	case q.woken <- struct{}{}:
	default: // every worker has been woken and will look again
	}
}

func (q *queue) take() *Item {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.items) == 0 {
		return nil
	}
	it := q.items[0]
	q.items[0] = nil
	q.items = q.items[1:]
	return it
}

func (q *queue) work() {
	for {
		select {
		case <-q.woken:
		case <-q.o.ctx.Done():
			return
		}
		for it := q.take(); it != nil && q.o.ctx.Err() == nil; it = q.take() {
			it.deliver()
		}
	}
}

// enqueue queues a settled item for the workers. Small files do not wait behind large ones, neither
// for a worker nor for the uplink.
func (o *Outbox) enqueue(it *Item) {
	if it.stage != nil && it.stage.Size() > parts.Size {
		o.multipart.put(it)
	} else {
		o.single.put(it)
	}
}
