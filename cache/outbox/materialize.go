package outbox

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/s3share/s3share/cache/outbox/parts"
	"github.com/s3share/s3share/cache/outbox/stage"
	"github.com/s3share/s3share/s3backend"
)

// materializing copies what is needed of the base into the stage. Any goroutine may call its
// methods. No lock is taken under its own.
type materializing struct {
	o     *Outbox
	path  string       // of the staged file
	stage *stage.Stage // nil for a directory marker

	begun       atomic.Bool // begin was called
	unavailable atomic.Bool // S3 did not answer when the base was to be copied before a write

	mu      sync.Mutex
	readers []closer // of versions that were opened for the stage; guarded by mu
}

type closer interface{ Close() }

// track has the reader of a version closed with the item.
func (m *materializing) track(b Base) Base {
	if c, ok := b.(closer); ok {
		m.mu.Lock()
		m.readers = append(m.readers, c)
		m.mu.Unlock()
	}
	return b
}

// closeReaders closes the readers of all versions.
func (m *materializing) closeReaders() {
	m.mu.Lock()
	readers := m.readers
	m.readers = nil
	m.mu.Unlock()
	for _, r := range readers {
		r.Close()
	}
}

// maxMaterializeWait is how long a write waits for the base. Without a connection it goes on
// without.
const maxMaterializeWait = 5 * time.Second

// beforeWrite copies a small base, before it is changed for the first time. See
// Item.MaterializeBase.
func (m *materializing) beforeWrite(ctx context.Context) error {
	if !m.stage.BaseFitsOnePut() || m.stage.Complete() || m.unavailable.Load() {
		return nil
	}
	short, cancel := context.WithTimeout(context.WithoutCancel(ctx), maxMaterializeWait)
	defer cancel()
	err := m.stage.Materialize(short, 0, parts.Size)
	if err != nil && isTransient(err) {
		m.unavailable.Store(true)
		return nil
	}
	return err
}

// begin copies a small base as soon as it is edited: the PutObject will need it, and the other
// party may replace it before. It returns at once. The commit copies what could not be copied.
func (m *materializing) begin() {
	if !m.begun.CompareAndSwap(false, true) {
		return
	}
	m.o.work.Go(func() {
		if m.stage.Open() != nil {
			return
		}
		defer m.stage.Close()
		if err := m.stage.Materialize(m.o.ctx, 0, parts.Size); err != nil {
			m.o.log.Debug("base not here yet", "staged", m.path, "err", err)
		}
	})
}

// copy copies what is not staged of [off, end). The error is errBaseGone if the version under the
// edit is gone.
func (m *materializing) copy(ctx context.Context, off, end int64) error {
	err := m.stage.Materialize(ctx, off, end)
	if isKind(err, s3backend.Stale) || isKind(err, s3backend.NotExist) {
		return fmt.Errorf("%w (what was written is in %s)", errBaseGone, m.path)
	}
	return err
}

// MaterializeBase copies a small base here before it is changed for the first time: the PutObject
// will need it, and the other party may replace it meanwhile. The error is Stale if that has
// happened already, or why the base may not be read. It is nil if S3 does not answer: the commit
// asks again. A signal does not cut it short, since programs do not expect that of a write, but it
// takes maxMaterializeWait at most. The caller returns an error to a program.
func (c *content) MaterializeBase(ctx context.Context) error {
	if !c.edits {
		return nil
	}
	err := c.materializing.beforeWrite(ctx)
	if err != nil {
		c.Refuse(err)
	}
	return err
}

// materializeAll copies all of the base here, and journals that.
func (c *content) materializeAll(ctx context.Context) error {
	if c.stage == nil || c.stage.Complete() {
		return nil
	}
	if err := c.stage.Open(); err != nil {
		return err
	}
	defer c.stage.Close()
	if err := c.materializing.copy(ctx, 0, c.stage.Size()); err != nil {
		return err
	}
	return c.noteContent()
}

// materializeDependents copies here what other items lie over and this one is about to replace.
func (it *Item) materializeDependents(ctx context.Context) error {
	first := it.target().dependents
	for _, other := range first {
		if err := other.materializeAll(ctx); err != nil && !other.schedule.isGone() {
			return err
		}
	}
	it.changeTarget(func(t *target) { t.dependents = slices.Clip(t.dependents[len(first):]) })
	return nil
}
