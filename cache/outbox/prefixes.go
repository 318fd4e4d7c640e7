package outbox

import (
	"iter"
	"strings"
)

// Prefixes yields the prefixes of directories in which a key lies, the outermost first. A
// directory's own prefix, as a key, is among them.
func Prefixes(key string) iter.Seq[string] {
	return func(yield func(string) bool) {
		for end := 0; ; {
			i := strings.IndexByte(key[end:], '/')
			if i < 0 {
				return
			}
			if end += i + 1; !yield(key[:end]) {
				return
			}
		}
	}
}
