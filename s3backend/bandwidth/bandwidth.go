// Package bandwidth limits the rate at which all requests of a mount together send, or receive.
//
// A [Limiter] limits one direction. Large bodies call [Limiter.WaitInTurn]: only one of them at a
// time has tokens reserved. So a small body, which calls [Limiter.Wait], waits for at most one step
// of a large body, however many there are. Bytes that must not wait, such as a listing that a
// program waits for, are counted by [Limiter.Charge], and the other requests wait longer.
//
// A new rate takes effect at once, also for requests that already wait.
package bandwidth

import (
	"context"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"
)

const (
	// SmallBody is the size in bytes up to which a body waits by Wait.
	SmallBody = 128 << 10

	// MinRate is the lowest rate, in bytes a second. With a lower one, small bodies that wait at
	// the same time would wait for so long that their signatures are too old: 15 minutes.
	// Source: Amazon S3 API Reference, RequestTimeTooSkewed.
	MinRate = 10 << 10

	// maxStep and minStep bound how many bytes are let through at once. In small steps all
	// bodies move, so that no server takes a connection for dead.
	maxStep = 64 << 10
	minStep = 1 << 10
	// stepsPerSecond is how many steps a low rate has a second.
	stepsPerSecond = 16
	// burstsPerSecond is what part of a second's bytes may come at once after a pause. A
	// timer that is late costs nothing so.
	burstsPerSecond = 8
)

// Limiter is a limit of one direction. Its methods may be called by any goroutine.
type Limiter struct {
	now  atomic.Pointer[limit] // nil for none
	turn chan struct{}         // has a token while a large body waits
}

// New returns a Limiter of this rate.
func New(bytesPerSecond int64) *Limiter {
	l := &Limiter{turn: make(chan struct{}, 1)}
	l.Set(bytesPerSecond)
	return l
}

// limit is one rate, until another takes its place.
type limit struct {
	rate    int64
	tokens  *rate.Limiter
	changed chan struct{} // closed when another one is in its place
}

// Set sets the rate in bytes a second; 0 lifts the limit. A rate below MinRate is MinRate.
func (l *Limiter) Set(bytesPerSecond int64) {
	var next *limit
	r := max(bytesPerSecond, MinRate)
	switch {
	case bytesPerSecond > 0 && r == l.Rate():
		return
	case bytesPerSecond > 0:
		burst := max(SmallBody, min(r/burstsPerSecond, 1<<30))
		next = &limit{rate: r, tokens: rate.NewLimiter(rate.Limit(r), int(burst)),
			changed: make(chan struct{})}
	}
	if before := l.now.Swap(next); before != nil {
		close(before.changed)
	}
}

// Rate returns the rate in bytes a second, 0 for none.
func (l *Limiter) Rate() int64 {
	if now := l.now.Load(); now != nil {
		return now.rate
	}
	return 0
}

// Step returns how many of n bytes of a large body to move before the next WaitInTurn.
func (l *Limiter) Step(n int) int {
	if now := l.now.Load(); now != nil {
		return now.step(n)
	}
	return n
}

func (now *limit) step(n int) int {
	return min(n, int(max(minStep, min(now.rate/stepsPerSecond, maxStep))))
}

// Charge counts n bytes without waiting. It leaves out what is more than about a second's bytes
// that the others would have to wait for.
func (l *Limiter) Charge(n int) {
	now := l.now.Load()
	for n > 0 && now != nil && now.tokens.Tokens() > -float64(now.rate) {
		some := now.step(n)
		now.tokens.ReserveN(time.Now(), some)
		n -= some
	}
}

// Wait counts n bytes, and returns when they may move. Its error is ctx's.
func (l *Limiter) Wait(ctx context.Context, n int) error {
	for n > 0 {
		now := l.now.Load()
		if now == nil {
			return nil
		}
		some := now.step(n)
		moved, err := now.wait(ctx, some)
		if err != nil {
			return err
		}
		if moved {
			n -= some
		}
	}
	return nil
}

// wait waits for n tokens. It returns false if there is another limit before it has them.
func (now *limit) wait(ctx context.Context, n int) (bool, error) {
	tokens := now.tokens.ReserveN(time.Now(), n)
	delay := tokens.Delay()
	if delay == 0 {
		return true, nil
	}
	t := time.NewTimer(delay)
	defer t.Stop()
	select {
	case <-t.C:
		return true, nil
	case <-now.changed:
		return false, nil
	case <-ctx.Done():
		tokens.Cancel()
		return false, context.Cause(ctx)
	}
}

// WaitInTurn is Wait for bytes of a large body.
func (l *Limiter) WaitInTurn(ctx context.Context, n int) error {
	if l.now.Load() == nil {
		return nil
	}
	select {
	case l.turn <- struct{}{}:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	defer func() { <-l.turn }()
	return l.Wait(ctx, n)
}
