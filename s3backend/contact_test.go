package s3backend

import (
	"context"
	"errors"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/s3share/s3share/s3backend/breaker"
)

// TestContact has requests end in every way, and asks whether S3 was reached.
func TestContact(t *testing.T) {
	const (
		answers = iota
		fails
		saysNothing
	)
	for _, tt := range []struct {
		name   string
		method string
		status int
		code   string
		want   int
	}{
		{"done", "GET", 200, "", answers},
		{"absent", "GET", 404, "NoSuchKey", answers},
		{"denied", "GET", 403, "AccessDenied", answers},
		{"unmet", "GET", 412, "PreconditionFailed", answers},
		{"refused for good", "GET", 400, "KMS.DisabledException", answers},
		{"not there", "GET", 501, "NotImplemented", answers},
		{"expired", "GET", 403, "ExpiredToken", fails},
		{"clock", "GET", 403, "RequestTimeTooSkewed", fails},
		{"bucket gone", "GET", 404, "NoSuchBucket", fails},
		{"throttled", "GET", 503, "SlowDown", fails},
		{"broken", "GET", 500, "InternalError", fails},
		{"HEAD refused", "HEAD", 403, "", saysNothing},
		{"HEAD absent", "HEAD", 404, "", answers},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := against(t, func(w http.ResponseWriter, r *http.Request) {
				if tt.status != 200 {
					refuse(w, tt.status, tt.code)
					return
				}
				w.Header().Set("ETag", `"e"`)
				w.Header().Set("Content-Range", "bytes 0-0/1")
				w.Header().Set("Content-Length", "1")
				w.WriteHeader(206)
				_, _ = w.Write([]byte("x"))
			})
			c.contact.breaker.Answered()
			c.contact.breaker.Failed(BadLogin, false)
			before := c.Contact()
			if tt.method == "HEAD" {
				_, _ = c.Head(t.Context(), "k")
			} else if r, err := c.Get(t.Context(),
				Object{Key: "k", Size: 1, ETag: "e"}, 0, 1); err == nil {
				r.Close()
			}
			got := c.Contact()
			answered, failing := got.Answered.After(before.Answered), !got.Failing.IsZero()
			if answered != (tt.want == answers) || failing != (tt.want != answers) {
				t.Errorf("Contact = %+v", got)
			}
			if failing && !got.Failing.Equal(before.Failing) {
				t.Errorf("it fails since %s, want %s, when it began", got.Failing, before.Failing)
			}
			if login := errors.Is(got.Err, BadLogin); failing &&
				got.Since.Equal(before.Since) != login {
				t.Errorf("it fails like this since %s, and before it did like this since %s: %v",
					got.Since, before.Since, got.Err)
			}
			if tt.want == fails && (got.Err == nil || !strings.Contains(got.Err.Error(), tt.code)) {
				t.Errorf("the reason is %v, want %s", got.Err, tt.code)
			}
		})
	}
}

// TestContactOfDirectRequests: those that go past the SDK count as well.
func TestContactOfDirectRequests(t *testing.T) {
	c := against(t, func(w http.ResponseWriter, r *http.Request) { w.Header().Set("ETag", `"e"`) })
	for range 2 { // the second goes directly
		c.contact.breaker = breaker.Breaker{}
		if _, err := c.Put(t.Context(), "k", strings.NewReader("x"),
			1, nil, Condition{}); err != nil {
			t.Fatal(err)
		}
		if c.Contact().Answered.IsZero() {
			t.Error("S3 has answered, and nobody noted it")
		}
	}
	if c.direct.route.Load() == nil {
		t.Error("no request went directly")
	}
}

// TestNoContact has nobody answer: what the caller cuts off proves nothing.
func TestNoContact(t *testing.T) {
	held := make(chan struct{})
	c := against(t, func(http.ResponseWriter, *http.Request) { <-held })
	defer close(held)
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if got, err := c.Check(ctx); !errors.Is(err, context.DeadlineExceeded) || got != (Contact{}) {
		t.Errorf("Check = %+v, %v", got, err)
	}
}

// TestCheckAsksSeldom: a state that is asked for each second costs no request each.
func TestCheckAsksSeldom(t *testing.T) {
	asked := 0
	status := 200
	c := against(t, func(w http.ResponseWriter, r *http.Request) {
		asked++
		if status != 200 {
			refuse(w, status, "ExpiredToken")
			return
		}
		_, _ = w.Write(
			[]byte(
				`<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Name>bkt</Name></ListBucketResult>`))
	})
	check := func(want int, failing bool) {
		t.Helper()
		got, err := c.Check(t.Context())
		if err != nil || asked != want || got.Failing.IsZero() == failing {
			t.Errorf("Check = %+v, %v after %d requests, want %d", got, err, asked, want)
		}
	}
	grow := func() { c.contact.breaker = breaker.Breaker{} } // nothing has ended lately
	check(1, false)
	check(1, false)
	grow()
	status = 403
	check(2, true)
	check(2, true)
	grow()
	status = 200
	check(3, false)
}

// TestNamesThatAreNotFound: where the name of the host cannot be looked up, S3 is out of reach, and
// it is back when the name is found again.
func TestNamesThatAreNotFound(t *testing.T) {
	for name, gone := range map[string]*net.DNSError{
		"no such host":          {Err: "no such host", Name: "s3.example.com", IsNotFound: true},
		"the name server fails": {Err: "server misbehaving", Name: "s3.example.com", IsTemporary: true},
		"no name server":        {Err: "i/o timeout", Name: "s3.example.com", IsTimeout: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := against(t, func(w http.ResponseWriter, r *http.Request) {
				_, _ = w.Write(
					[]byte(
						`<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Name>bkt</Name></ListBucketResult>`))
			})
			var away atomic.Bool
			transport := c.http.client.Transport.(*http.Transport)
			dial := transport.DialContext
			transport.DialContext = func(ctx context.Context,
				network, addr string) (net.Conn, error) {
				if away.Load() {
					return nil, &net.OpError{Op: "dial", Net: network, Err: gone}
				}
				return dial(ctx, network, addr)
			}
			changed := make(chan Contact, 100)
			ctx, cancel := context.WithCancel(t.Context())
			ended := make(chan struct{})
			go func() {
				defer close(ended)
				c.KeepContact(ctx, func(now Contact) { changed <- now })
			}()
			defer func() { cancel(); <-ended }()
			await := func(offline bool) {
				t.Helper()
				for now := range changed {
					if now.Offline == offline {
						return
					}
				}
			}
			await(false)
			away.Store(true)
			c.CloseIdle()
			_, err := c.List(t.Context(), ListInput{})
			if !errors.Is(err, ErrOffline) || !isKind(err, Other) ||
				!errors.As(err, new(*net.DNSError)) {
				t.Errorf("List = %v, want that S3 is out of reach, for the name", err)
			}
			await(true)
			if err := c.allow(t.Context(), "GetObject"); !errors.Is(err, ErrOffline) {
				t.Errorf("the next request is let out: %v", err)
			}
			away.Store(false)
			await(false) // by a probe
			if _, err := c.List(t.Context(), ListInput{}); err != nil {
				t.Errorf("List = %v once the name is found again", err)
			}
		})
	}
}
