package integration

import (
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"
)

// A sequence that fails is shrunk by running parts of it on several mounts at once:
// most of a run is waiting, and what depends on timing has to be tried more than
// once. Rapid, which draws the sequences, would try one after the other.

const (
	shrinkLanes   = 4
	shrinkRetries = 2 // runs of a candidate that does not fail
)

// shrink returns the least sequence that it finds within the time to fail in the same
// way, with that failure.
func shrink(t *testing.T, m mode, q sequence,
	f *failure, limit time.Duration) (sequence, *failure) {
	var lanes []*lane
	for range shrinkLanes {
		lanes = append(lanes, newLane(t, m, &modelStats{}))
	}
	end := time.Now().Add(limit)
	for time.Now().Before(end) {
		less, g := firstToFail(lanes, candidates(q, f), f.kind, end)
		if g == nil {
			break
		}
		q, f = less, g
	}
	for _, l := range lanes {
		l.end()
	}
	f.text = fmt.Sprintf("%s, mode %s, after these steps:\n%s%s", f.kind, m.name,
		indent(q.String()), "\n"+f.text)
	return q, f
}

// firstToFail runs candidates until one fails, those that would shrink the most first.
func firstToFail(lanes []*lane, all []sequence, kind string, end time.Time) (sequence, *failure) {
	// mu guards the variables below.
	var mu sync.Mutex
	next := 0
	var least sequence
	var found *failure
	var working sync.WaitGroup
	for _, l := range lanes {
		working.Go(func() {
			for {
				mu.Lock()
				if found != nil || next == len(all)*shrinkRetries || time.Now().After(end) {
					mu.Unlock()
					return
				}
				q := all[next%len(all)]
				next++
				mu.Unlock()
				if f := l.execute(q); f != nil && f.kind == kind {
					mu.Lock()
					if found == nil || len(q) < len(least) {
						least, found = q, f
					}
					mu.Unlock()
				}
			}
		})
	}
	working.Wait()
	return least, found
}

// candidates are simpler sequences: without some of the steps, without pauses, with
// less to write.
func candidates(q sequence, f *failure) []sequence {
	var all []sequence
	if len(f.did) < len(q) {
		all = append(all, f.did)
	}
	for size := (len(q) + 1) / 2; size > 0; size /= 2 {
		for from := 0; from < len(q); from += size {
			if less := slices.Concat(q[:from], q[min(from+size, len(q)):]); len(less) > 0 {
				all = append(all, less)
			}
		}
	}
	change := func(simplify func(s *step)) {
		for _, at := range append([]int{-1}, indexes(q)...) {
			c := slices.Clone(q)
			for i := range c {
				if at < 0 || at == i {
					simplify(&c[i])
				}
			}
			if !slices.Equal(c, q) {
				all = append(all, c)
			}
		}
	}
	change(func(s *step) { s.after = 0 })
	change(func(s *step) { s.n = min(s.n, 10) })
	change(func(s *step) { s.off = 0 })
	change(func(s *step) {
		if s.op == "put" || s.op == "append" {
			s.opt = ""
		}
	})
	return all
}

func indexes(q sequence) []int {
	all := make([]int, len(q))
	for i := range q {
		all[i] = i
	}
	return all
}
