package config

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/s3share/s3share/s3backend"
)

func TestParseLimitTime(t *testing.T) {
	for _, bad := range []string{
		"", "5M", "Mon-Fri 5M", "08:00-18:00", "Mon 08:00-18:00", "Mo-Fr 08:00-18:00 5M", "Mon- 08:00-18:00 5M", "Mon,Tue 08:00-18:00 5M",
		"8-18 5M", "08:00 5M", "08:00-24:01 5M", "24:00-08:00 5M", "25:00-08:00 5M", "08:60-18:00 5M", "08:0-18:00 5M", "-1:00-18:00 5M",
		"08:00-08:00 5M", "08:00-18:00 5", "08:00-18:00 5M/", "08:00-18:00 5M 6M", "Mon 08:00-18:00 5M now",
	} {
		if l, err := parseLimitTime(bad); err == nil {
			t.Errorf("parseLimitTime(%q) = %+v", bad, l)
		}
	}
}

// TestLimitsAt looks at a timetable at moments of a week, and of the nights in which the clock is
// changed.
func TestLimitsAt(t *testing.T) {
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Skip(err)
	}
	s := &Settings{Upload: 1 << 20, LimitTimes: []string{"Fri 12:00-13:00 none",
		"Mon-Fri 08:00-18:00 5M/20M", "Fri-Sun 22:00-02:30 3M", "sat-mon 23:59-24:00 4M"}}
	const m = 1 << 20
	other, work, night, last := s3backend.Limits{Upload: m}, s3backend.Limits{Upload: 5 * m,
		Download: 20 * m}, s3backend.Limits{Upload: 3 * m,
		Download: 3 * m}, s3backend.Limits{Upload: 4 * m, Download: 4 * m}
	for _, tt := range []struct {
		at   string
		want s3backend.Limits
	}{
		{"2026-11-30 07:59:59", other}, // a Monday
		{"2026-11-30 08:00:00", work},
		{"2026-11-30 17:59:59", work},
		{"2026-11-30 18:00:00", other},
		{"2026-11-30 02:29:59", night}, // since Sunday
		{"2026-11-30 22:30:00", other},
		{"2026-11-30 23:59:30", last},
		{"2026-12-04 12:30:00", s3backend.Limits{}}, // a Friday
		{"2026-12-04 13:00:00", work},
		{"2026-12-04 02:00:00", other},
		{"2026-12-05 02:00:00", night},
		{"2026-12-05 12:00:00", other},
		{"2026-12-06 23:59:00", night}, // the first one holds
		{"2026-03-29 01:59:59", night}, // then it is 03:00
		{"2026-03-29 03:00:00", other},
		{"2026-10-25 02:29:00", night}, // which comes twice
		{"2026-10-25 02:30:00", other},
	} {
		at, err := time.ParseInLocation(time.DateTime, tt.at, berlin)
		if err != nil {
			t.Fatal(err)
		}
		if got := s.LimitsAt(at); got != tt.want {
			t.Errorf("%s (%s): %+v, want %+v", tt.at, at.Weekday(), got, tt.want)
		}
	}
	again := time.Date(2026, 10, 25, 1, 15, 0, 0, time.UTC).In(berlin) // 02:15 for the second time
	if got := s.LimitsAt(again); got != night {
		t.Errorf("%s: %+v", again, got)
	}
}

func TestEachMinute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 150*time.Second)
		defer cancel()
		time.Sleep(1500 * time.Millisecond)
		n := 0
		EachMinute(ctx, func() {
			n++
			if now := time.Now(); now.Second() != 0 || now.Nanosecond() != 0 {
				t.Errorf("called at %s", now)
			}
		})
		if n != 2 {
			t.Errorf("%d calls in two minutes and a half", n)
		}
	})
}
