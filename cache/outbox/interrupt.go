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
	it.interruptionNoted(said)
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

// interruption returns why the file is not for delivery, nil if it is.
func (it *Item) interruption() *interruption {
	it.mu.Lock()
	defer it.mu.Unlock()
	return it.interrupted
}

// interruptionNoted records that the journal has the interruption said.
func (it *Item) interruptionNoted(said *interruption) {
	it.mu.Lock()
	defer it.mu.Unlock()
	it.setNoted(said)
}

// toSeal reports whether a seal would add anything to the journal.
func (it *Item) toSeal() bool {
	it.mu.Lock()
	defer it.mu.Unlock()
	return !it.log.sealed.Load() || it.unnoted()
}

// Interrupt records that a signal ended a writer. What it wrote may be half of what it meant, and
// is not delivered.
func (it *Item) Interrupt() { it.interrupt(interruption{why: errKilled}) }

// interrupt keeps the file here for in, and reports whether it did: not where it is kept
// for as much already.
func (it *Item) interrupt(in interruption) bool {
	it.mu.Lock()
	defer it.mu.Unlock()
	return it.integrity.interrupt(in)
}

// clearInterruption ends the interruption of a closed file if writing on completes it.
func (it *Item) clearInterruption() {
	it.mu.Lock()
	defer it.mu.Unlock()
	if it.completeByWriting() {
		it.reason = nil
	}
}

// emptied records that the file was truncated to nothing.
func (it *Item) emptied() {
	it.mu.Lock()
	defer it.mu.Unlock()
	it.setEmptied()
}

// Renew ends an interruption if the file was truncated to nothing since. A write does the same.
// Renew is for programs that mean the file to be empty.
func (it *Item) Renew() {
	it.mu.Lock()
	defer it.mu.Unlock()
	if it.completeByRewriting() {
		it.reason = nil
	}
}

// interruptedBy returns why the file is not for delivery, or nil.
func (it *Item) interruptedBy() error {
	it.mu.Lock()
	defer it.mu.Unlock()
	if it.interrupted == nil {
		return nil
	}
	return it.interrupted.why
}

// Deliver sends an interrupted item as it is.
func (it *Item) Deliver() error {
	it.changing.Lock() // a write after this seal has to note that the file is open again
	defer it.changing.Unlock()
	it.mu.Lock()
	was := it.interrupted
	if it.state != Interrupted {
		it.mu.Unlock()
		return nil
	}
	it.interrupted = nil
	it.mu.Unlock()
	err := it.log.note(it.sealRecord(journal.OpSeal, it.o.boot))
	it.mu.Lock()
	defer it.mu.Unlock()
	if err != nil {
		it.interrupted = was
		return err
	}
	it.log.sealed.Store(true)
	if it.writers == 0 && !it.goneLocked() {
		it.state = Sealed
		it.scheduleOrParkLocked(0)
	}
	return nil
}
