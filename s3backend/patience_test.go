package s3backend

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/s3"
)

// calls are the requests that a program waits for.
func calls(t *testing.T, c *Client) map[string]func() error {
	return map[string]func() error{
		"List": func() error { _, err := c.List(t.Context(), ListInput{}); return err },
		"Head": func() error { _, err := c.Head(t.Context(), "k"); return err },
		"Get": func() error {
			r, err := c.Get(t.Context(), Object{Key: "k", ETag: "e"}, 0, 100)
			if err != nil {
				return err
			}
			defer r.Close()
			_, err = io.ReadAll(r)
			return err
		},
		"Delete": func() error { return c.Delete(t.Context(), "k", Condition{}) },
	}
}

// TestAServerThatFailsSlowlyIsGivenUp: attempts that each fail in time have no more of it
// together.
func TestAServerThatFailsSlowlyIsGivenUp(t *testing.T) {
	var attempts atomic.Int64
	c := hurry(against(t, func(w http.ResponseWriter, r *http.Request) {
		attempts.Add(1)
		select {
		case <-time.After(200 * time.Millisecond):
		case <-r.Context().Done():
		}
		w.WriteHeader(http.StatusInternalServerError)
	}), 300*time.Millisecond)
	c.direct.retryer = newRetryer(100)
	c.s3 = s3.New(c.s3.Options(), func(o *s3.Options) { o.Retryer = c.direct.retryer })
	for name, call := range calls(t, c) {
		c.waiting.away = outage{}
		attempts.Store(0)
		if err := call(); !isKind(err, Other) || !errors.Is(err, errStalled) {
			t.Errorf("%s: %v, want %v", name, err, errStalled)
		}
		if n := attempts.Load(); n > 10 {
			t.Errorf("%s: %d attempts", name, n)
		}
	}
}

// TestAReplyThatDribblesIsGivenUp: a byte now and then is no answer, in the headers, a
// listing, an error or a file.
func TestAReplyThatDribblesIsGivenUp(t *testing.T) {
	for _, status := range []int{200, 206, 403} {
		c := hurry(against(t, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("ETag", `"e"`)
			w.Header().Set("Content-Range", "bytes 0-99/100")
			if r.Method == http.MethodGet && status == 206 {
				w.Header().Set("Content-Length", "100")
			}
			w.WriteHeader(status)
			for r.Context().Err() == nil {
				if _, err := io.WriteString(w, " "); err != nil {
					return
				}
				w.(http.Flusher).Flush()
				time.Sleep(10 * time.Millisecond)
			}
		}), 200*time.Millisecond)
		for name, call := range calls(t, c) {
			if name == "Head" || name == "Delete" && status != 403 ||
				name == "Get" && status == 200 {
				continue // its reply has no body, or is refused at once
			}
			c.waiting.away = outage{}
			if err := call(); !errors.Is(err, errStalled) {
				t.Errorf("%s, status %d: %v, want %v", name, status, err, errStalled)
			}
		}
	}
}

// TestAFewBytesInEachReplyAreGivenUp: a reply that breaks off is asked for again, but not
// for ever.
func TestAFewBytesInEachReplyAreGivenUp(t *testing.T) {
	var attempts atomic.Int64
	c := hurry(against(t, func(w http.ResponseWriter, r *http.Request) {
		attempts.Add(1)
		var from int64
		_, _ = fmt.Sscanf(r.Header.Get("Range"), "bytes=%d-", &from)
		w.Header().Set("ETag", `"e"`)
		w.Header().Set("Content-Range", fmt.Sprintf("bytes %d-999999/1000000", from))
		w.Header().Set("Content-Length", fmt.Sprint(1_000_000-from))
		w.WriteHeader(206)
		_, _ = io.WriteString(w, "x")
		w.(http.Flusher).Flush()
		time.Sleep(5 * time.Millisecond)
		panic(http.ErrAbortHandler)
	}), 200*time.Millisecond)
	r, err := c.Get(t.Context(), Object{Key: "k", ETag: "e"}, 0, 1_000_000)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if n, err := io.Copy(io.Discard, r); !errors.Is(err, errStalled) || n > 1000 {
		t.Errorf("%d bytes, %v, want %v", n, err, errStalled)
	}
}

// TestRepliesHaveAnEnd: what is no object's content is not read for ever.
func TestRepliesHaveAnEnd(t *testing.T) {
	for _, status := range []int{200, 403, 500} {
		c := once(against(t, func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(status)
			block := []byte(strings.Repeat("<a>", 10_000))
			for {
				if _, err := w.Write(block); err != nil {
					return
				}
			}
		}))
		for name, call := range calls(t, c) {
			if name == "Head" || name == "Delete" && status == 200 ||
				name == "Get" && status == 200 {
				continue // nothing is read of it
			}
			if err := call(); !isKind(err, Other) && !isKind(err, Denied) {
				t.Errorf("%s, status %d: %v", name, status, err)
			}
		}
	}
}

// TestWhileS3IsAwayNobodyWaitsLong: once a request was not answered, the next ones wait a
// moment only, until one is.
func TestWhileS3IsAwayNobodyWaitsLong(t *testing.T) {
	var silent atomic.Bool
	silent.Store(true)
	c := hurry(against(t, func(w http.ResponseWriter, r *http.Request) {
		if silent.Load() {
			<-r.Context().Done()
			return
		}
		yes(w, r)
	}), time.Second)
	list := calls(t, c)["List"]
	if err := list(); !errors.Is(err, errStalled) || errors.Is(err, errOutage) {
		t.Fatalf("the first: %v, want %v", err, errStalled)
	}
	for name, call := range calls(t, c) {
		if err := call(); !errors.Is(err, errOutage) {
			t.Errorf("%s, the next: %v, want %v", name, err, errOutage)
		}
	}
	silent.Store(false)
	if err := list(); err != nil {
		t.Errorf("it answers again: %v", err)
	}
	silent.Store(true)
	if err := list(); !errors.Is(err, errStalled) || errors.Is(err, errOutage) {
		t.Errorf("away again: %v, want %v", err, errStalled)
	}
}

// TestTheCallersEndIsNoStall: who gives up says nothing about S3.
func TestTheCallersEndIsNoStall(t *testing.T) {
	c := hurry(against(t, func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }),
		time.Minute)
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(20*time.Millisecond, cancel)
	if _, err := c.List(ctx, ListInput{}); !errors.Is(err, context.Canceled) ||
		errors.Is(err, errStalled) {
		t.Errorf("%v, want %v", err, context.Canceled)
	}
	if _, short := c.waiting.away.limit(time.Minute); short {
		t.Error("S3 is taken to be away")
	}
}
