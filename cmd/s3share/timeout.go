package main

import (
	"fmt"
	"time"

	"github.com/spf13/pflag"
)

// timeoutFlag is how long a command waits; 0 is without end.
type timeoutFlag time.Duration

// addTimeout adds --timeout to a command that waits for what.
func addTimeout(flags *pflag.FlagSet, timeout *time.Duration, what string) {
	flags.Var((*timeoutFlag)(timeout), "timeout",
		"the `TIME` to wait"+what+", like 90s or 5m (default: as long as it takes)")
}

func (f *timeoutFlag) String() string {
	if *f == 0 {
		return "" // pflag takes it for no default
	}
	return time.Duration(*f).String()
}

// Set takes a time as people write it. A number alone is refused, since it may be meant in
// minutes, and so is less than nothing, which would be taken for no end.
func (f *timeoutFlag) Set(s string) error {
	d, err := time.ParseDuration(s)
	switch {
	case err != nil:
		return fmt.Errorf("%q is no time with a unit: write it like 90s, 5m or 1h30m", s)
	case d < 0:
		return fmt.Errorf("%q is less than nothing: write it like 90s, 5m or 1h30m", s)
	}
	*f = timeoutFlag(d)
	return nil
}

// Type is what pflag calls a flag of this kind.
func (f *timeoutFlag) Type() string { return "duration" }
