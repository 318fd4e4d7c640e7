package outbox

import (
	"testing"
	"time"
)

// TestEveryTimeTravels sets times that not every text can hold: the file is sealed, a
// later process finds its time in the journal, and S3 has it in decimal seconds.
func TestEveryTimeTravels(t *testing.T) {
	for _, tt := range []struct {
		at   time.Time
		want string
	}{
		{time.Unix(0, -1_500_000_000), "-1.500000000"},
		{time.Unix(0, -500_000_000), "-0.500000000"},
		{time.Unix(-62135596801, 5), "-62135596800.999999995"},
		{time.Unix(253402300799, 999_999_999), "253402300799.999999999"},
		{time.Unix(253402300805, 0), "253402300805.000000000"},
		{time.Unix(1<<55, 7), "36028797018963968.000000007"},
	} {
		recoverable(t, nil, func(r *rig) {
			it := r.create("Delivery/f", []byte("x"))
			if err := it.SetMtime(tt.at); err != nil {
				r.Fatal(err)
			}
			if err := it.Seal(); err != nil {
				r.Errorf("a file of %s is not sealed: %v", tt.want, err)
				r.Close()
				return
			}
			r = r.closed(it, true)
			r.drain()
			h := r.b.Object("Delivery/f").Header
			if got := h.User[metaMtime]; got != tt.want {
				r.Errorf("S3 has the time %q, want %q", got, tt.want)
			}
			if got, ok := MtimeOf(h); !ok || got.Unix() != tt.at.Unix() ||
				got.Nanosecond() != tt.at.Nanosecond() {
				r.Errorf("%s is read as %d.%09d, %t", tt.want, got.Unix(), got.Nanosecond(), ok)
			}
			r.Close()
		})
	}
}
