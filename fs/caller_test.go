package fs

import (
	"strings"
	"testing"
)

func TestEndedBySignal(t *testing.T) {
	// The fields behind the name: state, and then numbers, of which the flags are
	// the seventh and the exit code the last.
	stat := func(name, flags, code string) string {
		fields := strings.Split("R 1 1 1 0 -1 FLAGS"+strings.Repeat(" 0", 42)+" CODE", " ")
		return "123 (" + name + ") " + strings.NewReplacer("FLAGS", flags, "CODE", code).Replace(strings.Join(fields, " "))
	}
	for _, c := range []struct {
		name, flags, code string
		want              bool
	}{
		{"cp", "4194308", "9", true},
		{"cp", "4194308", "2", true},
		{"cp", "4194304", "0", false},
		{"cp", "4194308", "256", false}, // exit(1)
		{"cp", "4194304", "9", false},   // not ending
		{"a) R 9 (b", "4194308", "15", true},
	} {
		if got := endedBySignal(stat(c.name, c.flags, c.code)); got != c.want {
			t.Errorf("endedBySignal(%s, flags %s, code %s) = %v, want %v", c.name, c.flags, c.code, got, c.want)
		}
	}
	for _, stat := range []string{"", "1 (x", "1 (x) R 1 2"} {
		if endedBySignal(stat) {
			t.Errorf("endedBySignal(%q) = true", stat)
		}
	}
}
