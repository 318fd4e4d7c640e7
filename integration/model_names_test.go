package integration

import (
	"strings"
	"unicode/utf8"

	"golang.org/x/sys/unix"
)

// What docs/semantics.md, "Names", says of names, said once more: the mount's own code
// is what is tested.

const (
	escapeSign   = "␛"
	escapeOfSign = "␛E2␛90␛9B" // a name has this where its key has the sign
)

// modelUmask is what the mount takes from every mode.
const modelUmask = 0o022

// key is the key of what is at p.
func (r *modelRun) key(p string) string {
	return r.dir + "/" + strings.ReplaceAll(p, escapeOfSign, escapeSign)
}

// mustRefuseName is the error for making a name that no new key has.
func mustRefuseName(p string) []excuse {
	_, name := splitPath(p)
	switch {
	case !utf8.ValidString(name):
		return []excuse{{errnos: []unix.Errno{unix.EILSEQ},
			why: "no key has this name", must: true}}
	case strings.Contains(strings.ReplaceAll(name, escapeOfSign, ""), escapeSign):
		return []excuse{{errnos: []unix.Errno{unix.EINVAL},
			why: "no new key is shown under this name", must: true}}
	}
	return nil
}
