package content

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestWhenTheWholeIsFetched(t *testing.T) {
	const ms, us, mib, gib = time.Millisecond, time.Microsecond, 1 << 20, 1 << 30
	reads := func(n int64, each time.Duration) rent {
		return rent{requests: n, waited: time.Duration(n) * each, answer: each}
	}
	paused := func(r rent, at, spent time.Duration, rate int64) rent {
		r.paused, r.spent, r.rate = at, spent, rate
		return r
	}
	for _, tt := range []struct {
		name    string
		rent    rent
		missing int64
		rate    int64
		begins  bool
	}{
		{"few reads never do", reads(15, time.Hour), 2 * mib, fetchAllRate, false},
		{"far, soon", reads(63, 20*ms), gib, fetchAllRate, false},
		{"far", reads(64, 20*ms), gib, fetchAllRate, true},
		{"far, all at once", rent{requests: 64, waited: 20 * ms, answer: 20 * ms}, gib, fetchAllRate, true},
		{"near, soon", reads(4200, 300*us), gib, fetchAllRate, false},
		{"near", reads(4300, 300*us), gib, fetchAllRate, true},
		{"requests take the processor where nobody waits", reads(5200, 0), gib, fetchAllRate, true},
		{"so they do, soon", reads(5000, 0), gib, fetchAllRate, false},
		{"a slow connection", reads(1000, 20*ms), gib, 10 * mib, false},
		{"a slow connection, read for long", reads(5200, 20*ms), gib, 10 * mib, true},
		{"little is missing", reads(16, 300*us), mib, fetchAllRate, true},
		{"it was slower than thought", paused(reads(90, 20*ms), time.Second, time.Second, 50*mib), gib, fetchAllRate, false},
		{"it is tried again", paused(reads(100, 20*ms), time.Second, time.Second, 50*mib), gib, fetchAllRate, true},
		{"little is missing since", paused(reads(90, 20*ms), time.Second, time.Second, 50*mib), 40 * mib, fetchAllRate, true},
	} {
		if got := tt.rent.beginsWhole(tt.missing, tt.rate); got != tt.begins {
			t.Errorf("%s: %+v: it is fetched: %t, want %t", tt.name, tt.rent, got, tt.begins)
		}
	}
	for _, tt := range []struct {
		name   string
		rent   rent
		took   time.Duration
		goesOn bool
	}{
		{"reads have cost more", reads(65, 20*ms), 1300 * ms, true},
		{"reads have cost less", reads(65, 20*ms), 1301 * ms, false},
		{"requests are not many yet", reads(16, ms), minTrial, true},
		{"it was tried before", paused(reads(130, 20*ms), 1300*ms, 1300*ms, mib), 1301 * ms, false},
		{"it is tried again", paused(reads(130, 20*ms), 1300*ms, 1300*ms, mib), 1300 * ms, true},
	} {
		if got := tt.rent.continuesWhole(tt.took); got != tt.goesOn {
			t.Errorf("%s: %+v: it goes on: %t, want %t", tt.name, tt.rent, got, tt.goesOn)
		}
	}
}

// TestNeverTwiceTheBestChoice: whatever each read costs, however seldom reads come, and however
// fast the whole is thought to come and does come, it is begun when reads have cost as much as it
// will, and is fetched for no longer than they have cost. Only the shortest trials go beyond, and
// the last read.
func TestNeverTwiceTheBestChoice(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		draw := func(least, most time.Duration, name string) time.Duration {
			return time.Duration(rapid.Int64Range(int64(least), int64(most)).Draw(t, name))
		}
		reads := rapid.Int64Range(fetchAllAfter, 20_000).Draw(t, "reads")
		each := draw(requestCPU, 50*time.Millisecond, "each")
		pause := draw(0, 100*time.Millisecond, "pause")
		size := rapid.Int64Range(1<<20, 4<<30).Draw(t, "size")
		thought := rapid.Int64Range(1<<20, fetchAllRate).Draw(t, "thought")
		rate := rapid.Int64Range(1<<20, fetchAllRate).Draw(t, "rate")
		price, whole := wholeCost(size, thought), wholeCost(size, rate)

		step := each + pause // from one read to the next
		var r rent
		var fetched, took, atPrice time.Duration
		fetching, trials := false, time.Duration(0)
		for ; r.requests < reads && fetched < whole; r.requests++ {
			missing := int64(float64(size) * (1 - fetched.Seconds()/whole.Seconds()))
			switch {
			case fetching && !r.continuesWhole(took):
				fetching = false
				r.pause(took)
			case !fetching && r.beginsWhole(missing, thought):
				fetching, took, atPrice = true, 0, r.cost()
				trials++
			}
			r.waited += each
			if fetching {
				took += step
				fetched += step
				r.rate = rate
			}
		}
		if limit := r.cost() + trials*(minTrial+2*step); fetched > limit {
			t.Fatalf("the whole was fetched for %v, and reads cost %v", fetched, r.cost())
		}
		if limit := max(price, whole) + (fetchAllAfter+2)*step; atPrice > limit {
			t.Fatalf("it was begun when reads had cost %v, want %v at most", atPrice, limit)
		}
		if fetched < whole && !fetching && r.cost() > max(price, whole)+(fetchAllAfter+2)*step {
			t.Fatalf("reads have cost %v, and the whole, which takes %v, is not fetched",
				r.cost(), whole)
		}
	})
}
