package outbox

import (
	"context"
	"errors"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"github.com/s3share/s3share/s3backend"
)

// TestScheduleDeliversWhatIsClosedOnceAtATime makes random steps of one item. A delivery begins if
// and only if nobody holds the item, no other is under way, and it is to be delivered.
func TestScheduleDeliversWhatIsClosedOnceAtATime(t *testing.T) {
	denied := &s3backend.Error{Kind: s3backend.Denied}
	busy := &s3backend.Error{Kind: s3backend.Busy}
	for seed := range uint64(300) {
		synctest.Test(t, func(t *testing.T) {
			rng := rand.New(rand.NewPCG(seed, 0))
			to, queued := placement{state: Sealed, look: true}, 0
			s := &schedule{gone: make(chan struct{}), enqueue: func() { queued++ }}
			s.place = func() placement { return to }
			s.holdLocked()
			writers, state, gone, tries := 1, Open, false, 0
			var run *delivery
			wanted := false // a delivery, during the run
			for step := range 60 {
				pick := rng.IntN(10)
				switch pick {
				case 0:
					d, err := s.tryHold()
					switch {
					case gone != errors.Is(err, ErrGone), !gone && d != run:
						t.Fatalf("seed %d, step %d: tryHold() = %v, %v; under way is %v",
							seed, step, d, err, run)
					case !gone && run == nil:
						writers, state = writers+1, Open
					}
				case 1:
					if writers == 0 {
						continue
					}
					to = []placement{{state: Sealed, look: true}, {state: Local},
						{state: Interrupted, why: errKilled}}[rng.IntN(3)]
					if writers--; writers == 0 && !gone {
						state, tries = to.state, 0
					}
					if sealed := s.release(func() time.Duration { return time.Second }); sealed !=
						(writers == 0 && !gone && to.state == Sealed) {
						t.Fatalf("seed %d, step %d: release() = %v with %d holds left, to %v", seed,
							step, sealed,
							writers, to)
					}
				case 2, 3:
					wait := time.Duration(rng.IntN(2)) * time.Second
					wanted = wanted || run != nil
					_, d := s.begin(t.Context(),
						func() (time.Duration, bool) { return wait, false })
					due := writers == 0 && run == nil && !gone &&
						(state == Sealed || state == Blocked)
					if (d != nil) != (due && wait == 0) {
						t.Fatalf(
							"seed %d, step %d: begin() = %v; %d holds, %v, under way %v, gone %v", seed, step, d,
							writers, state, run, gone)
					}
					if d != nil {
						run, state, wanted = d, Uploading, false
					}
				case 4:
					_, d := s.beginPreparing(t.Context(), Sealed)
					if (d != nil) != (writers == 0 && run == nil && !gone && state == Sealed) {
						t.Fatalf("seed %d, step %d: beginPreparing() = %v of %v",
							seed, step, d, state)
					}
					if d != nil {
						run, wanted = d, false
					}
				case 5, 6:
					if run == nil {
						continue
					}
					if run.preparing {
						before := queued
						s.endPreparing(run)
						if (queued > before) != wanted {
							t.Fatalf(
								"seed %d, step %d: what was to be delivered meanwhile, %v, is queued: %v", seed, step,
								wanted, !wanted)
						}
						run = nil
						continue
					}
					err, want := []error{denied, busy, nil}[rng.IntN(3)], Sealed
					if err == denied {
						want = Blocked
					}
					got, wait := s.end(err, false, func() time.Duration { return 0 })
					if err == nil {
						s.delivered()
						gone = true
					} else if state, tries = want, tries+1; got != want || wait <= 0 {
						t.Fatalf("seed %d, step %d: end(%v) = %v, %v, want %v", seed,
							step, err, got, wait, want)
					}
					run.end()
					run = nil
				case 7:
					due := writers == 0 && run == nil && !gone &&
						(state == Sealed || state == Blocked)
					if s.retry() != due {
						t.Fatalf("seed %d, step %d: retry() = %v of %v", seed, step, !due, state)
					} else if due {
						state, tries = to.state, 0
					}
				case 8:
					unsent := writers == 0 && run == nil && !gone && tries == 0
					if s.holdUnsent(func() bool { return false }) != unsent {
						t.Fatalf("seed %d, step %d: holdUnsent() = %v after %d tries",
							seed, step, !unsent, tries)
					} else if unsent {
						writers++
					}
				case 9:
					if rng.IntN(8) == 0 && s.drop() == gone {
						t.Fatalf("seed %d, step %d: drop() of an item that was dropped: %v",
							seed, step, gone)
					}
					gone = s.isGone()
				}
				if now := s.now(); now.state != state || now.gone != gone ||
					now.delivering != (run != nil) {
					t.Fatalf("seed %d, step %d.%d: %+v, want %v, gone %v, under way %v", seed, step,
						pick, now,
						state, gone, run)
				}
			}
			if s.timer != nil {
				s.timer.Stop()
			}
		})
	}
}

// TestScheduleCutsOffWhatTakesLong takes an item back whose delivery does not end by itself.
func TestScheduleCutsOffWhatTakesLong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &schedule{gone: make(chan struct{}), state: Sealed, enqueue: func() {}}
		s.place = func() placement { return placement{state: Sealed} }
		ctx, run := s.begin(t.Context(), func() (time.Duration, bool) { return 0, false })
		go func() {
			<-ctx.Done()
			s.end(context.Cause(ctx), true, nil)
			run.end()
		}()
		began := time.Now()
		if err := s.hold(t.Context()); err != nil || time.Since(began) != commitGrace {
			t.Errorf("hold() = %v after %v, want nil after %v", err, time.Since(began), commitGrace)
		}
		if context.Cause(ctx) != errTaken || s.isClosed() {
			t.Errorf("the delivery was cut off by %v; the item is closed: %v",
				context.Cause(ctx), s.isClosed())
		}
	})
}
