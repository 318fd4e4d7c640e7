package s3backend

import (
	"errors"
	"sync/atomic"
)

// quirks is what was learnt about the server. AWS has none of them.
type quirks struct {
	noIfMatch     atomic.Bool // on writes: refused, or matches nothing
	noIfNoneMatch atomic.Bool // on writes: refused
	noChecksum    atomic.Bool // x-amz-checksum-crc32 is refused
	noDeleteMany  atomic.Bool // DeleteObjects is refused

	// Whether a condition is heeded, by where it stands.
	complete, destination, source, delete trial
}

// useless is what remembers that cond's kind of condition does not work.
func (q *quirks) useless(cond Condition) *atomic.Bool {
	if cond.IfMatch != "" {
		return &q.noIfMatch
	}
	return &q.noIfNoneMatch
}

// noETag is an ETag that no object has.
const noETag = "00000000000000000000000000000000"

// trial finds out whether a server heeds a condition or lets it pass unread,
// as some do with those of CompleteMultipartUpload, CopyObject and
// DeleteObject. A reply does not show which, so a HEAD goes before each request
// until a trial has told: one request with a condition that cannot hold, right
// after a HEAD has found that the real one does. A server that heeds it answers
// 412, nothing has happened, and it is trusted from then on. A server that does
// not has done what was asked for, checked as well as it can be there; before
// each later request a HEAD checks.
//
// A trial costs a request, so it waits until the operation is in use: whoever
// renames one file has nothing of it.
type trial struct {
	found atomic.Int32 // one of the below
	uses  atomic.Int32 // how many requests went out while it was unknown
}

const (
	unknown int32 = iota
	heeded
	ignored
)

// trialUse is which use of an operation is tried out.
const trialUse = 3

// run sends a request. check asks by HEAD whether its condition holds, never
// sends it with a condition that cannot, and send as it is.
func (t *trial) run(check, never, send func() error) error {
	found := t.found.Load()
	if found == heeded {
		return send()
	}
	if err := check(); err != nil {
		return err
	}
	if found == ignored || t.uses.Add(1) < trialUse {
		return send()
	}
	switch err := never(); {
	case err == nil:
		t.found.Store(ignored)
		return nil
	case errors.Is(err, Stale):
		t.found.Store(heeded)
		return send()
	default:
		return err
	}
}
