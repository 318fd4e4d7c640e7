package s3backend

import (
	"context"
	"errors"
	"net/url"
	"strings"
	"sync/atomic"
)

// source is an object that is copied: what its copy has to know of it, and how a server is told
// which one it is.
type source struct {
	c *Client
	Object
}

// sourceUseless is what remembers that a copy's If-Match does not work for a source with
// this ETag. Servers that match the ETags of single uploads may never match those of
// uploads in parts.
func (q *quirks) sourceUseless(etag string) *atomic.Bool {
	if inParts(etag) {
		return &q.noSourceDashes
	}
	return &q.noSourceMatch
}

// inParts reports whether an ETag is that of an upload in parts.
func inParts(etag string) bool { return strings.Contains(etag, "-") }

// match calls send, which copies s if its ETag is etag, "" for any. If the server does not
// support that condition, or not for the ETag of an upload in parts, a HEAD before the copy checks
// it. holds reports whether the condition on the destination is known to hold. An ETag that no
// object has is tried out: that it is refused counts as unmet, and the copy that follows goes
// without.
func (s source) match(ctx context.Context, op string, etag string, holds func() bool,
	send func(etag string) error) error {
	if !s.c.notAWS || etag == "" {
		return send(etag)
	}
	useless := s.c.quirks.sourceUseless(s.ETag)
	if etag == s.ETag && useless.Load() {
		if err := s.check(ctx, op); err != nil {
			return err
		}
		return send("")
	}
	err := send(etag)
	if err == nil && inParts(etag) {
		s.c.quirks.worked.sourceDashes.Store(true)
	}
	refused := isRefusedCondition(err)
	switch {
	case etag != s.ETag:
		if refused {
			s.noteUseless(op, useless, err)
			return &Error{Op: op, Key: s.Key, Kind: Stale, Err: err}
		}
		return err
	case !refused && !(isUnmet(err) && inParts(s.ETag) && holds()):
		return err
	}
	switch now, look := s.c.conditions.currentETag(ctx, s.Key); {
	case look == nil && now != s.ETag:
		return &Error{Op: op, Key: s.Key, Kind: Stale, Err: errors.New("the source has changed")}
	case look != nil:
		return err
	}
	again := send("")
	switch {
	case refused && isRefusedCondition(again), isUnmet(again):
		return again
	case again == nil:
		s.noteUseless(op, useless, err)
	}
	return afterAttempt(err, again)
}

// noteUseless remembers that a copy's condition on its source does not work.
func (s source) noteUseless(op string, useless *atomic.Bool, reply error) {
	if useless.CompareAndSwap(false, true) {
		s.c.log.Warn(
			"this server does not check a copy's condition on its source; a HEAD goes before each instead", "op", op, "reply", reply)
	}
}

// name names an object in this bucket as x-amz-copy-source wants it: all
// but the unreserved characters of RFC 3986 and the slash are escaped, for S3
// reads a plus sign as a space. An access point is named by its ARN or its alias.
// Source: Amazon S3 API Reference, CopyObject, x-amz-copy-source.
func (s source) name() string {
	const hex = "0123456789ABCDEF"
	var b strings.Builder
	name := s.c.bucket + "/" + s.Key
	if IsAccessPoint(s.c.bucket) {
		name = s.c.bucket + "/object/" + s.Key
	}
	b.Grow(len(name))
	for i := range len(name) {
		switch ch := name[i]; {
		case 'a' <= ch && ch <= 'z', 'A' <= ch && ch <= 'Z', '0' <= ch && ch <= '9',
			ch == '-', ch == '.', ch == '_', ch == '~', ch == '/':
			b.WriteByte(ch)
		default:
			b.WriteByte('%')
			b.WriteByte(hex[ch>>4])
			b.WriteByte(hex[ch&15])
		}
	}
	if s.ByVersion {
		b.WriteString("?versionId=" + url.QueryEscape(s.Version))
	}
	return b.String()
}
