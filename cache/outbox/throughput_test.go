package outbox

import (
	"testing"
	"testing/synctest"
	"time"
)

func TestThroughput(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var m throughput
		want := func(when string, rate int64) {
			t.Helper()
			if got := m.rate(); got != rate {
				t.Errorf("%s the rate is %d, want %d", when, got, rate)
			}
		}
		want("before it begins", 0)
		m.begin()
		for range 30 {
			time.Sleep(time.Second)
			m.begin()
			m.add(1000)
		}
		want("at a steady pace", 1000)
		for range 20 {
			time.Sleep(time.Second)
			m.add(5000)
		}
		want("at a new pace", 5000)
		for range 20_000 {
			time.Sleep(time.Millisecond)
			m.add(5)
		}
		want("in small steps", 5000)
		if n := time.Duration(len(m.marks)); n > meterSpan/markStep+5 {
			t.Errorf("it keeps %d marks", n)
		}
		time.Sleep(time.Minute)
		want("when it stands still", 0)
	})
}
