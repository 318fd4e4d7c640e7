package s3backend

import (
	"context"
	"errors"
	"net/http"
	"sync/atomic"
	"testing"
	"time"
)

// late is a context that ends as by a deadline when it is cancelled.
type late struct{ context.Context }

func (l late) Err() error {
	if l.Context.Err() != nil {
		return context.DeadlineExceeded
	}
	return nil
}

// TestVerifyBucketSoon: one request that is not answered proves nothing, and two do.
func TestVerifyBucketSoon(t *testing.T) {
	for _, tt := range []struct {
		held int64 // how many requests are not answered
		want error
	}{{0, nil}, {1, nil}, {2, errOutage}} {
		var asked atomic.Int64
		var expire atomic.Pointer[context.CancelFunc] // of the try under way
		c := against(t, func(w http.ResponseWriter, r *http.Request) {
			if asked.Add(1) <= tt.held {
				(*expire.Load())()
				<-r.Context().Done()
				return
			}
			w.Header().Set("X-Amz-Request-Id", "R")
			w.Header().Set("X-Amz-Bucket-Region", "us-east-1")
		})
		err := c.verifyBucket(t.Context(), func(int) (context.Context, context.CancelFunc) {
			ctx, cancel := context.WithCancel(t.Context())
			expire.Store(&cancel)
			return late{ctx}, cancel
		})
		if !errors.Is(err, tt.want) || (err == nil) != (tt.want == nil) ||
			asked.Load() != min(tt.held+1, 2) {
			t.Errorf("%d requests are not answered: %v after %d requests, want %v",
				tt.held, err, asked.Load(), tt.want)
		}
	}
	c := against(t, func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(20*time.Millisecond, cancel)
	if err := c.VerifyBucketSoon(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("interrupted: %v", err)
	}
}
