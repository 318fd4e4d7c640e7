package outbox

import (
	"context"

	"github.com/s3share/s3share/cache/outbox/parts"
)

// preuploadSealed sends the parts of a large file that was closed while it settles, so that only
// the completion of its upload is left to do then. Nobody sees any of it before. What fails is done
// again by the commit, with all its retries. If the item is taken back before, the requests were in
// vain.
func (it *Item) preuploadSealed() {
	if it.o.Admission.refusal() != nil {
		return
	}
	ctx, run := it.schedule.beginPreparing(it.o.ctx, Sealed)
	if run == nil {
		return
	}
	if a, committed := newCommitAttempt(it); !committed {
		if err := a.preupload(ctx); err != nil && context.Cause(ctx) == nil {
			it.o.log.Debug("parts not sent yet", "key", it.Key(), "err", err)
		}
	}
	it.endPreparing(run)
}

// endPreparing ends a run of beginPreparing: its upload takes more parts.
func (it *Item) endPreparing(run *delivery) {
	if up := it.uploading.upload(); up != nil {
		up.Resume() // it may be written again
	}
	it.schedule.endPreparing(run)
}

// preupload does everything of a commit by parts that nobody can see.
func (a *commitAttempt) preupload(ctx context.Context) error {
	it := a.it
	if err := it.stage.Open(); err != nil {
		return err
	}
	defer it.stage.Close()
	_, copied := a.elsewhere()
	size := it.stage.Size()
	if copied || size <= parts.Size || it.headerOnly() {
		return nil
	}
	h, err := it.makeHeader(ctx, newCommitID())
	if err != nil {
		return err
	}
	a.header = h
	it.uploading.preuploadTail()
	_, _, err = a.uploadParts(ctx, size)
	return err
}
