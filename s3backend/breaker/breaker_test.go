package breaker

import (
	"context"
	"errors"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

var errAway = errors.New("connection refused")

// line is a connection that the test cuts, as Run's probe finds it.
type line struct {
	b      *Breaker
	cut    atomic.Bool
	probes atomic.Int64
}

func (l *line) probe(context.Context) error {
	l.probes.Add(1)
	if l.cut.Load() {
		l.b.Failed(errAway, true)
		return errAway
	}
	l.b.Answered()
	return nil
}

// run starts Run until the test's end. What it returns ends Run, and returns what Run told.
func (l *line) run(t *testing.T) (stop func() []bool) {
	var told []bool
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		l.b.Run(ctx, l.probe, func(st State) {
			if n := len(told); n == 0 || told[n-1] != st.Offline {
				told = append(told, st.Offline)
			}
		})
	}()
	stop = func() []bool {
		cancel()
		<-ended
		return told
	}
	t.Cleanup(func() { stop() })
	synctest.Wait()
	return stop
}

// TestOneFailureIsNoOutage: a request that fails alone does not take others with it.
func TestOneFailureIsNoOutage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &line{b: &Breaker{}}
		l.run(t)
		began := time.Now()
		time.Sleep(time.Second)
		l.b.Failed(errAway, true)
		probes := 0
		if l.b.Confirm(began, errAway, func() error { probes++; return nil }) ||
			l.b.Allow() != nil {
			t.Error("it is open, and S3 answers")
		}
		if probes != 1 {
			t.Errorf("%d probes, want 1", probes)
		}
		l.b.Answered()
		if l.b.Confirm(began, errAway,
			func() error { t.Error("a probe although S3 has answered since"); return errAway }) {
			t.Error("it is open, and S3 has answered another request")
		}
	})
}

// TestOutage: a probe that fails too opens it, those who wait are ended, and it closes as soon as
// a probe is answered.
func TestOutage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &line{b: &Breaker{}}
		stop := l.run(t)
		time.Sleep(time.Second)
		waiting := l.b.Open()
		since := time.Now()
		l.cut.Store(true)
		l.b.Failed(errAway, true)
		if !l.b.Confirm(since, errAway, func() error { return l.probe(t.Context()) }) ||
			l.b.Allow() != errAway {
			t.Error("it is not open, and nobody answers")
		}
		if waiting.Err() == nil {
			t.Error("a request still waits")
		}
		time.Sleep(time.Hour)
		if st := l.b.State(); !st.Offline || !st.Failing.Equal(since) {
			t.Errorf("after an hour the state is %+v, want offline since %s", st, since)
		}
		l.cut.Store(false)
		time.Sleep(again + time.Second)
		if st := l.b.State(); st.Offline || !st.Failing.IsZero() || l.b.Open().Err() != nil {
			t.Errorf("S3 is back, and the state is %+v", st)
		}
		if told := stop(); !slices.Equal(told, []bool{false, true, false}) {
			t.Errorf("it was told %v, want online, offline, online", told)
		}
	})
}

// TestEachReasonHasItsOwnBeginning: S3 is away for an hour, and then refuses the credentials,
// which expired meanwhile.
func TestEachReasonHasItsOwnBeginning(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		errLogin := errors.New("expired")
		b := &Breaker{Alike: func(a, b error) bool { return (a == errLogin) == (b == errLogin) }}
		began := time.Now()
		for _, step := range []struct {
			do          func()
			fails, like time.Duration // since when, after began; -1 for not
		}{
			{func() { b.Failed(errAway, true) }, 0, 0},
			{func() { b.Failed(errors.New("no route"), true) }, 0, 0},
			{func() { b.Failed(errLogin, true) }, 0, 2 * time.Hour},
			{func() { b.Trip(errLogin) }, 0, 2 * time.Hour},
			{func() { b.Trip(errAway) }, 0, 4 * time.Hour},
			{b.Answered, -1, -1},
			{func() { b.Trip(errLogin) }, 6 * time.Hour, 6 * time.Hour},
		} {
			step.do()
			st := b.State()
			for name, got := range map[string][2]any{"Failing": {st.Failing, step.fails},
				"Since": {st.Since, step.like}} {
				var want time.Time
				if after := got[1].(time.Duration); after >= 0 {
					want = began.Add(after)
				}
				if !got[0].(time.Time).Equal(want) {
					t.Errorf("after %s %s is %s, want %s", time.Since(began), name, got[0], want)
				}
			}
			time.Sleep(time.Hour)
		}
	})
}

// TestIdleCheck: an outage is found while nobody asks for anything, by one request a minute; a
// policy that refuses it is asked once an hour.
func TestIdleCheck(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &line{b: &Breaker{}}
		l.run(t)
		began := l.probes.Load()
		time.Sleep(10*idle + time.Second)
		if n := l.probes.Load() - began; n != 10 {
			t.Errorf("%d probes in ten idle minutes", n)
		}
		l.b.Denied(true)
		time.Sleep(idle) // the timer that runs already
		began = l.probes.Load()
		time.Sleep(2 * time.Hour)
		if n := l.probes.Load() - began; n > 2 {
			t.Errorf("%d probes in two hours, each of which is refused", n)
		}
		l.b.Denied(false)
		time.Sleep(time.Hour)
		l.cut.Store(true)
		time.Sleep(idle + probeTimeout)
		if !l.b.State().Offline {
			t.Error("S3 is away for more than a minute, and nobody has noticed")
		}
	})
}

// TestWithoutRun: where nobody would close it again, it does not open.
func TestWithoutRun(t *testing.T) {
	b := &Breaker{}
	b.Failed(errAway, true)
	if b.Confirm(time.Now(), errAway, func() error { return errAway }) || b.Allow() != nil {
		t.Error("it is open")
	}
}
