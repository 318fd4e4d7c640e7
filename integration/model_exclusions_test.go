package integration

import (
	"os"
	"slices"
	"strings"
)

// What the model does not draw yet, since the product is known to do it wrong. Each
// entry goes with the fault that it names; the oracle is never weakened instead.

// exclusion is a kind of step, or a pool of names.
type exclusion struct {
	name string
	why  string
	in   func(m mode) bool         // nil for every mode
	step func(s step, m mode) bool // nil for what is asked for by name

	parties bool // of sequences with two parties, and of no others
}

var exclusions = []exclusion{
	{name: "control characters", why: "the name that is made is not the one that is listed"},
	{name: "not UTF-8", why: "bytes that no key can have are not refused"},
	{name: "escapes", why: "with control characters"},
	{name: "modes", why: "0 is shown as 0644, and a later append or touch undoes a chmod"},
	{name: "chmod", why: "as modes", step: func(s step, _ mode) bool {
		return s.op == "chmod" || s.op == "fchmod" || s.op == "save" && s.opt == "sed"
	}},
	{name: "times after a mount", why: "a file time is that of the upload at the next mount"},
}

// included reports whether MODEL_INCLUDE names the exclusion, or all: to see whether it
// is still needed.
func included(x exclusion) bool {
	some := strings.Split(os.Getenv("MODEL_INCLUDE"), ",")
	return slices.Contains(some, "all") || slices.Contains(some, x.name)
}

// excluded reports whether a pool of names is not drawn from.
func excluded(name string, m mode) bool {
	for _, x := range exclusions {
		if x.name == name && x.step == nil && !included(x) && (x.in == nil || x.in(m)) {
			return true
		}
	}
	return false
}

// excludes names the exclusion that a step falls under, "" for none.
func excludes(s step, m mode) string {
	for _, x := range exclusions {
		if x.step != nil && x.parties == m.parties && !included(x) && (x.in == nil || x.in(m)) && x.step(s, m) {
			return x.name
		}
	}
	return ""
}
