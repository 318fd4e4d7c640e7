package rate

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"
)

var begin = time.Unix(1000, 0)

// event is n bytes at a time after the begin.
type event struct {
	at    time.Duration
	n     int64
	start bool // Start instead of Add
}

// every returns events of n bytes, one each interval after from, until the time to.
func every(interval, from, to time.Duration, n int64) (events []event) {
	for at := from + interval; at <= to; at += interval {
		events = append(events, event{at: at, n: n})
	}
	return events
}

// sequence joins events.
func sequence(all ...[]event) (events []event) {
	for _, e := range all {
		events = append(events, e...)
	}
	return events
}

func TestWindow(t *testing.T) {
	start := []event{{start: true}}
	for _, tt := range []struct {
		name   string
		events []event
		at     time.Duration
		n      int64
		took   time.Duration
	}{
		{"nothing", nil, time.Second, 0, 0},
		{"started", start, time.Second, 0, time.Second},
		{"the first bytes are counted from Start", sequence(start, []event{{at: time.Second, n: 50}}), time.Second, 50, time.Second},
		{"the first bytes without Start are not counted", []event{{n: 50}, {at: time.Second, n: 7}}, time.Second, 7, time.Second},
		{"a steady flow", sequence(start, every(time.Second, 0, 30*time.Second, 100)), 30 * time.Second, 1000, 10 * time.Second},
		{"a flow that has changed", sequence(start, every(time.Second, 0, 30*time.Second, 100),
			every(time.Second, 30*time.Second, 50*time.Second,
				500)), 50 * time.Second, 5000, 10 * time.Second},
		{"small steps", sequence(start, every(time.Millisecond, 0, 20*time.Second, 5)), 20 * time.Second, 50_000, 10 * time.Second},
		{"a stall", sequence(start, every(time.Second, 0, 30*time.Second, 100)), 40 * time.Second, 1000, 20 * time.Second},
		{"Start within the flow", sequence(start, every(time.Second, 0, 5*time.Second, 100), []event{{at: 6 * time.Second, start: true}}),
			6 * time.Second, 500, 6 * time.Second},
		{"Start after a pause", sequence(start, every(time.Second, 0, 5*time.Second, 100), []event{{at: time.Minute, start: true},
			{at: 61 * time.Second, n: 30}}), 61 * time.Second, 30, time.Second},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var w Window
			for _, e := range tt.events {
				if e.start {
					w.Start(begin.Add(e.at))
				} else {
					w.Add(begin.Add(e.at), e.n)
				}
			}
			if n, took := w.Last(begin.Add(tt.at)); n != tt.n || took != tt.took {
				t.Errorf("%d bytes went in %v, want %d in %v", n, took, tt.n, tt.took)
			}
			if got, want := w.Rate(begin.Add(tt.at)), perSecond(tt.n, tt.took); got != want {
				t.Errorf("the rate is %d, want %d", got, want)
			}
			if n := len(w.samples); n > int(Span/step)+2 {
				t.Errorf("it keeps %d samples", n)
			}
		})
	}
}

// TestWindowOfACounter gives it the count, which had begun before.
func TestWindowOfACounter(t *testing.T) {
	var w Window
	for i := range int64(20) {
		w.Set(begin.Add(time.Duration(i)*time.Second), 1e6+i*300)
	}
	if got := w.Rate(begin.Add(19 * time.Second)); got != 300 {
		t.Errorf("the rate is %d, want 300", got)
	}
}

func TestMeter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var m Meter
		want := func(when string, rate int64) {
			t.Helper()
			if got := m.Rate(); got != rate {
				t.Errorf("%s the rate is %d, want %d", when, got, rate)
			}
		}
		want("before it begins", 0)
		m.Start()
		for range 30 {
			time.Sleep(time.Second)
			m.Start()
			m.Add(1000)
		}
		want("at a steady pace", 1000)
		for range 20 {
			time.Sleep(time.Second)
			m.Add(5000)
		}
		want("at a new pace", 5000)
		for range 20_000 {
			time.Sleep(time.Millisecond)
			m.Add(5)
		}
		want("in small steps", 5000)
		time.Sleep(Span)
		want("when it has stood still for as long", 2500)
		time.Sleep(time.Minute)
		want("when it stands still", 0)
	})
}

func TestPeak(t *testing.T) {
	fast, slow := every(100*time.Millisecond, 0, 2*time.Second, 1000), every(100*time.Millisecond,
		2*time.Second, 20*time.Second, 100)
	for _, tt := range []struct {
		name   string
		events []event
		at     time.Duration
		want   int64
	}{
		{"nothing", nil, time.Second, 0},
		{"of a moment nothing is known", []event{{n: 1000}}, minPeakSpan - 1, 0},
		{"the first second", []event{{n: 1000}}, time.Second / 2, 2000},
		{"the first second, from Start", []event{{start: true}, {at: time.Second / 4, n: 1000}}, time.Second / 2, 2000},
		{"a second that is long over", []event{{n: 1000}}, 3 * time.Second, 0},
		{"the best of the last", sequence(fast, slow[:15]), 3500 * time.Millisecond, 10_000},
		{"the best is forgotten", sequence(fast, slow), 20100 * time.Millisecond, 1000},
		{"a pause does not count", sequence(fast, []event{{at: time.Hour, n: 1}}), time.Hour + time.Second/2, 10_000},
	} {
		var p Peak
		for _, e := range tt.events {
			if e.start {
				p.Start(begin.Add(e.at))
				continue
			}
			p.Add(begin.Add(e.at), e.n)
		}
		if got := p.Rate(begin.Add(tt.at)); got != tt.want {
			t.Errorf("%s: the rate is %d, want %d", tt.name, got, tt.want)
		}
	}
}

func TestAverage(t *testing.T) {
	for _, tt := range []struct {
		samples []int64
		parts   int
		want    int64
	}{
		{nil, 8, 0},
		{[]int64{100}, 8, 100},
		{[]int64{100, 180}, 8, 110},
		{[]int64{100, 180}, 4, 120},
		{[]int64{0, 80}, 8, 80},
		{[]int64{80, 0}, 8, 70},
	} {
		var a Average[int64]
		for _, v := range tt.samples {
			a.Add(v, tt.parts)
		}
		if got := a.Mean(); got != tt.want {
			t.Errorf("of %d with %d parts the mean is %d, want %d",
				tt.samples, tt.parts, got, tt.want)
		}
	}
}

func TestRequests(t *testing.T) {
	var r Requests
	if r.Known() || r.Rate() != 0 || r.Time(1000) != 0 {
		t.Errorf("of none, the rate is %d and the time %v", r.Rate(), r.Time(1000))
	}
	r.Add(1<<20, time.Second, 8)
	r.Add(8<<20, 8*time.Second, 8) // as fast
	if rate, took := r.Rate(), r.Time(4<<20); rate != 1<<20 || took != 4*time.Second {
		t.Errorf("at a MiB a second, the rate is %d and 4 MiB take %v", rate, took)
	}
	r = Requests{}
	r.Add(1<<20, 0, 8) // quicker than the clock
	if !r.Known() || r.Rate() <= 0 {
		t.Errorf("of one that took no time, the rate is %d", r.Rate())
	}
}

func ExampleWindow() {
	var w Window
	now := time.Now()
	w.Start(now)
	for range 30 {
		now = now.Add(time.Second)
		w.Add(now, 2<<20)
	}
	fmt.Println(w.Rate(now), "bytes a second")
	// Output: 2097152 bytes a second
}

func ExampleRequests() {
	var r Requests
	r.Add(8<<20, 2*time.Second, 4) // 8 MiB in two seconds
	fmt.Println(r.Rate(), "bytes a second;", r.Time(1<<20), "for a MiB")
	// Output: 4194304 bytes a second; 250ms for a MiB
}
