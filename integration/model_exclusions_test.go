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
	{name: "set aside and forgotten", why: "the end of the daemon forgets that a file was set aside", step: func(s step, m mode) bool {
		return m.rights().delete && (s.op == "rename" || s.op == "swap") && privateFile(s.to) && !privateFile(s.path)
	}},
	{name: "set aside by saving", why: "as before", step: func(s step, m mode) bool {
		return m.rights().delete && s.op == "save" && strings.HasPrefix(s.opt, "backup")
	}},
	{name: "rename under -o sync", why: "a file that was committed by its close is lost by a rename", in: func(m mode) bool { return m.sync }, step: func(s step, _ mode) bool {
		return s.op == "rename" || s.op == "swap" || s.op == "save"
	}},
	{name: "back and forth", why: "a rename does not wait for the removal that its target still owes", step: func(s step, _ mode) bool { return s.op == "swap" }},
	{name: "set aside while open", why: "open files do not follow a file that is set aside", step: func(s step, _ mode) bool {
		return (s.op == "rename" || s.op == "swap") && privateFile(s.to) && !privateFile(s.path) || s.op == "save" && strings.HasPrefix(s.opt, "backup")
	}},
	{name: "times after a mount", why: "a file time is that of the upload at the next mount"},
	{name: "removal of directories", why: "a listing that began before a local change lands after it"},
	{name: "rmdir", why: "as before", step: func(s step, _ mode) bool { return s.op == "rmdir" || s.op == "remove" }},
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
