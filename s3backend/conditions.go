package s3backend

import (
	"context"
	"errors"
	"net/http"
)

// Condition is what must hold at the destination for a request to be carried
// out. The zero value asks nothing. Where it does not hold, the error is Stale.
type Condition struct {
	IfNoneMatch bool   // no object has the key
	IfMatch     string // the key's object has this ETag (without quotes)
}

// Replacing is the condition of a request that replaces this very version; without an ETag it is
// one that replaces nothing.
func Replacing(over Object) Condition {
	return Condition{IfNoneMatch: over.ETag == "", IfMatch: over.ETag}
}

func (c Condition) zero() bool { return c == Condition{} }

// headers are the values of If-None-Match and If-Match, nil for none.
func (c Condition) headers() (noneMatch, match *string) {
	if c.IfNoneMatch {
		star := "*"
		noneMatch = &star
	}
	if c.IfMatch != "" {
		q := quote(c.IfMatch)
		match = &q
	}
	return noneMatch, match
}

// Conditional reports whether the server is trusted to check the conditions of
// PutObject. Where it is not, a HEAD right before the request checks them, which
// leaves an instant in which the other party's change goes unseen.
func (c *Client) Conditional() bool { return c.quirks.put.trusted() }

// conditional is a write that S3 is to carry out on a condition only.
type conditional struct {
	op, key string
	probes  *writeProbes
	send    func(Condition) error // the request, with these conditions in its headers

	// The number of the use that is the probe, see conditionProbe; 0: this request must not be
	// one, since it would send many bytes twice.
	absentUse, matchUse int32
	// againUse is the same for a request that makes a new object, which is sent once more. The
	// caller has the result of the last one that has succeeded.
	againUse int32
	// A 412 may be due to another condition in the request, that on a copy's source.
	sourced bool
}

// preconditions has writes carried out on a condition, whether or not the server checks it.
type preconditions struct {
	at     *endpoint
	quirks *quirks
	direct *direct
	find   Finder // the Client, to look at what a key holds
}

// send sends the write w, to be carried out if cond holds.
//
// There are three kinds of server. One checks conditions: that takes one request. One refuses them
// (501), or its If-Match matches nothing: a HEAD confirms the first such failure, and from then on
// a HEAD checks instead. One accepts the header in this operation and ignores it: a
// conditionProbe finds that out, and a HEAD goes first until it is known.
//
// If a reply was lost and the attempt was carried out, the next attempt gets a 412. That is Stale
// as well, and Ambiguous: only the caller can recognise its own bytes.
func (p *preconditions) send(ctx context.Context, w conditional, cond Condition) error {
	if cond.zero() {
		return w.send(cond)
	}
	check := func() error { return p.check(ctx, w.op, w.key, cond) }
	if w.probes.unsupported(cond).Load() {
		if err := check(); err != nil {
			return err
		}
		return w.send(Condition{})
	}
	var err error
	switch {
	case !p.at.notAWS:
		err = w.send(cond)
	case cond.IfNoneMatch:
		err = p.createChecked(w, cond, check)
	default:
		err = p.replaceChecked(w, cond, check)
	}
	if isRefusedCondition(err) {
		return p.withoutConditions(ctx, w, cond, err)
	}
	if cond.IfMatch == "" || !isUnmet(err) || !p.at.notAWS {
		return err
	}
	// Does this server's If-Match never match? A second 412, with our ETag still there, is not
	// a change that was undone.
	if check() != nil {
		return err
	}
	if err = w.send(cond); !isUnmet(err) {
		return err
	}
	return p.withoutConditions(ctx, w, cond, err)
}

// createChecked sends a write of a new object to a server that may ignore If-None-Match.
func (p *preconditions) createChecked(w conditional, cond Condition, check func() error) error {
	asked := !w.probes.absent.isChecked() && !p.quirks.noHeadNoList.has(w.key)
	if asked {
		if err := check(); err != nil {
			return err
		}
	}
	err := w.send(cond)
	if isUnmet(err) && !w.sourced {
		w.probes.absent.result.Store(probeChecked)
	}
	if err != nil || !asked || p.quirks.noHeadNoList.has(w.key) {
		return err
	}
	return p.probeAgain(w, cond)
}

// probeAgain sends a write that has just made a new object once more, if a probe is due: cond does
// not hold any more. The error is one after which the write may be carried out later.
func (p *preconditions) probeAgain(w conditional, cond Condition) error {
	probe := &w.probes.absent
	if w.againUse == 0 || !probe.due(w.againUse) || !probe.again.CompareAndSwap(false, true) {
		return nil
	}
	defer probe.again.Store(false)
	done, err := probe.try(func() error { return w.send(cond) })
	switch {
	case done && err == nil:
		p.warnIgnored(w.op)
	case Ambiguous(err):
		return err
	}
	return nil
}

func (p *preconditions) warnIgnored(op string) {
	p.at.log.Warn(
		"this server does not check If-None-Match; a HEAD goes before each request that has it",
		"op", op)
}

// replaceChecked sends a write that replaces a version to a server that may ignore If-Match. It
// probes If-None-Match if that is due.
func (p *preconditions) replaceChecked(w conditional, cond Condition, check func() error) error {
	if w.absentUse > 0 && !w.probes.noAbsent.Load() && w.probes.absent.due(w.absentUse) {
		if err := check(); err != nil {
			return err
		}
		done, err := w.probes.absent.try(func() error {
			return w.send(Condition{IfNoneMatch: true})
		})
		switch {
		case isRefusedCondition(err): // If-Match may be taken
			w.probes.noAbsent.Store(true)
		case done && err == nil:
			p.warnIgnored(w.op)
			return nil
		case done:
			return err
		}
	}
	return w.probes.match.run(w.matchUse, check,
		func() error { return w.send(Condition{IfMatch: noETag}) },
		func() error { return w.send(cond) })
}

// withoutConditions checks by HEAD and sends without headers. Once that has
// worked, the server is not sent this kind of condition by this operation again.
func (p *preconditions) withoutConditions(ctx context.Context,
	w conditional, cond Condition, because error) error {
	if err := p.check(ctx, w.op, w.key, cond); err != nil {
		return err
	}
	if err := w.send(Condition{}); err != nil {
		return err
	}
	if w.probes.unsupported(cond).CompareAndSwap(false, true) {
		p.at.log.Warn(
			"this server does not check a condition on writes; a HEAD goes before each instead",
			"op", w.op, "if_match", cond.IfMatch != "", "reply", because)
	}
	return nil
}

// isRefusedCondition distinguishes a server that knows no conditions from one that
// finds them unmet.
func isRefusedCondition(err error) bool {
	return err != nil &&
		(codeOf(err) == "NotImplemented" || statusOf(err) == http.StatusNotImplemented)
}

// isUnmet reports whether S3 itself found a condition unmet.
func isUnmet(err error) bool { return statusOf(err) == http.StatusPreconditionFailed }

// check asks what the key holds. The error is Stale if cond does not hold. If S3 refuses
// the question, as in a dropbox, which allows neither HEAD nor a listing, cond counts as met; the
// request carries it anyway.
func (p *preconditions) check(ctx context.Context, op, key string, cond Condition) error {
	etag, err := p.currentETag(ctx, key)
	switch {
	case errors.Is(err, Denied):
		return nil
	case errors.Is(err, NotExist):
		if cond.IfMatch == "" {
			return nil
		}
	case err != nil:
		return notSent(err)
	case !cond.IfNoneMatch && etag == cond.IfMatch:
		return nil
	}
	return &Error{Op: op, Key: key, Kind: Stale,
		Err: errors.New("seen by a HEAD before the request")}
}

// currentETag returns the ETag of what the key holds: by HEAD or, if that is refused, by a listing,
// whose first key with the key as prefix is the key.
func (p *preconditions) currentETag(ctx context.Context, key string) (string, error) {
	var err error
	if !p.quirks.noHead.has(key) {
		var etag string
		if etag, err = p.etagOf(ctx, key); !errors.Is(err, Denied) {
			return etag, err
		}
	}
	obj, listErr := ListExact(ctx, p.find, key)
	switch {
	case errors.Is(listErr, NotExist):
	case errors.Is(listErr, Denied):
		p.quirks.noHeadNoList.note(key)
		fallthrough
	case listErr != nil && err != nil:
		return "", err
	case listErr != nil:
		return "", listErr
	}
	p.quirks.noHead.note(key)
	return obj.ETag, listErr
}

// etagOf asks by HEAD for the ETag of what the key holds.
func (p *preconditions) etagOf(ctx context.Context, key string) (string, error) {
	etag, err := p.direct.head(ctx, key)
	var sdk *notDirect
	if !errors.As(err, &sdk) {
		return etag, err
	}
	obj, err := p.find.Head(ctx, key)
	return obj.ETag, err
}

// retryConflictOnce sends again after 409 ConditionalRequestConflict, S3's reply if another write
// of the key was in progress. It does so once: by then the other write has won, and the error is
// Stale.
func retryConflictOnce(send func() error) error {
	err := send()
	if codeOf(err) == "ConditionalRequestConflict" {
		return afterAttempt(err, send())
	}
	return err
}

// missingIsStale makes Stale of "no such key" in the reply to a write whose
// condition named a version: what was to be replaced is gone.
func missingIsStale(err error, cond Condition) error {
	var e *Error
	if cond.IfMatch != "" && errors.As(err, &e) && e.Code() == "NoSuchKey" {
		return &Error{Op: e.Op, Key: e.Key, Kind: Stale, Err: e.Err, Lost: e.Lost}
	}
	return err
}

// whichMissing makes Stale of "no such key" where it is the destination's
// condition that found none, and leaves it where the source is gone.
func (p *preconditions) whichMissing(ctx context.Context, err error,
	key string, cond Condition) error {
	if cond.IfMatch == "" || !errors.Is(err, NotExist) {
		return err
	}
	if _, look := p.currentETag(ctx, key); !errors.Is(look, NotExist) {
		return err
	}
	return missingIsStale(err, cond)
}
