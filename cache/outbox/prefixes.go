package outbox

import (
	"iter"
	"strings"
)

// Prefixes returns the prefixes of the directories that contain a key, the outermost first. If the
// key is that of a directory marker, it is the last.
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
