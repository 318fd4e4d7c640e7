package outbox

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/s3share/s3share/cache/outbox/journal"
	"github.com/s3share/s3share/cache/outbox/multipart"
	"github.com/s3share/s3share/cache/outbox/stage"
)

// recoverItem makes an item from its journal, and records the staged files that it has replaced. A
// private file that was never written to is deleted.
func (r *recovery) recoverItem(f journaled) error {
	o := r.o
	was := replay(f.recs)
	for _, staged := range was.displaced {
		r.displaced[staged] = true
	}
	if onlyBegunPrivate(f.recs) {
		removeStaged(f.path)
		return nil
	}
	it := o.itemAt(f.path, was.target)
	it.folder = was.folder
	it.restoreInterruption(was.interrupted)
	it.log.key, it.log.keys = was.key, was.keys
	it.log.sealed.Store(was.sealed)
	it.log.slot = f.slot
	if it.log.left = r.left[filepath.Base(f.path)]; it.log.left != nil {
		o.journals.unended.add(&it.log)
	}
	it.log.lasting.Store(true)
	it.log.lines = len(f.recs) // treat none of these lines as synced
	if f.slot != nil {
		it.schedule.since = lastWrite(slotFilePath(o.cfg.Dir))
	} else {
		it.schedule.since = lastWrite(f.path + journal.Suffix)
	}
	if it.folder {
		it.changeTarget(func(t *target) { t.unsure = true }) // its creation may have been in flight
		it.log.sealed.Store(true)
		r.add(it)
		return nil
	}
	if err := r.restoreStage(it, was); err != nil {
		return err
	}
	o.quota.staged.Add(it.stage.Reserved())
	it.uploading.set(multipart.Restore(o.uploads, it.uploading.file(was.base), was.upload))
	it.restoreAmbiguous()
	if !it.isSealed() {
		// A write opens it again, as any sealed file.
		if err := it.seal(); err != nil {
			o.quota.staged.Add(-it.stage.Reserved())
			return err
		}
	}
	if up := it.uploading.upload(); up != nil && !up.Remote().AbortDate.IsZero() &&
		time.Now().After(up.Remote().AbortDate) {
		it.uploading.set(nil) // the bucket's lifecycle has aborted it
	}
	o.ambiguous.add(it)
	r.add(it)
	return nil
}

// restoreStage gives the item its stage, with the content that its journal describes. If the item
// was open, or its bytes may not be on the disk, it is interrupted. It extends the staged file if
// the process ended during a truncate.
func (r *recovery) restoreStage(it *Item, was *replayed) error {
	content := &was.content
	file := stage.OpenFile(it.path, it.log.slot, min(content.Size, stage.SlotPayload), it.log.spill)
	size, mtime, err := r.checkStaged(it, file, content.Size, was.sum)
	if err != nil {
		return err
	}
	switch {
	case !it.isSealed():
		why := errWasOpen
		if r.rebooted {
			why = errStopped
		}
		it.interrupt(interruption{why: why})
		if was.base.ETag == "" {
			content.Size = size
			content.Dirty.Add(0, size)
		} else if size < content.Size {
			// It was being truncated when the process ended: the base has these bytes.
			if err := os.Truncate(it.path, content.Size); err != nil {
				return err
			}
		}
		content.Mtime = mtime
	case was.boot != "" && !r.o.boots.isNow(was.boot):
		it.interrupt(interruption{why: errNotDisk, rewrite: true})
	}
	var base Base
	if was.base.ETag != "" {
		base = it.materializing.track(r.o.openBase(was.base))
	}
	it.log.logged = slices.Clone(content.Dirty)
	it.setStage(stage.Restore(file, *content, base, r.o.quota.reserve))
	if it.isSealed() && was.boot == "" {
		it.log.synced.Store(it.stage.BytesChanges() + 1)
		it.log.sealedOnDisk.Store(it.stage.Changes() + 1)
	}
	return nil
}

// checkStaged checks that file has the bytes that its journal describes, and returns how many there
// are, and when they were written last.
func (r *recovery) checkStaged(it *Item, file *stage.File, want int64,
	sum *uint32) (size int64, mtime time.Time, err error) {
	if it.log.slot != nil {
		size, mtime = min(want, stage.SlotPayload), it.schedule.since
	} else {
		info, err := os.Stat(it.path)
		if err != nil {
			return 0, mtime, fmt.Errorf("the staged file: %w", err)
		}
		size, mtime = info.Size(), info.ModTime()
	}
	if it.isSealed() && size < want {
		return 0, mtime, fmt.Errorf("%w: the staged file has %d bytes, of %d",
			stage.ErrNotWritten, size,
			want)
	}
	if sum != nil && (it.isSealed() || it.log.slot != nil && r.rebooted) {
		return size, mtime, file.Check(want, *sum)
	}
	return size, mtime, nil
}

func (r *recovery) add(it *Item) {
	r.o.add(it)
	r.items = append(r.items, it)
}
