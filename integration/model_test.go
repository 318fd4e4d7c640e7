package integration

import (
	"flag"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// The model test does random things to a mount and to a plain directory, and holds
// that nothing but what docs/semantics.md says is different: see CONTRIBUTING.md.
//
// MODEL_TIME is how long it goes on, MODEL_MODE lists the modes, MODEL_LANES is how
// many mounts there are of each, MODEL_FAILURES how many failures end a mode.

// modelTime is how long the model test goes on in each of so many modes: ten minutes in
// all, unless told otherwise.
func modelTime(modes int) time.Duration {
	return modelDuration("MODEL_TIME", soaking(10*time.Minute/time.Duration(modes), time.Hour))
}

func modelDuration(variable string, usual time.Duration) time.Duration {
	v := os.Getenv(variable)
	if v == "" {
		return usual
	}
	d, err := time.ParseDuration(v)
	if err != nil {
		panic(fmt.Sprintf("%s: %v", variable, err))
	}
	return d
}

func modelNumber(variable string, usual int) int {
	n, err := strconv.Atoi(os.Getenv(variable))
	if err != nil {
		return usual
	}
	return n
}

// modelModes are the modes that MODEL_MODE names, or all that have to pass.
func modelModes(t *testing.T) []mode {
	v := os.Getenv("MODEL_MODE")
	if v == "" {
		return slices.DeleteFunc(slices.Clone(modes), func(m mode) bool { return m.asked })
	}
	var some []mode
	for name := range strings.SplitSeq(v, ",") {
		i := slices.IndexFunc(modes, func(m mode) bool { return m.name == name })
		if i < 0 {
			t.Fatalf("MODEL_MODE: no mode is called %q", name)
		}
		some = append(some, modes[i])
	}
	return some
}

func TestModel(t *testing.T) {
	needFuse(t)
	t.Parallel()
	setRapid(t, "rapid.nofailfile", "true") // a sequence that failed is printed
	setRapid(t, "rapid.shrinktime", "0s")   // shrink does that
	some := modelModes(t)
	end := time.Now().Add(modelTime(len(some)))
	var all sync.WaitGroup
	for _, m := range some {
		stats := &modelStats{}
		failures := modelNumber("MODEL_FAILURES", 1)
		for i := range modelNumber("MODEL_LANES", max(1, runtime.NumCPU()/2)) {
			all.Go(func() {
				t.Run(fmt.Sprintf("%s %d", m.name, i), func(t *testing.T) {
					l := newLane(t, m, stats)
					defer l.end()
					for time.Now().Before(end) && int(stats.failed.Load()) < failures {
						l.check(t, end)
					}
				})
			})
		}
		defer func() { t.Logf("%s: %v", m.name, stats) }()
	}
	all.Wait()
}

func setRapid(t *testing.T, name, value string) {
	if err := flag.Set(name, value); err != nil {
		t.Fatal(err)
	}
}

// check has rapid draw sequences until one fails, or the time is over. One that fails
// is shrunk.
func (l *lane) check(t *testing.T, end time.Time) {
	var failed sequence
	var found *failure
	report := &checkReport{T: t}
	defer func() {
		if found == nil {
			return
		}
		fmt.Fprintf(os.Stderr, "model: mode %s: %s: %s\n%s\n",
			l.mode.name, found.kind, found.text, failed)
		if limit := modelDuration("MODEL_SHRINK", time.Minute); limit > 0 {
			_, found = shrink(t, l.mode, failed, found, limit)
		}
		t.Errorf("the least sequence that failed: %s", found.text)
	}()
	defer report.end()
	rapid.Check(report, func(rt *rapid.T) {
		if found == nil && time.Now().After(end) {
			return
		}
		q := drawSequence(rt, l.mode)
		if found == nil {
			if found = l.execute(q); found != nil {
				failed = q
				l.stats.failed.Add(1)
			}
		}
		if found != nil && slices.Equal(q, failed) { // rapid runs it again
			rt.Fatalf("%s", found.kind)
		}
	})
}

// checkReport is the test as one call of rapid sees it: which ends when it fails, and
// the test goes on.
type checkReport struct {
	*testing.T
	failed bool
}

// checkEnded is thrown where a call of rapid ends.
type checkEnded struct{}

func (c *checkReport) Failed() bool { return c.failed }

func (c *checkReport) Errorf(format string, args ...any) {
	c.failed = true
	c.T.Errorf(format, args...)
}

// Logf drops what rapid says of each thing that it draws: the sequence says it all.
func (c *checkReport) Logf(format string, args ...any) {
	if !strings.HasPrefix(format, "[rapid] draw") {
		c.T.Logf(format, args...)
	}
}

func (c *checkReport) FailNow() {
	c.failed = true
	c.T.Fail()
	panic(checkEnded{})
}

func (c *checkReport) end() {
	if thrown := recover(); thrown != nil && thrown != (checkEnded{}) {
		panic(thrown)
	}
}

// TestModelReplay runs the sequences of the file in MODEL_REPLAY, MODEL_TIMES times.
func TestModelReplay(t *testing.T) {
	name := os.Getenv("MODEL_REPLAY")
	if name == "" {
		t.Skip("MODEL_REPLAY names no file")
	}
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	q, err := parseSequence(string(b))
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range modelModes(t) {
		t.Run(m.name, func(t *testing.T) {
			l := newLane(t, m, &modelStats{})
			defer l.end()
			failed := 0
			times := modelNumber("MODEL_TIMES", 1)
			for range times {
				if f := l.execute(q); f != nil {
					failed++
					t.Errorf("%s: %s", f.kind, f.text)
				}
			}
			t.Logf("failed %d times of %d", failed, times)
		})
	}
}
