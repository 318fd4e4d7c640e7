package config

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/s3share/s3share/s3backend"
)

// limitTime is a time of the week that has limits of its own, in the clock on the wall: so it
// means the same on days on which the clock is changed.
type limitTime struct {
	first, last time.Weekday // on which it begins; last may be before first
	start, end  int          // minutes since midnight; an end before start is of the next day
	limits      s3backend.Limits
}

// weekdays are the names of days, from Sunday on.
var weekdays = []string{"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"}

// parseLimitTime reads "Mon-Fri 08:00-18:00 5M/20M". Without days it is of every day.
func parseLimitTime(text string) (l limitTime, err error) {
	form := func(what string) (limitTime, error) {
		return limitTime{}, fmt.Errorf("%q %s; write it like \"Mon-Fri 08:00-18:00 5M/20M\"",
			text, what)
	}
	fields := strings.Fields(text)
	l.first, l.last = time.Sunday, time.Saturday
	if len(fields) == 3 {
		first, last, isRange := strings.Cut(fields[0], "-")
		if !isRange {
			last = first
		}
		l.first, l.last = weekdayOf(first), weekdayOf(last)
		if l.first < 0 || l.last < 0 {
			return form(fmt.Sprintf(
				"has no days: %q is neither a day, from Mon to Sun, nor a range of days",
				fields[0]))
		}
		fields = fields[1:]
	}
	if len(fields) != 2 {
		return form("is no time with limits")
	}
	start, end, isRange := strings.Cut(fields[0], "-")
	l.start, l.end = minuteOf(start), minuteOf(end)
	switch {
	case !isRange || l.start < 0 || l.start == 24*60 || l.end < 0:
		return form(fmt.Sprintf("has no hours: %q is not like 08:00-18:00", fields[0]))
	case l.start == l.end:
		return form("ends when it begins")
	}
	if l.limits, err = ParseLimits(fields[1]); err != nil {
		return limitTime{}, fmt.Errorf("%q: %w", text, err)
	}
	return l, nil
}

// weekdayOf returns the day of a name, -1 for none.
func weekdayOf(name string) time.Weekday {
	return time.Weekday(slices.IndexFunc(weekdays,
		func(d string) bool { return strings.EqualFold(d, name) }))
}

// minuteOf returns the minutes since midnight of a time like 08:00, up to 24:00; -1 for none.
func minuteOf(text string) int {
	hours, minutes, ok := strings.Cut(text, ":")
	h, herr := strconv.ParseUint(hours, 10, 8)
	m, merr := strconv.ParseUint(minutes, 10, 8)
	if !ok || herr != nil || merr != nil || len(minutes) != 2 || len(hours) > 2 ||
		m > 59 || h*60+m > 24*60 {
		return -1
	}
	return int(h*60 + m)
}

// holds reports whether t is in it.
func (l *limitTime) holds(t time.Time) bool {
	now, day := t.Hour()*60+t.Minute(), t.Weekday()
	if l.start < l.end {
		return l.begins(day) && now >= l.start && now < l.end
	}
	return l.begins(day) && now >= l.start || l.begins((day+6)%7) && now < l.end
}

// begins reports whether it begins on a day.
func (l *limitTime) begins(day time.Weekday) bool {
	if l.first <= l.last {
		return l.first <= day && day <= l.last
	}
	return day >= l.first || day <= l.last
}

// setLimitTime adds a time with limits.
func setLimitTime(s *Settings, v string) error {
	if _, err := parseLimitTime(v); err != nil {
		return err
	}
	s.LimitTimes = append(s.LimitTimes, v)
	return nil
}

// LimitsAt are the rates at which all requests together may send and receive at t: those of the
// first of the times that t is in, else the settings'.
func (s *Settings) LimitsAt(t time.Time) s3backend.Limits {
	for _, text := range s.LimitTimes {
		if l, err := parseLimitTime(text); err == nil && l.holds(t) {
			return l.limits
		}
	}
	return s3backend.Limits{Upload: int64(s.Upload), Download: int64(s.Download)}
}

// SameLimits reports whether two settings have the same limits at all times.
func SameLimits(a, b *Settings) bool {
	return a.Upload == b.Upload && a.Download == b.Download &&
		slices.Equal(a.LimitTimes, b.LimitTimes)
}

// EachMinute calls do at the beginning of each minute of the clock on the wall until ctx ends. It
// looks at the clock each time, which may have been set, or have gone on while the machine slept.
func EachMinute(ctx context.Context, do func()) {
	for {
		now := time.Now()
		t := time.NewTimer(
			time.Minute - time.Duration(now.Second())*time.Second - time.Duration(now.Nanosecond()))
		select {
		case <-t.C:
			do()
		case <-ctx.Done():
			t.Stop()
			return
		}
	}
}
