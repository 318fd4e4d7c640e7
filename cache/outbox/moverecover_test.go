package outbox

import (
	"testing"
	"testing/synctest"

	"github.com/s3share/s3share/cache/buckettest"
)

// TestRecoveredMoveIsPending asks what is pending before the next process has gone on
// with a rename: whoever drains has to wait for it.
func TestRecoveredMoveIsPending(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, dir := buckettest.New(), t.TempDir()
		endedMove(t, b, dir, 3)
		r := newRig(t, b, dir, Config{}, nil)
		defer r.Close()
		r.recover()
		keys := map[string]bool{}
		for _, st := range r.Status() {
			keys[st.Key] = st.State == Removing
		}
		for _, key := range []string{"Delivery/old/0", "Delivery/old/1", "Delivery/old/2"} {
			if !keys[key] {
				t.Errorf("Status tells %v, want %q among it", keys, key)
			}
		}
		r.Resume()
		r.drain()
		r.wantMoved(3)
		r.wantNothing()
	})
}
