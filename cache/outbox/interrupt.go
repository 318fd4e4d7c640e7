package outbox

import (
	"errors"
	"fmt"

	"github.com/s3share/s3share/cache/outbox/journal"
	"github.com/s3share/s3share/s3backend"
)

// change calls f, which changes the staged bytes. Every change of the content goes through it:
// after an error that a program gets, the file is not for delivery.
func (it *Item) change(f func() error) error {
	it.changing.RLock()
	defer it.changing.RUnlock()
	err := it.beforeWrite()
	if err == nil {
		err = f()
	}
	if err != nil {
		it.Refuse(err)
	}
	return err
}

// Refuse notes that a program was refused what it meant to be in the file, and why. The
// file is not delivered then, by no later process either, until it is written anew,
// replaced, or sent by Deliver.
func (it *Item) Refuse(err error) {
	in := interruption{why: fmt.Errorf("writing it failed: %w", err), rewrite: true}
	if !it.interrupt(in) {
		return
	}
	said := it.interruption()
	nerr := it.log.note(journal.Record{Op: journal.OpRefuse, Killed: true,
		Why: "writing it failed: " + plainText(err), Rewrite: true})
	if nerr != nil {
		nerr = it.log.breakSeal() // then the item counts as interrupted as well
	}
	if nerr != nil {
		it.o.log.Error("the journal cannot say that a write was refused", "key", it.Key(), "err", nerr)
		return
	}
	it.setNoted(said)
}

// plainText is err for people who ask a later process, which does not have the error itself:
// of a request, how it failed, without the key and the SDK's layers.
func plainText(err error) string {
	var s3err *s3backend.Error
	switch {
	case !errors.As(err, &s3err):
		return err.Error()
	case s3err.Code() != "":
		return fmt.Sprintf("%s (%s)", s3err.Kind, s3err.Code())
	}
	return s3err.Kind.Error()
}

// toSeal reports whether a seal would add anything to the journal.
func (it *Item) toSeal() bool {
	return !it.log.sealed.Load() || it.unnoted()
}

// beginRewrite ends the interruption of a closed file if writing on completes it.
func (it *Item) beginRewrite() {
	if it.completeByWriting() {
		it.clearReason()
	}
}

// Renew ends an interruption if the file was truncated to nothing since. A write does the same.
// Renew is for programs that mean the file to be empty.
func (it *Item) Renew() {
	if it.completeByRewriting() {
		it.clearReason()
	}
}

// Deliver sends an interrupted item as it is.
func (it *Item) Deliver() error {
	it.changing.Lock() // a write after this seal has to note that the file is open again
	defer it.changing.Unlock()
	it.mu.Lock()
	if it.state != Interrupted {
		it.mu.Unlock()
		return nil
	}
	was := it.complete()
	it.mu.Unlock()
	err := it.log.note(it.sealRecord(journal.OpSeal, it.o.boot))
	it.mu.Lock()
	defer it.mu.Unlock()
	if err != nil {
		it.restoreInterruption(was)
		return err
	}
	it.log.sealed.Store(true)
	if it.writers == 0 && !it.goneLocked() {
		it.state = Sealed
		it.scheduleOrParkLocked(0)
	}
	return nil
}
