package s3backend

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"
)

func isKind(err error, k Kind) bool {
	var e *Error
	return errors.As(err, &e) && e.Kind == k && errors.Is(err, k)
}

func TestKinds(t *testing.T) {
	var status int
	var code string
	c := once(against(t, func(w http.ResponseWriter, r *http.Request) { refuse(w, status, code) }))
	for _, tt := range []struct {
		status int
		code   string
		want   Kind
	}{
		{404, "NoSuchKey", NotExist},
		{404, "NoSuchUpload", NotExist},
		{404, "NoSuchBucket", NoBucket},
		{404, "", NotExist},
		{403, "AccessDenied", Denied},
		{403, "", Denied}, // some servers refuse without a word
		{403, "InvalidAccessKeyId", BadLogin},
		{403, "SignatureDoesNotMatch", BadLogin},
		{403, "RequestTimeTooSkewed", BadLogin},
		{400, "ExpiredToken", BadLogin},
		{400, "InvalidToken", BadLogin},
		{400, "TokenRefreshRequired", BadLogin},
		{401, "", BadLogin},
		{412, "PreconditionFailed", Stale},
		{409, "ConditionalRequestConflict", Stale},
		{409, "OperationAborted", Other},
		{403, "InvalidObjectState", Archived},
		{400, "EntityTooLarge", TooLarge},
		{503, "SlowDown", Busy},
		{503, "", Busy},
		{429, "TooManyRequests", Busy},
		{500, "InternalError", Other},
		{403, "QuotaExceeded", Other}, // full, not forbidden
		{507, "XMinioStorageFull", Other},
		{400, "MadeUpCode", Refused},
		{400, "KMS.DisabledException", Refused},
		{400, "KMS.ThrottlingException", Busy},
		{500, "KMS.KMSInternalException", Other},
		{400, "InvalidRequest", Refused},
		{400, "MetadataTooLarge", Refused},
		{400, "KeyTooLongError", Refused},
		{400, "AccessControlListNotSupported", Refused},
		{400, "EntityTooSmall", Refused},
		{400, "", Refused},
		{402, "", Refused},
		{405, "MethodNotAllowed", Refused},
		{411, "MissingContentLength", Refused},
		{414, "", Refused},
		{422, "", Refused},
		{501, "NotImplemented", Refused},
		{403, "ObjectNotInActiveTierError", Archived},
		{400, "BadDigest", Corrupted},
		{400, "IncompleteBody", Corrupted},
		{400, "XAmzContentSHA256Mismatch", Corrupted},
		{400, "RequestTimeout", Other},
		{408, "", Other},
		{409, "", Other},
		{425, "", Other},
		{429, "", Busy},
		{400, "ThrottlingException", Busy},
		{502, "", Other},
		{504, "", Other},
	} {
		status, code = tt.status, tt.code
		_, err := c.Tagging(t.Context(), "k")
		if !isKind(err, tt.want) {
			t.Errorf("%d %q: %v, want %v", status, code, err, tt.want)
			continue
		}
		var e *Error
		errors.As(err, &e)
		if e.Op != "GetObjectTagging" || e.Key != "k" || e.Status() != status ||
			e.RequestID() != "REQ1" || code != "" && e.Code() != code {
			t.Errorf("%d %q: Op %q, Key %q, Status %d, RequestID %q, Code %q", status,
				code, e.Op, e.Key, e.Status(), e.RequestID(), e.Code())
		}
	}
	if got := (&Error{Op: "Open", Kind: BadLogin}).Error(); got != "Open: credentials refused" {
		t.Errorf("Error() = %q", got)
	}
	status, code = 403, "AccessDenied"
	_, err := c.Tagging(t.Context(), "k")
	if want :=
		`GetObjectTagging "k": access denied: AccessDenied: words (status 403, request REQ1)`; err.Error() != want {
		t.Errorf("Error() = %q, want %q", err, want)
	}
}

// TestHeadKinds is about replies without a body.
func TestHeadKinds(t *testing.T) {
	for _, tt := range []struct {
		head int    // the HEAD's status
		get  string // the code that a GET is told
		want Kind
	}{
		{404, "", NotExist},
		{403, "", Denied},
		{412, "", Stale},
		{503, "", Busy},
		{400, "ExpiredToken", BadLogin},
		{400, "InvalidRequest", CustomerKey},
		{400, "InvalidArgument", Refused},
	} {
		c := once(against(t, func(w http.ResponseWriter, r *http.Request) {
			if r.Method == "HEAD" {
				w.WriteHeader(tt.head)
				return
			}
			refuse(w, 400, tt.get)
		}))
		if _, err := c.Head(t.Context(), "k"); !isKind(err, tt.want) {
			t.Errorf("Head answered %d: %v, want %v", tt.head, err, tt.want)
		}
	}
}

// TestContext sees that a caller who leaves gets his own reason back, at once,
// and no kind.
func TestContext(t *testing.T) {
	why := errors.New("unmounted")
	in := make(chan struct{})
	c := against(t, func(w http.ResponseWriter, r *http.Request) {
		in <- struct{}{}
		<-r.Context().Done()
	})
	ctx, cancel := context.WithCancelCause(t.Context())
	go func() { <-in; cancel(why) }()
	_, err := c.Head(ctx, "k")
	if !errors.Is(err, context.Canceled) || !errors.Is(err, why) || errors.Is(err, Other) {
		t.Errorf("Head = %v, want context.Canceled because %v, and no kind", err, why)
	}
	if !strings.Contains(fmt.Sprint(err), `HeadObject "k"`) {
		t.Errorf("Error() = %q names no request", err)
	}
	if n := c.Counts()["HeadObject"]; n != 1 {
		t.Errorf("%d attempts, want 1", n)
	}
	late, cancelLate := context.WithDeadline(t.Context(), time.Unix(0, 0))
	defer cancelLate()
	if _, err := c.Head(late, "k"); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Head after the deadline = %v", err)
	}
}

// TestRetries counts attempts: the SDK's retries, each counted, and no others.
func TestRetries(t *testing.T) {
	for _, tt := range []struct {
		status int
		want   int64
	}{{500, 2}, {503, 2}, {403, 1}, {404, 1}, {412, 1}} {
		c := against(t, func(w http.ResponseWriter, r *http.Request) { refuse(w, tt.status, "") })
		c.Head(t.Context(), "k")
		if got := c.Counts()["HeadObject"]; got != tt.want {
			t.Errorf("a HEAD answered %d: %d attempts, want %d", tt.status, got, tt.want)
		}
	}
}

// TestNetwork: what the network says never becomes a kind but Other.
func TestNetwork(t *testing.T) {
	c := once(clientOf(t, "http://127.0.0.1:1"))
	const want = `HeadObject "k": dial tcp 127.0.0.1:1: connect: connection refused`
	if _, err := c.Head(t.Context(), "k"); !isKind(err, Other) || err.Error() != want {
		t.Errorf("Head with nobody there = %v, want %s", err, want)
	}
	lost := against(t, func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })
	if err := lost.Delete(t.Context(), "k", Condition{}); !isKind(err, Other) ||
		err.Error() != `DeleteObject "k": EOF` {
		t.Errorf("Delete whose reply is lost = %v", err)
	}
}
