package outbox

import (
	"context"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"github.com/s3share/s3share/cache/outbox/journal"
	"github.com/s3share/s3share/cache/outbox/parts"
	"github.com/s3share/s3share/s3backend"
)

// materializing is what is known of the copying of an item's base.
type materializing struct {
	begun           bool        // a small base is being copied here; guarded by Item.mu
	baseUnavailable atomic.Bool // S3 did not answer when it was to be copied before a write
}

// MaterializeBase copies a small base here before it is changed for the first time: the PutObject
// will need it, and the other party may replace it meanwhile. The error is Stale if that has
// happened already, or why the base may not be read. It is nil if S3 does not answer: the commit
// asks again. A signal does not cut it short, since programs do not expect that of a write, but it
// takes maxMaterializeWait at most. The caller returns an error to a program.
func (it *Item) MaterializeBase(ctx context.Context) error {
	if !it.edits || !it.stage.BaseFitsOnePut() || it.stage.Complete() ||
		it.baseUnavailable.Load() {
		return nil
	}
	short, cancel := context.WithTimeout(context.WithoutCancel(ctx), maxMaterializeWait)
	defer cancel()
	switch err := it.stage.Materialize(short, 0, parts.Size); {
	case err == nil:
		return nil
	case isTransient(err):
		it.baseUnavailable.Store(true)
		return nil
	default:
		it.Refuse(err)
		return err
	}
}

// maxMaterializeWait is how long a write waits for the base. Without a connection it goes on
// without.
const maxMaterializeWait = 5 * time.Second

// materializeAsync copies a small base here as soon as it is edited: the PutObject will need it,
// and the other party may replace it before.
func (it *Item) materializeAsync() {
	it.mu.Lock()
	defer it.mu.Unlock()
	if it.materializing.begun {
		return
	}
	it.materializing.begun = true
	it.o.work.Go(func() {
		if it.stage.Open() != nil {
			return
		}
		defer it.stage.Close()
		if err := it.stage.Materialize(it.o.ctx, 0, parts.Size); err != nil {
			it.o.log.Debug("base not here yet", "key", it.Key(), "err", err)
		}
	})
}

// materializeAll copies all of the base here, and journals that.
func (it *Item) materializeAll(ctx context.Context) error {
	if it.stage == nil || it.stage.Complete() {
		return nil
	}
	if err := it.stage.Open(); err != nil {
		return err
	}
	defer it.stage.Close()
	size := it.stage.Size()
	if err := it.materialize(ctx, 0, size); err != nil {
		return err
	}
	it.changing.Lock()
	defer it.changing.Unlock()
	return it.log.note(it.sealRecord(journal.OpWrite, it.o.boot))
}

// materialize copies what is not staged of [off, end) from the base.
func (it *Item) materialize(ctx context.Context, off, end int64) error {
	return it.baseError(it.stage.Materialize(ctx, off, end))
}

// baseError makes plain that the version under the edit is gone.
func (it *Item) baseError(err error) error {
	if isKind(err, s3backend.Stale) || isKind(err, s3backend.NotExist) {
		return fmt.Errorf("%w (what was written is in %s)", errBaseGone, it.path)
	}
	return err
}

// Materialize copies all of the base here, so that the item needs S3 no more.
func (it *Item) Materialize(ctx context.Context) error {
	return it.materialize(ctx, 0, it.stage.Size())
}

// materializeDependents copies here what other items lie over and this one is about to replace.
func (it *Item) materializeDependents(ctx context.Context) error {
	first := it.target().dependents
	for _, other := range first {
		if err := other.materializeAll(ctx); err != nil && !other.isGone() {
			return err
		}
	}
	it.changeTarget(func(t *target) { t.dependents = slices.Clip(t.dependents[len(first):]) })
	return nil
}

// addDependent records that another item lies over the version that this one replaces. It has to be
// materialized before.
func (it *Item) addDependent(other *Item) {
	it.changeTarget(func(t *target) { t.dependents = append(t.dependents, other) })
}
