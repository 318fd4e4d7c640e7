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

// Conditional tells whether the server is trusted to check conditions on
// writes. Where it is not, a HEAD right before the request checks them, which
// leaves an instant in which the other party's change goes unseen.
func (c *Client) Conditional() bool {
	return !c.quirks.noIfMatch.Load() && !c.quirks.noIfNoneMatch.Load()
}

// conditionally runs send with the condition to put into its headers.
//
// Three kinds of server are coped with. One that carries conditions out: one
// request. One that refuses them (501), or whose If-Match matches nothing: the
// first such failure is found out by a HEAD, remembered, and from then on a
// HEAD checks. And one that takes the header on this operation and does
// nothing with it: there heeds, which is nil where no such server is known, is
// found out as trial says, and a HEAD goes first until that is known.
//
// A 412 after a reply that was lost, where the attempt that failed was really
// carried out, is Stale as well, and Ambiguous: only the caller can know its own
// bytes again.
func (c *Client) conditionally(ctx context.Context, op, key string, cond Condition, heeds *trial,
	send func(Condition) error,
) error {
	if cond.zero() {
		return send(cond)
	}
	checkFirst := func() error { return c.check(ctx, op, key, cond) }
	if c.quirks.useless(cond).Load() {
		if err := checkFirst(); err != nil {
			return err
		}
		return send(Condition{})
	}
	var err error
	if heeds == nil || !c.custom {
		err = send(cond)
	} else {
		err = heeds.run(checkFirst,
			func() error { return send(Condition{IfMatch: noETag}) },
			func() error { return send(cond) })
	}
	if isRefusedCondition(err) {
		return c.withoutConditions(ctx, op, key, cond, send, err)
	}
	if cond.IfMatch == "" || !isUnmet(err) || !c.custom {
		return err
	}
	// Does If-Match match nothing here? Twice in a row, with our ETag still
	// there, is more than a change and its undoing.
	if checkFirst() != nil {
		return err
	}
	if err = send(cond); !isUnmet(err) {
		return err
	}
	return c.withoutConditions(ctx, op, key, cond, send, err)
}

// withoutConditions checks by HEAD and sends without headers. Once that has
// worked, the server is not sent this kind of condition again.
func (c *Client) withoutConditions(ctx context.Context, op, key string, cond Condition,
	send func(Condition) error, because error,
) error {
	if err := c.check(ctx, op, key, cond); err != nil {
		return err
	}
	if err := send(Condition{}); err != nil {
		return err
	}
	if c.quirks.useless(cond).CompareAndSwap(false, true) {
		c.log.Warn("this server does not check a condition on writes; a HEAD goes before each instead",
			"op", op, "if_match", cond.IfMatch != "", "reply", because)
	}
	return nil
}

// isRefusedCondition tells a server that knows no conditions from one that
// finds them unmet.
func isRefusedCondition(err error) bool {
	return err != nil && (codeOf(err) == "NotImplemented" || statusOf(err) == http.StatusNotImplemented)
}

// isUnmet tells that S3 itself found a condition unmet.
func isUnmet(err error) bool { return statusOf(err) == http.StatusPreconditionFailed }

// check tests cond by asking what the key holds. Its error is Stale where cond
// does not hold. What may not be asked counts as holding: a dropbox allows
// neither HEAD nor a listing, and the header goes with the request.
func (c *Client) check(ctx context.Context, op, key string, cond Condition) error {
	etag, err := c.look(ctx, key)
	switch {
	case errors.Is(err, Denied):
		return nil
	case errors.Is(err, NotExist):
		if cond.IfMatch == "" {
			return nil
		}
	case err != nil:
		return err
	case !cond.IfNoneMatch && etag == cond.IfMatch:
		return nil
	}
	return &Error{Op: op, Key: key, Kind: Stale, Err: errors.New("seen by a HEAD before the request")}
}

// look returns the ETag of what the key holds: by HEAD, or where that is
// refused by a listing, whose first key with the key as prefix is the key.
func (c *Client) look(ctx context.Context, key string) (string, error) {
	obj, err := c.Head(ctx, key)
	if err == nil {
		return obj.ETag, nil
	}
	if !errors.Is(err, Denied) {
		return "", err
	}
	page, listErr := c.List(ctx, ListInput{Prefix: key, Max: 1})
	if listErr != nil {
		return "", err
	}
	if len(page.Objects) == 1 && page.Objects[0].Key == key {
		return page.Objects[0].ETag, nil
	}
	return "", &Error{Op: "ListObjectsV2", Key: key, Kind: NotExist}
}

// twice sends again after 409 ConditionalRequestConflict, which S3 answers
// when another write of the key was under way: only once, for then the other
// one has won and the error is Stale.
func twice(send func() error) error {
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
