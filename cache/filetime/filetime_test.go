package filetime

import (
	"encoding/json"
	"math"
	"testing"
	"time"
)

// moments are times at the borders of what has to be written.
func moments() []time.Time {
	var all []time.Time
	for _, sec := range []int64{
		math.MinInt64, -1 << 55, firstSecond - 1, firstSecond, -62135596801, -62135596800,
		-2208988800, -2, -1, 0, 1,
		1 << 31, 9223372036, 9223372037, lastSecond, lastSecond + 1, 253402300805,
		1 << 55, math.MaxInt64 - 62135596800, math.MaxInt64,
	} {
		for _, nsec := range []int64{0, 1, 5e8, 999_999_999} {
			all = append(all, time.Unix(sec, nsec))
		}
	}
	return all
}

func same(a, b time.Time) bool { return a.Unix() == b.Unix() && a.Nanosecond() == b.Nanosecond() }

func TestEveryTimeIsReadBackAsItWasWritten(t *testing.T) {
	zone := time.FixedZone("with seconds", 19*60+32)
	for _, at := range moments() {
		if got, ok := Parse(Format(at)); !ok || !same(got, at) {
			t.Errorf("Parse(%q) = %d.%09d, %t, want %d.%09d", Format(at), got.Unix(),
				got.Nanosecond(), ok, at.Unix(), at.Nanosecond())
		}
		for _, at := range []time.Time{at, at.In(zone), at.UTC()} {
			b, err := json.Marshal(struct{ T Time }{Time{at}})
			var back struct{ T Time }
			if err == nil {
				err = json.Unmarshal(b, &back)
			}
			if err != nil || !same(back.T.Time, at) {
				t.Errorf("%d.%09d was written as %s and read as %d.%09d, %v", at.Unix(),
					at.Nanosecond(), b, back.T.Unix(), back.T.Nanosecond(), err)
			}
		}
	}
}

func TestTimesAreDecimalSeconds(t *testing.T) {
	for _, tt := range []struct {
		nsec int64
		want string
	}{
		{-1_500_000_000, "-1.500000000"},
		{-1_000_000_000, "-1.000000000"},
		{-500_000_000, "-0.500000000"},
		{-1, "-0.000000001"},
		{0, "0.000000000"},
		{1_500_000_000, "1.500000000"},
	} {
		if got := Format(time.Unix(0, tt.nsec)); got != tt.want {
			t.Errorf("Format(%d ns) = %q, want %q", tt.nsec, got, tt.want)
		}
	}
}

// TestOthersTimes reads what other programs, and earlier versions of this one, write.
func TestOthersTimes(t *testing.T) {
	for _, tt := range []struct {
		s    string
		want int64 // in nanoseconds
	}{
		{"1500000000", 1_500_000_000_000_000_000},
		{"1.5", 1_500_000_000},
		{"-1.5", -1_500_000_000},
		{"-0.25", -250_000_000},
		{"1.1234567899", 1_123_456_789},
		{"7.x", 7_000_000_000},
	} {
		if got, ok := Parse(tt.s); !ok || got.UnixNano() != tt.want {
			t.Errorf("Parse(%q) = %d ns, %t, want %d", tt.s, got.UnixNano(), ok, tt.want)
		}
	}
	for _, bad := range []string{"", ".5", "x", "2026-01-02T03:04:05Z", "99999999999999999999"} {
		if got, ok := Parse(bad); ok {
			t.Errorf("Parse(%q) = %s, want none", bad, got)
		}
	}
	var old Time
	if err := json.Unmarshal([]byte(`"2026-01-02T03:04:05.000000678+01:00"`), &old); err != nil ||
		old.UnixNano() != 1767319445000000678 {
		t.Errorf("a journal's time of an earlier version: %s, %v", old, err)
	}
}
