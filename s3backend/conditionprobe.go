package s3backend

import (
	"errors"
	"sync/atomic"
)

// noETag is an ETag that no object has.
const noETag = "00000000000000000000000000000000"

// A conditionProbe finds out whether a server checks a condition of an operation or ignores it:
// some ignore those of PutObject, CompleteMultipartUpload, CopyObject or DeleteObject.
//
// A reply does not show which. So while it is unknown, a HEAD checks the condition before each
// request, and one request is the probe: right after a HEAD has found that the real condition
// holds, it is sent with one that cannot. A server that checks answers 412 and has done nothing;
// no HEAD is needed from then on. A server that ignores the condition has done what was asked
// for, after the only check that is possible there; each later request needs its HEAD too.
//
// If-None-Match: * always holds for a new object. So it is probed when a version is replaced, where
// it cannot hold, or by sending a new object's request once more: a server that ignores the
// condition makes the same object again. A 412 for a new object's first request proves that it is
// checked, too. That such a request succeeds proves nothing.
//
// A probe costs a request, so it waits until an operation has been used a few times: a person
// who renames one file gains nothing from it. New files are many, and each costs a HEAD while
// it is unknown: so PutObject is probed at once.
type conditionProbe struct {
	result atomic.Int32 // probeUnknown, probeChecked or probeIgnored
	uses   atomic.Int32 // requests that were sent while it was unknown
	again  atomic.Bool  // a new object's request is being sent once more
}

// The results of a probe.
const (
	probeUnknown int32 = iota
	probeChecked
	probeIgnored
)

const (
	// probeAfterUses is the number of the use of an operation that is the probe.
	probeAfterUses = 3
	// probePutAfterUses is the same for PutObject's If-None-Match.
	probePutAfterUses = 1
	// probeAgainAfterUses is the number of the small new object that is put twice, as the probe.
	probeAgainAfterUses = 2
)

// isChecked reports whether the server was found to check the condition.
func (p *conditionProbe) isChecked() bool { return p.result.Load() == probeChecked }

// isIgnored reports whether the server was found to ignore the condition.
func (p *conditionProbe) isIgnored() bool { return p.result.Load() == probeIgnored }

// due counts a use, and reports whether it is to be the probe.
func (p *conditionProbe) due(use int32) bool {
	return p.result.Load() == probeUnknown && p.uses.Add(1) >= use
}

// run sends a request. check asks by HEAD whether its condition holds, never sends it with a
// condition that cannot hold, and send sends it as it is. use is the number of the use that is
// the probe, 0 if this request must not be one.
func (p *conditionProbe) run(use int32, check, never, send func() error) error {
	if p.isChecked() {
		return send()
	}
	if err := check(); err != nil {
		return err
	}
	if use > 0 && p.due(use) {
		if done, err := p.try(never); done {
			return err
		}
	}
	return send()
}

// try sends a request with a condition that cannot hold. It returns true if that was the
// request, or failed; false if S3 refused it, so that the real one is to follow.
func (p *conditionProbe) try(never func() error) (done bool, err error) {
	switch err := never(); {
	case err == nil:
		p.result.Store(probeIgnored)
		return true, nil
	case errors.Is(err, Stale):
		p.result.Store(probeChecked)
		return false, nil
	default:
		return true, err
	}
}

// writeProbes find out whether a write checks its conditions. A server may check the one
// and not the other.
type writeProbes struct {
	match  conditionProbe // If-Match
	absent conditionProbe // If-None-Match: *

	noMatch  atomic.Bool // If-Match is refused, or matches nothing
	noAbsent atomic.Bool // If-None-Match: * is refused
}

// unsupported returns the flag that cond's kind of condition does not work.
func (w *writeProbes) unsupported(cond Condition) *atomic.Bool {
	if cond.IfMatch != "" {
		return &w.noMatch
	}
	return &w.noAbsent
}

// trusted reports whether neither condition is known not to work.
func (w *writeProbes) trusted() bool {
	return !w.noMatch.Load() && !w.noAbsent.Load() && !w.absent.isIgnored() && !w.match.isIgnored()
}
