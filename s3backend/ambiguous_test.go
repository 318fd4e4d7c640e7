package s3backend

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
)

// TestRefusalIsAmbiguousOnlyIfAReplyWasLost lets attempts at a write fail one after
// another: only where one of them may have been carried out, the last one's answer
// does not tell what S3 holds.
func TestRefusalIsAmbiguousOnlyIfAReplyWasLost(t *testing.T) {
	hang := func(w http.ResponseWriter) {
		c, _, _ := w.(http.Hijacker).Hijack()
		c.Close()
	}
	say := func(status int, code string) func(http.ResponseWriter) {
		return func(w http.ResponseWriter) { refuse(w, status, code) }
	}
	for _, c := range []struct {
		name     string
		attempts []func(http.ResponseWriter) // all but the last are worth another one
		kind     Kind
		want     bool
	}{
		{"a condition that fails", []func(http.ResponseWriter){say(412, "PreconditionFailed")}, Stale, false},
		{"denied, and once more with a signed body", []func(http.ResponseWriter){say(403, "AccessDenied"), say(403, "AccessDenied")}, Denied, false},
		{"throttled before", []func(http.ResponseWriter){say(503, "SlowDown"), say(412, "PreconditionFailed")}, Stale, false},
		{"throttled for good", []func(http.ResponseWriter){say(503, "SlowDown"), say(503, "SlowDown")}, Busy, false},
		{"a conflict with another write before", []func(http.ResponseWriter){say(409, "ConditionalRequestConflict"), say(412, "PreconditionFailed")}, Stale, false},
		{"a lost reply before", []func(http.ResponseWriter){hang, say(412, "PreconditionFailed")}, Stale, true},
		{"S3 failed before", []func(http.ResponseWriter){say(500, "InternalError"), say(412, "PreconditionFailed")}, Stale, true},
		{"a lost reply, and a conflict with another write", []func(http.ResponseWriter){hang, say(409, "ConditionalRequestConflict"), say(412, "PreconditionFailed")}, Stale, true},
		{"no reply", []func(http.ResponseWriter){hang, hang}, Other, true},
		{"S3 fails", []func(http.ResponseWriter){say(500, "InternalError"), say(500, "InternalError")}, Other, true},
	} {
		for name, new := range map[string]func(*testing.T, http.HandlerFunc) *Client{
			"by the SDK": func(t *testing.T, h http.HandlerFunc) *Client { return against(t, h) },
			"directly":   learnt,
		} {
			t.Run(c.name+"/"+name, func(t *testing.T) {
				t.Parallel()
				var n atomic.Int64
				client := new(t, func(w http.ResponseWriter, r *http.Request) {
					c.attempts[min(int(n.Add(1)), len(c.attempts))-1](w)
				})
				client.notAWS = false // no look goes before
				_, err := client.Put(t.Context(), "k", strings.NewReader("abc"),
					3, nil, Condition{IfNoneMatch: true})
				if c.kind != Other && !errors.Is(err, c.kind) {
					t.Errorf("Put: %v, want %v", err, c.kind)
				}
				if got := Ambiguous(err); got != c.want {
					t.Errorf("Ambiguous(%v) = %v, want %v", err, got, c.want)
				}
				if int(n.Load()) != len(c.attempts) {
					t.Errorf("%d attempts, want %d", n.Load(), len(c.attempts))
				}
			})
		}
	}
	client := against(t, func(w http.ResponseWriter, r *http.Request) { hang(w) })
	_, err := client.Put(t.Context(), "k", strings.NewReader("abc"),
		3, nil, Condition{IfNoneMatch: true})
	if err == nil || Ambiguous(err) {
		t.Errorf("Ambiguous(%v) = true, of a request that was not sent", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := wrapError(ctx, "PutObject", "k", ctx.Err()); !Ambiguous(err) {
		t.Errorf("Ambiguous(%v) = false, of a request that was cut off", err)
	}
	if Ambiguous(nil) {
		t.Error("success is ambiguous")
	}
}
