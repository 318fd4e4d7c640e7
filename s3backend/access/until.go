package access

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// Access may end: each Allow of ours for a client then holds only before a moment, which AWS
// compares with its own clock at each request.
// Source: IAM User Guide, "IAM JSON policy elements: Condition operators", date operators, and
// "AWS global condition context keys", aws:CurrentTime.
const (
	dateLessThan = "DateLessThan"
	currentTime  = "aws:CurrentTime"
)

// Never is how people say that access does not end.
const Never = "never"

// ErrPast is returned for access that would end before it begins.
var ErrPast = errors.New("is past")

// ParseUntil reads when access ends: a day, at whose end by UTC it does, a time of RFC 3339,
// or never, which is the zero time.
func ParseUntil(text string) (time.Time, error) {
	if text == Never {
		return time.Time{}, nil
	}
	t, err := time.Parse(time.DateOnly, text)
	if err == nil {
		t = t.AddDate(0, 0, 1)
	} else if t, err = time.Parse(time.RFC3339, text); err != nil {
		return t, fmt.Errorf(
			"%q is no date; write it like 2027-01-31, or 2027-01-31T18:00:00Z, or never", text)
	}
	if !t.After(time.Now()) {
		return t, fmt.Errorf("%s %w; say a later date", text, ErrPast)
	}
	return t.UTC().Truncate(time.Second), nil
}

// untilWords say when access ends or has ended, for the end of a sentence; "" if it does not.
func untilWords(t time.Time) string {
	when := t.Format("2006-01-02 15:04:05 UTC")
	if t.Equal(t.Truncate(24 * time.Hour)) {
		when = "the end of " + t.AddDate(0, 0, -1).Format(time.DateOnly) + " (UTC)"
	}
	switch {
	case t.IsZero():
		return ""
	case t.After(time.Now()):
		return "until " + when
	}
	return "until " + when + ", which is past"
}

// policyTime is a moment as policies write it.
func policyTime(t time.Time) string { return t.Format(time.RFC3339) }

// parsePolicyTime reads a moment as policies write it, false for what is none.
func parsePolicyTime(s string) (time.Time, bool) {
	for _, layout := range []string{time.RFC3339, time.DateOnly, "2006-01-02T15:04Z"} {
		if t, err := time.Parse(layout, s); err == nil {
			return t.UTC(), true
		}
	}
	return time.Time{}, false
}

// endingAt is the condition with the end of the access in it.
func (c Condition) endingAt(t time.Time) Condition {
	if t.IsZero() {
		return c
	}
	with := maps.Clone(c)
	if with == nil {
		with = Condition{}
	}
	with[dateLessThan] = map[string]Strings{currentTime: {policyTime(t)}}
	return with
}

// end returns when the statement stops to hold by its condition, the zero time if it does not
// say so as s3share does, and the statement without that.
func (s Statement) end() (t time.Time, endless Statement) {
	for key, values := range s.Condition[dateLessThan] {
		at, ok := time.Time{}, false
		if strings.EqualFold(key, currentTime) && len(values) == 1 &&
			len(s.Condition[dateLessThan]) == 1 {
			at, ok = parsePolicyTime(values[0])
		}
		if !ok {
			return time.Time{}, s
		}
		s.raw = nil
		s.Condition = maps.Clone(s.Condition)
		delete(s.Condition, dateLessThan)
		if len(s.Condition) == 0 {
			s.Condition = nil
		}
		return at, s
	}
	return time.Time{}, s
}

// commonEnd returns when all of some statements end, and the statements without that. It
// reports false if they do not all end at the same moment.
func commonEnd(all []Statement) (t time.Time, endless []Statement, common bool) {
	for i, s := range all {
		at, without := s.end()
		if i > 0 && !at.Equal(t) {
			return time.Time{}, nil, false
		}
		t, endless = at, append(endless, without)
	}
	return t, endless, true
}

// endsNoLater reports whether what some moments end, under an operator, is over by all that
// other moments end.
func endsNoLater(operator string, moments, others Strings) bool {
	if operator != dateLessThan && operator != dateLessThan+"Equals" {
		return false
	}
	latest := func(all Strings) (latest time.Time, ok bool) {
		for _, m := range all {
			t, ok := parsePolicyTime(m)
			if !ok {
				return latest, false
			}
			if t.After(latest) {
				latest = t
			}
		}
		return latest, len(all) > 0
	}
	t, ok := latest(moments)
	o, okOther := latest(others)
	return ok && okOther && !t.After(o)
}

// prolonged says, in words, that a statement allows for a longer time what one of the policy
// allows now, "" if that is not so, or not all of it.
func (d Document) prolonged(s Statement) string {
	until, endless := s.end()
	for _, o := range d.Statement {
		was, same := o.end()
		if o.Effect != Allow || was.IsZero() || !same.sameEffect(endless) ||
			!until.IsZero() && !until.After(was) {
			continue
		}
		now := untilWords(until)
		if now == "" {
			now = "without an end"
		}
		return fmt.Sprintf("%s may do what it was granted %s, not only %s",
			s.Principal.words(), now, untilWords(was))
	}
	return ""
}

// checkEnds says whose access ends when, and by which statements if they end at several times.
func (l Lint) checkEnds() (all []Remark) {
	for _, s := range l.Statement {
		until, _ := s.end()
		if s.Effect != Allow || until.IsZero() {
			continue
		}
		is := "is"
		if !until.After(time.Now()) {
			is = "was"
		}
		text := fmt.Sprintf("%s %s let in %s", s.Principal.words(), is, untilWords(until))
		if by, others := l.endAt(s.Principal, until); len(others) > 0 {
			text += " by " + strings.Join(by, ", ")
		}
		if r := (Remark{Note, "", text}); !slices.Contains(all, r) {
			all = append(all, r)
		}
	}
	return all
}

// endAt are the Allows for a principal that end at a moment, and the others for it.
func (l Lint) endAt(p *Principal, until time.Time) (at, others []string) {
	for i, s := range l.Statement {
		if s.Effect != Allow || !s.Principal.equal(p) {
			continue
		}
		if t, _ := s.end(); t.Equal(until) {
			at = append(at, l.name(i))
		} else {
			others = append(others, l.name(i))
		}
	}
	return at, others
}
