package s3backend

import (
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// quirks is what was learnt about the server. AWS has none of them.
type quirks struct {
	noChecksum     atomic.Bool // x-amz-checksum-crc32 is refused
	noPartSums     atomic.Bool // CompleteMultipartUpload refuses the parts' checksums
	noDeleteMany   atomic.Bool // DeleteObjects is refused
	noSourceMatch  atomic.Bool // a copy's condition on its source is refused
	noSourceDashes atomic.Bool // it never matches the ETags of uploads in parts

	// Whether a condition is heeded, by the operation: a server may do for one what it
	// does not do for another.
	put, complete, destination, delete writeTrials
	source                             trial

	completeETag trial // whether CompleteMultipartUpload tells the ETag that the object has

	worked worked

	headless folders // HEAD is refused, a listing is not
	blind    folders // both are refused
}

// writeTrials find out whether a write heeds its conditions. A server may heed the one
// and not the other.
type writeTrials struct {
	match  trial // If-Match
	absent trial // If-None-Match: *

	noMatch  atomic.Bool // If-Match is refused, or matches nothing
	noAbsent atomic.Bool // If-None-Match: * is refused
}

// useless is what remembers that cond's kind of condition does not work.
func (w *writeTrials) useless(cond Condition) *atomic.Bool {
	if cond.IfMatch != "" {
		return &w.noMatch
	}
	return &w.noAbsent
}

// trusted reports whether neither condition is known not to work.
func (w *writeTrials) trusted() bool {
	return !w.noMatch.Load() && !w.noAbsent.Load() && w.absent.found.Load() != ignored && w.match.found.Load() != ignored
}

// noETag is an ETag that no object has.
const noETag = "00000000000000000000000000000000"

// trial finds out whether a server heeds a condition or lets it pass unread, as some do
// with each of those of PutObject, CompleteMultipartUpload, CopyObject and DeleteObject.
// A reply does not show which, so a HEAD goes before each request until a trial has told:
// one request with a condition that cannot hold, right after a HEAD has found that the
// real one does. A server that heeds it answers 412, nothing has happened, and it is
// trusted from then on. A server that does not has done what was asked for, checked as
// well as it can be there; before each later request a HEAD checks.
//
// If-None-Match: * cannot fail to hold where a new object is made. So it is tried out
// where a version is replaced: there it cannot hold. A 412 to a new object's request
// proves that it is heeded as well; that the request succeeds proves nothing.
//
// A trial costs a request, so it waits until the operation is in use: whoever
// renames one file has nothing of it. New files are many, and each costs a HEAD: so
// PutObject's is made at once.
type trial struct {
	found atomic.Int32 // one of the below
	uses  atomic.Int32 // how many requests went out while it was unknown
}

const (
	unknown int32 = iota
	heeded
	ignored
)

const (
	// trialUse is which use of an operation is tried out.
	trialUse = 3
	// putTrialUse is the same for PutObject's If-None-Match.
	putTrialUse = 1
)

// due counts a use, and reports whether that is the one to try out.
func (t *trial) due(use int32) bool {
	return t.found.Load() == unknown && t.uses.Add(1) >= use
}

// run sends a request. check asks by HEAD whether its condition holds, never
// sends it with a condition that cannot, and send as it is. use is which use is tried
// out, 0 for not with this request.
func (t *trial) run(use int32, check, never, send func() error) error {
	if t.found.Load() == heeded {
		return send()
	}
	if err := check(); err != nil {
		return err
	}
	if use > 0 && t.due(use) {
		if done, err := t.try(never); done {
			return err
		}
	}
	return send()
}

// try sends a request with a condition that cannot hold. done: that was the request, or
// it failed; else it was refused, and the real one is to follow.
func (t *trial) try(never func() error) (done bool, err error) {
	switch err := never(); {
	case err == nil:
		t.found.Store(ignored)
		return true, nil
	case errors.Is(err, Stale):
		t.found.Store(heeded)
		return false, nil
	default:
		return true, err
	}
}

// folders remembers top-level folders in which S3 has refused something, since policies
// tell those apart: to ask again before each write would be one more refusal each time.
type folders struct {
	mu sync.Mutex
	at map[string]time.Time // by folder, when it was refused
}

// refusedFor is how long that is remembered.
const refusedFor = time.Minute

func (f *folders) note(key string) {
	folder, _, _ := strings.Cut(key, "/")
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.at == nil {
		f.at = map[string]time.Time{}
	}
	f.at[folder] = time.Now()
}

// has reports whether something was refused lately in the folder that key is in.
func (f *folders) has(key string) bool {
	folder, _, _ := strings.Cut(key, "/")
	f.mu.Lock()
	defer f.mu.Unlock()
	at, ok := f.at[folder]
	return ok && time.Since(at) < refusedFor
}
