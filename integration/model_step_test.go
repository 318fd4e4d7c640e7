package integration

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"time"
)

// A step is one operation of a sequence, with its arguments. Which arguments an
// operation has, the table in model_operations_test.go says; the others are zero.
//
// A step is written as one line, so that a sequence can be kept, read and replayed:
//
//	put path="a" n=1000 seed=3 opt=fsync
//	rename path="a" to="b" after=250ms
type step struct {
	op       string
	after    time.Duration // the pause before it
	who      string        // of two parties
	path, to string        // relative to the sequence's directory, any bytes
	slot     int           // of an open file or directory
	off, n   int64         // a range, or a size
	seed     uint64        // of the bytes that are written
	mode     uint32        // permission bits
	sec      int64         // a file time, with nsec
	nsec     int64
	opt      string // variants, separated by commas
}

// has reports whether the step has this option.
func (s step) has(option string) bool { return slices.Contains(strings.Split(s.opt, ","), option) }

// data are the bytes that the step writes. Equal n and seed are equal bytes.
func (s step) data() []byte { return modelBytes(s.n, s.seed) }

func modelBytes(n int64, seed uint64) []byte {
	b := make([]byte, n)
	// Read never fails.
	_, _ = rand.NewChaCha8([32]byte{byte(seed), byte(seed >> 8), byte(seed >> 16),
		byte(seed >> 24)}).Read(b)
	return b
}

func (s step) String() string {
	var b strings.Builder
	b.WriteString(s.op)
	text := func(name, v string) {
		if v != "" {
			fmt.Fprintf(&b, " %s=%s", name, strconv.Quote(v))
		}
	}
	number := func(name string, v int64) {
		if v != 0 {
			fmt.Fprintf(&b, " %s=%d", name, v)
		}
	}
	text("who", s.who)
	text("path", s.path)
	text("to", s.to)
	number("slot", int64(s.slot))
	number("off", s.off)
	number("n", s.n)
	number("seed", int64(s.seed))
	if s.mode != 0 {
		fmt.Fprintf(&b, " mode=%#o", s.mode)
	}
	number("sec", s.sec)
	number("nsec", s.nsec)
	text("opt", s.opt)
	if s.after != 0 {
		fmt.Fprintf(&b, " after=%s", s.after)
	}
	return b.String()
}

// parseStep reads what String has written.
func parseStep(line string) (step, error) {
	op, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
	s := step{op: op}
	number := func(v string) (int64, error) { return strconv.ParseInt(v, 0, 64) }
	for rest = strings.TrimSpace(rest); rest != ""; rest = strings.TrimSpace(rest) {
		name, value, ok := strings.Cut(rest, "=")
		if !ok {
			return step{}, fmt.Errorf("%q: no value", rest)
		}
		var raw string
		var err error
		if strings.HasPrefix(value, `"`) {
			if raw, err = strconv.QuotedPrefix(value); err != nil {
				return step{}, fmt.Errorf("%q: %w", value, err)
			}
			rest = value[len(raw):]
			if raw, err = strconv.Unquote(raw); err != nil {
				return step{}, err
			}
		} else {
			raw, rest, _ = strings.Cut(value, " ")
		}
		var i int64
		switch name {
		case "who":
			s.who = raw
		case "path":
			s.path = raw
		case "to":
			s.to = raw
		case "opt":
			s.opt = raw
		case "after":
			s.after, err = time.ParseDuration(raw)
		case "slot":
			i, err = number(raw)
			s.slot = int(i)
		case "off":
			s.off, err = number(raw)
		case "n":
			s.n, err = number(raw)
		case "seed":
			i, err = number(raw)
			s.seed = uint64(i)
		case "mode":
			i, err = number(raw)
			s.mode = uint32(i)
		case "sec":
			s.sec, err = number(raw)
		case "nsec":
			s.nsec, err = number(raw)
		default:
			err = fmt.Errorf("no argument is called %q", name)
		}
		if err != nil {
			return step{}, fmt.Errorf("%q: %w", line, err)
		}
	}
	_, one := operations[s.op]
	if _, two := partyOperations[s.op]; !one && !two {
		return step{}, fmt.Errorf("no operation is called %q; there are %s", s.op,
			strings.Join(slices.Sorted(maps.Keys(operations)), ", "))
	}
	return s, nil
}

// sequence is what one run does.
type sequence []step

func (q sequence) String() string {
	var b strings.Builder
	for _, s := range q {
		fmt.Fprintln(&b, s)
	}
	return b.String()
}

// parseSequence reads steps, one a line; # begins a comment.
func parseSequence(text string) (sequence, error) {
	var q sequence
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		s, err := parseStep(line)
		if err != nil {
			return nil, err
		}
		q = append(q, s)
	}
	return q, nil
}
