// Package filetime writes the times of files as text, and reads them back exactly.
//
// The kernel's times are seconds since 1970 of 64 bits, with nanoseconds. As RFC 3339,
// and so as JSON, time.Time has the years 0 to 9999 only, and rounds the offsets of time
// zones to minutes.
package filetime

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Format writes a time as a decimal number of seconds since 1970. That of 1.5 s before
// 1970 is "-1.500000000".
func Format(t time.Time) string {
	sec, nsec := t.Unix(), t.Nanosecond()
	if sec < 0 && nsec > 0 { // time.Time counts the fraction upwards from the second before
		sec, nsec = sec+1, 1e9-nsec
		if sec == 0 {
			return fmt.Sprintf("-0.%09d", nsec)
		}
	}
	return fmt.Sprintf("%d.%09d", sec, nsec)
}

// Parse reads what Format, or another program, has written. What is finer than a
// nanosecond is cut off. It reports whether s is a time.
func Parse(s string) (time.Time, bool) {
	whole, frac, _ := strings.Cut(s, ".")
	sec, err := strconv.ParseInt(whole, 10, 64)
	if err != nil {
		return time.Time{}, false
	}
	nsec, err := strconv.ParseUint((frac + "000000000")[:9], 10, 32)
	if err != nil {
		nsec = 0
	}
	if strings.HasPrefix(whole, "-") {
		return time.Unix(sec, -int64(nsec)), true
	}
	return time.Unix(sec, int64(nsec)), true
}

// Time is a time that is written to JSON: as RFC 3339 wants it where it can be, and else
// as Format does. The zero Time is none, and is left out by "omitzero".
type Time struct{ time.Time }

// The first and the last second that RFC 3339 has.
const (
	firstSecond = -62167219200 // of the year 0
	lastSecond  = 253402300799 // of the year 9999
)

// MarshalJSON implements json.Marshaler.
func (t Time) MarshalJSON() ([]byte, error) {
	if sec := t.Unix(); sec < firstSecond || sec > lastSecond {
		return json.Marshal(Format(t.Time))
	}
	return t.UTC().MarshalJSON()
}

// UnmarshalJSON implements json.Unmarshaler.
func (t *Time) UnmarshalJSON(b []byte) error {
	var s string
	if json.Unmarshal(b, &s) == nil {
		if wide, ok := Parse(s); ok {
			t.Time = wide
			return nil
		}
	}
	return t.Time.UnmarshalJSON(b)
}
