package outbox

import (
	"errors"
	"testing"
)

// TestNotedInterruption has an interruption come while an earlier one, or none, is journaled: it is
// to be journaled still.
func TestNotedInterruption(t *testing.T) {
	for _, earlier := range []*interruption{nil, {why: errKilled}} {
		var c integrity
		if earlier != nil && !c.interrupt(*earlier) {
			t.Fatal("a file cannot be interrupted")
		}
		said := c.interrupted
		if !c.interrupt(interruption{why: errors.New("writing it failed"), rewrite: true}) {
			t.Fatal("bytes that are missing anywhere are no more than a missing end")
		}
		if c.setNoted(said); !c.unnoted() {
			t.Errorf("after %v the journal counts as having the later interruption", earlier)
		}
		if c.setNoted(c.interrupted); c.unnoted() {
			t.Error("the journal counts as not having what it has")
		}
	}
}
