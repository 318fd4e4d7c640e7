package buckettest_test

import (
	"bytes"
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/s3share/s3share/cache/buckettest"
	"github.com/s3share/s3share/s3backend"
)

// TestFaults has each fault happen to one of several requests, by a rule.
func TestFaults(t *testing.T) {
	refused := &s3backend.Error{Op: buckettest.Put, Kind: s3backend.Denied,
		Err: errors.New("AccessDenied")}
	for _, c := range []struct {
		name   string
		do     buckettest.Around
		reach  int // how many requests reach S3
		stored bool
		kind   s3backend.Kind
		lost   bool
		fails  bool
		took   time.Duration
	}{
		{name: "fail", do: buckettest.FailWith(refused), kind: s3backend.Denied, fails: true},
		{name: "delay", do: buckettest.DelayBy(time.Minute), reach: 1, stored: true, took: time.Minute},
		{name: "lose the answer", do: buckettest.LoseAnswer, reach: 1, stored: true, kind: s3backend.Other, lost: true, fails: true},
		{name: "repeat", do: buckettest.Repeat, reach: 2, stored: true, kind: s3backend.Stale, lost: true, fails: true},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				bucket := buckettest.New()
				b := buckettest.Faults(bucket,
					buckettest.Rule{Op: buckettest.Put, Key: "d/", Skip: 1, Times: 1, Do: c.do})
				put := func(key string) error {
					_, err := b.Put(t.Context(), key, bytes.NewReader([]byte("content")),
						7, nil, s3backend.Condition{IfNoneMatch: true})
					return err
				}
				for _, key := range []string{"elsewhere", "elsewhere too", "d/first"} {
					if err := put(key); err != nil {
						t.Errorf("put %q, which the rule does not match or skips: %v", key, err)
					}
				}
				bucket.ForgetLog()
				begin := time.Now()
				err := put("d/second")
				if took := time.Since(begin); took != c.took {
					t.Errorf("it took %s, want %s", took, c.took)
				}
				if (err != nil) != c.fails ||
					c.fails && (!errors.Is(err, c.kind) || s3backend.Ambiguous(err) != c.lost) {
					t.Errorf("put = %v, want a %v that is ambiguous: %t", err, c.kind, c.lost)
				}
				if n := bucket.Count(buckettest.Put); n != c.reach {
					t.Errorf("%d requests reached S3, want %d", n, c.reach)
				}
				if data, ok := bucket.Data("d/second"); ok != c.stored ||
					ok && string(data) != "content" {
					t.Errorf("S3 holds %q, %t, want it stored: %t", data, ok, c.stored)
				}
				if err := put("d/third"); err != nil {
					t.Errorf("the request after: %v", err)
				}
			})
		})
	}
}

// TestDelayEndsWithItsCaller does not hold a request that nobody waits for.
func TestDelayEndsWithItsCaller(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := buckettest.Faults(buckettest.New(), buckettest.Rule{Do: buckettest.DelayBy(time.Hour)})
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		begin := time.Now()
		if _, err := b.Head(ctx, "k"); !errors.Is(err, context.DeadlineExceeded) ||
			time.Since(begin) != time.Second {
			t.Errorf("Head = %v after %s, want the deadline's error after 1s", err,
				time.Since(begin))
		}
	})
}
