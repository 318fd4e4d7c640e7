package s3backend

import (
	"context"
	"errors"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// learnt is against, with a client that has learnt its route by a request that h
// does not see.
func learnt(t *testing.T, h http.HandlerFunc) *Client {
	t.Helper()
	var begun atomic.Bool
	c := against(t, func(w http.ResponseWriter, r *http.Request) {
		if begun.Load() {
			h(w, r)
		} else {
			yes(w, r)
		}
	})
	if err := put(t, c); err != nil {
		t.Fatal(err)
	}
	begun.Store(true)
	if c.direct.route.Load() == nil {
		t.Fatal("the route is not learnt")
	}
	return c
}

func put(t *testing.T, c *Client) error {
	_, err := c.Put(t.Context(), "k", strings.NewReader("abc"), 3, nil, Condition{})
	return err
}

func get(ctx context.Context, c *Client) error {
	r, err := c.Get(ctx, Object{Key: "k", ETag: "e"}, 0, 3)
	if err == nil {
		_, err = io.ReadAll(r)
		r.Close()
	}
	return err
}

// TestDirectIsAsTheSDK compares what goes out directly with what the SDK sends: the
// headers and the query are the same, but for those that tell of the SDK's own doing.
func TestDirectIsAsTheSDK(t *testing.T) {
	var mu sync.Mutex
	var sent []*http.Request
	c := against(t, func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		sent = append(sent, r.Clone(context.Background()))
		mu.Unlock()
		yes(w, r)
	})
	c.SetExpectedOwner("123456789012")
	c.notAWS = false // no look goes before
	all := &Header{
		ContentType: "text/plain", ContentEncoding: "gzip",
		ContentDisposition: "inline", ContentLanguage: "en",
		CacheControl: "no-store", Expires: "0", User: map[string]string{"mtime": "1.5",
			"a-b": "c"}, Tagging: "a=1&b=2",
	}
	for _, c2 := range []struct {
		name string
		send func() error
	}{
		{"put", func() error {
			_, err := c.Put(t.Context(), "a b/ü", strings.NewReader("abc"), 3, all,
				Condition{IfMatch: "x"})
			return err
		}},
		{"put of nothing", func() error {
			_, err := c.Put(t.Context(), "empty", strings.NewReader(""), 0, nil,
				Condition{IfNoneMatch: true})
			return err
		}},
		{"get", func() error { return get(t.Context(), c) }},
	} {
		c.direct.route.Store(nil)
		sent = nil
		for range 2 {
			if err := c2.send(); err != nil {
				t.Fatalf("%s: %v", c2.name, err)
			}
			if c.direct.route.Load() == nil {
				t.Fatalf("%s: the route is not learnt", c2.name)
			}
		}
		bySDK, direct := sent[0], sent[1]
		if direct.Header.Get("Amz-Sdk-Invocation-Id") != "" {
			t.Fatalf("%s: the second request is the SDK's too", c2.name)
		}
		if a, b := bySDK.Method+bySDK.URL.String()+bySDK.Host,
			direct.Method+direct.URL.String()+direct.Host; a != b {
			t.Errorf("%s: sent to %q, by the SDK to %q", c2.name, b, a)
		}
		if bySDK.ContentLength != direct.ContentLength {
			t.Errorf("%s: sent %d bytes, by the SDK %d", c2.name,
				direct.ContentLength, bySDK.ContentLength)
		}
		for _, name := range []string{"Amz-Sdk-Invocation-Id", "Amz-Sdk-Request",
			"Authorization", "X-Amz-Date"} {
			bySDK.Header.Del(name)
			if name == "Authorization" && !strings.HasPrefix(direct.Header.Get(name),
				"AWS4-HMAC-SHA256 Credential=id/") ||
				name == "X-Amz-Date" && direct.Header.Get(name) == "" {
				t.Errorf("%s: sent with %s %q", c2.name, name, direct.Header.Get(name))
			}
			direct.Header.Del(name)
		}
		if !maps.EqualFunc(bySDK.Header, direct.Header, slices.Equal) {
			t.Errorf("%s: sent with\n%v\nby the SDK with\n%v", c2.name, direct.Header, bySDK.Header)
		}
	}
}

// TestDirectRefusals: what S3 says no to is told as ever, after no more attempts.
func TestDirectRefusals(t *testing.T) {
	for _, c := range []struct {
		status   int
		code     string
		want     Kind
		attempts int64
	}{
		{403, "AccessDenied", Denied, 1},
		{403, "", Denied, 1},
		{404, "NoSuchKey", NotExist, 1},
		{404, "NoSuchBucket", NoBucket, 1},
		{412, "PreconditionFailed", Stale, 1},
		{413, "EntityTooLarge", TooLarge, 1},
		{503, "SlowDown", Busy, 2},
		{500, "InternalError", Other, 2},
		{403, "ExpiredToken", BadLogin, 2}, // once more by the SDK
	} {
		for _, op := range []string{"PutObject", "GetObject"} {
			var n atomic.Int64
			client := learnt(t, func(w http.ResponseWriter, r *http.Request) {
				n.Add(1)
				refuse(w, c.status, c.code)
			})
			before := client.Counts()[op]
			var err error
			if op == "PutObject" {
				err = put(t, client)
			} else {
				err = get(t.Context(), client)
			}
			var e *Error
			if !errors.As(err, &e) || !errors.Is(err, c.want) || e.Op != op || e.Key != "k" ||
				e.Status() != c.status || e.RequestID() != "REQ1" {
				t.Errorf("%s, %d %s: %v, want %v", op, c.status, c.code, err, c.want)
			}
			if c.code != "" && e.Code() != c.code {
				t.Errorf("%s, %d %s: code %q", op, c.status, c.code, e.Code())
			}
			want := c.attempts
			if op == "PutObject" && c.want == Denied {
				want++ // with a signed body
			}
			if got := client.Counts()[op] - before; n.Load() != want || got != want {
				t.Errorf("%s, %d %s: %d requests came, %d are counted, want %d",
					op, c.status, c.code, n.Load(), got, want)
			}
		}
	}
}

// TestDirectGoesOn: what fails in passing is sent again, with the whole body.
func TestDirectGoesOn(t *testing.T) {
	for _, fault := range []func(w http.ResponseWriter){
		func(w http.ResponseWriter) { refuse(w, 503, "SlowDown") },
		func(w http.ResponseWriter) {
			c, _, _ := w.(http.Hijacker).Hijack()
			c.Close()
		},
		func(w http.ResponseWriter) { // breaks off before it says why
			w.Header().Set("Content-Length", "200")
			w.WriteHeader(403)
			io.WriteString(w, "<Error><Code>Exp")
		},
	} {
		var n atomic.Int64
		c := learnt(t, func(w http.ResponseWriter, r *http.Request) {
			if n.Add(1)%2 == 1 {
				fault(w)
				return
			}
			if b, _ := io.ReadAll(r.Body); r.Method == "PUT" && string(b) != "abc" {
				t.Errorf("sent again with %q", b)
			}
			yes(w, r)
		})
		if err := put(t, c); err != nil {
			t.Error(err)
		}
		if err := get(t.Context(), c); err != nil {
			t.Error(err)
		}
		if n.Load() != 4 {
			t.Errorf("%d requests, want 4", n.Load())
		}
	}
}

// TestDirectClock: a clock that is wrong costs one request more, once.
func TestDirectClock(t *testing.T) {
	const wrong = -2 * time.Hour
	var n atomic.Int64
	skewed := func(w http.ResponseWriter, r *http.Request) {
		n.Add(1)
		w.Header().Set("Date", time.Now().Add(wrong).UTC().Format(http.TimeFormat))
		at, err := time.Parse("20060102T150405Z", r.Header.Get("X-Amz-Date"))
		if err != nil || time.Since(at.Add(-wrong)).Abs() > time.Hour {
			refuse(w, 403, "RequestTimeTooSkewed")
			return
		}
		yes(w, r)
	}
	c := learnt(t, skewed)
	for range 5 {
		if err := put(t, c); err != nil {
			t.Fatal(err)
		}
	}
	if got := n.Load(); got > 7 {
		t.Errorf("%d requests, want 7 at most: one directly, two by the SDK, and four", got)
	}
	if r := c.direct.route.Load(); r == nil || (r.ahead-wrong).Abs() > time.Minute {
		t.Errorf("route %+v, want the clock %v ahead", r, wrong)
	}
}

// TestDirectIsInterrupted: a request ends with its caller, as itself.
func TestDirectIsInterrupted(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	c := learnt(t, func(w http.ResponseWriter, r *http.Request) {
		cancel()
		<-r.Context().Done()
	})
	if err := get(ctx, c); !errors.Is(err, context.Canceled) {
		t.Errorf("%v, want %v", err, context.Canceled)
	}
}
