package s3backend

import (
	"context"
	"errors"
	"net/http"
	"sync/atomic"
	"testing"
	"time"
)

// TestVerifyBucketSoon: one request that is not answered proves nothing, and two do.
func TestVerifyBucketSoon(t *testing.T) {
	for _, tt := range []struct {
		held int64 // how many requests are not answered
		want error
	}{{0, nil}, {1, nil}, {2, errOutage}} {
		var asked atomic.Int64
		c := against(t, func(w http.ResponseWriter, r *http.Request) {
			if asked.Add(1) <= tt.held {
				<-r.Context().Done()
				return
			}
			w.Header().Set("X-Amz-Request-Id", "R")
			w.Header().Set("X-Amz-Bucket-Region", "us-east-1")
		})
		tries := []time.Duration{50 * time.Millisecond, 50 * time.Millisecond}
		if tt.held < 2 {
			tries[tt.held] = time.Minute // it is answered
		}
		err := c.verifyBucket(t.Context(), tries)
		if !errors.Is(err, tt.want) || (err == nil) != (tt.want == nil) || asked.Load() != min(tt.held+1, 2) {
			t.Errorf("%d requests are not answered: %v after %d requests, want %v", tt.held, err, asked.Load(), tt.want)
		}
	}
	c := against(t, func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(20*time.Millisecond, cancel)
	if err := c.verifyBucket(ctx, []time.Duration{time.Minute}); !errors.Is(err, context.Canceled) {
		t.Errorf("interrupted: %v", err)
	}
}
