package content

import (
	"context"
	"runtime"
	"slices"
	"sync"
	"time"

	"github.com/s3share/s3share/cache/content/diskcache"
)

const (
	flushAfter = 2 * time.Second // how long an index may wait to be written
	lastWork   = 2 * time.Second // how long Close goes on writing blocks to the disk cache
)

// diskWriter writes blocks to the disk cache, in the background. It does all that changes the
// directory.
type diskWriter struct {
	disk  *diskcache.Cache
	mem   *memory
	stats *Stats

	mu      *sync.Mutex   // Cache.mu, which guards the fields below
	queue   []saving      // full blocks on their way to the disk, oldest first
	shorter chan struct{} // closed when these are fewer; nil if nobody waits
	// awaited counts the objects that are fetched as a whole, for random reads to come, which wait
	// for the disk cache.
	awaited int
}

// addLocked has block b, which is full, written to the disk cache if it is
// still in memory when its turn comes.
func (w *diskWriter) addLocked(b *block) {
	if b.gone || b.v.disk == nil || len(w.queue) >= w.mem.pool.slots {
		return
	}
	w.disk.Hold(b.v.disk)
	w.queue = append(w.queue, saving{b, b.v.disk})
	w.disk.Wake()
}

// saving is a block on its way to an entry, of which it is a user.
type saving struct {
	b *block
	e *diskcache.Entry
}

// lowPriority runs functions one at a time in a thread that yields to whoever else wants the
// processors: a cold read is not to be slower because it is cached. The thread takes no lock, so
// nobody waits for it. stop ends it.
func lowPriority() (run func(func()), stop func()) {
	jobs := make(chan func())
	var g sync.WaitGroup
	g.Go(func() {
		runtime.LockOSThread() // the thread ends with the goroutine
		diskcache.LowerPriority()
		for job := range jobs {
			job()
		}
	})
	run = func(job func()) {
		done := make(chan struct{})
		jobs <- func() { job(); close(done) }
		<-done
	}
	return run, func() { close(jobs); g.Wait() }
}

// run writes until ctx ends, and what is left for a while after that.
func (w *diskWriter) run(ctx context.Context) {
	d := w.disk
	low, stop := lowPriority()
	defer stop()
	lowly := func(f func()) {
		w.mu.Lock()
		awaited := w.awaited > 0
		w.mu.Unlock()
		if awaited {
			f() // the fetch waits for it
			return
		}
		low(f)
	}

	d.Scan()
	flush := time.NewTimer(flushAfter)
	defer flush.Stop()
	armed := true
	for ctx.Err() == nil {
		worked := w.keepOnce(lowly)
		if worked && !armed {
			flush.Reset(flushAfter)
			armed = true
		}
		kick := d.Kicked()
		if worked { // look at the timer, but do not wait
			again := make(chan struct{}, 1)
			again <- struct{}{}
			kick = again
		}
		select {
		case <-kick:
		case <-ctx.Done():
		case <-flush.C:
			armed = false
			d.Flush(lowly)
		}
	}

	for start := time.Now(); time.Since(start) < lastWork && w.keepOnce(lowly); {
	}
	d.Finish()
}

// keepOnce does a piece of work and reports whether there was any.
func (w *diskWriter) keepOnce(lowly func(func())) bool {
	d := w.disk
	jobs := d.RunJobs()
	batch := w.batch()
	if len(batch) > 0 {
		w.save(batch, lowly)
	}
	summed := len(batch) == 0 && d.SumSome(lowly)
	return jobs || len(batch) > 0 || summed
}

// batch takes the next blocks to write, all of one entry or all of small ones, and pinned.
func (w *diskWriter) batch() []saving {
	var batch, useless []saving
	w.mu.Lock()
	// At most half of the disk cache, so that a batch does not evict its own blocks.
	most := max(1, min(diskcache.MaxBatch, w.mem.pool.slots/8, int(w.disk.Limit()/blockSize/2)))
	n := 0
	for _, s := range w.queue {
		if len(batch) == most ||
			len(batch) > 0 && batch[0].e != s.e && !(batch[0].e.IsSmall() && s.e.IsSmall()) {
			break
		}
		n++
		if s.b.gone || s.e.Has(s.b.index) {
			useless = append(useless, s)
			continue
		}
		s.b.pins++
		batch = append(batch, s)
	}
	w.queue = slices.Delete(w.queue, 0, n)
	if w.shorter != nil {
		close(w.shorter)
		w.shorter = nil
	}
	w.mu.Unlock()
	for _, s := range useless {
		w.disk.Release(s.e)
	}
	return batch
}

// save writes batch, which is pinned, and unpins it.
func (w *diskWriter) save(batch []saving, lowly func(func())) {
	blocks := make([]diskcache.Block, len(batch))
	for i, s := range batch {
		blocks[i] = diskcache.Block{Entry: s.e, Index: s.b.index,
			Bytes: w.mem.pool.bytes(s.b.slot)[:s.b.v.length(s.b.index)]}
	}
	toDisk := w.disk.Write(blocks, lowly)
	w.mu.Lock()
	w.stats.ToDisk += toDisk
	for _, s := range batch {
		w.mem.unpin(s.b)
	}
	w.mu.Unlock()
	for _, s := range batch {
		w.disk.Release(s.e)
	}
}

// awaitSaved waits until the disk cache has most of what it is to keep: what left memory
// before would have been fetched for nothing.
func (w *diskWriter) awaitSaved(ctx context.Context) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	for len(w.queue) > w.mem.pool.slots/4 {
		if w.shorter == nil {
			w.shorter = make(chan struct{})
		}
		shorter := w.shorter
		w.mu.Unlock()
		select {
		case <-shorter:
		case <-ctx.Done():
		}
		w.mu.Lock()
		if err := ctx.Err(); err != nil {
			return err
		}
	}
	return nil
}
