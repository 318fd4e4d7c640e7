package cache

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"
	"unicode/utf8"
)

// S3 keys may hold what no file name can. escape turns one element of a key
// (what stands between slashes) into a name, and unescape turns it back, so that
// every key is reachable and none leads out of the mount. Each element has one name,
// and each name stands for one element at most:
//
//	Icon\r      Icon\r     what Linux takes, control characters too, is shown as it is
//	..          ␛2E␛2E     "." and ".." in full
//	a\xffb      a␛FFb      bytes that are NUL or no UTF-8
//	50␛         50␛E2␛90␛9B   the escape character itself
//	(empty)     ␛          what stands between the slashes of "a//b"
//	a beside a/ a␛         the object of a name that is a folder as well
//	(too long)  head␛~hash  found again by listing what begins with head
const escapeChar = "␛" // U+241B, symbol for escape

const (
	// maxName is the longest name the kernel takes, in bytes.
	// Source: linux/limits.h, NAME_MAX.
	maxName = 255
	// maxKey is the longest key S3 accepts, in bytes of UTF-8.
	// Source: Amazon S3 User Guide, "Naming Amazon S3 objects".
	maxKey = 1024

	longMark = escapeChar + "~"
	longHash = 16 // hexadecimal digits of the hash in a shortened name
)

// escape returns the name under which an element of a key is shown.
func escape(elem string) string {
	if name := escapeBytes(elem); len(name) <= maxName {
		return name
	}
	return shorten(elem, maxName)
}

// escapeBeside is escape for the object beside a folder of the same name.
func escapeBeside(elem string) string {
	if name := escapeBytes(elem) + escapeChar; len(name) <= maxName {
		return name
	}
	return shorten(elem, maxName-len(escapeChar)) + escapeChar
}

// shorten returns a name of at most limit bytes for a long element. Its head is the
// escape of what the element begins with, as far as that is UTF-8.
func shorten(elem string, limit int) string {
	sum := sha256.Sum256([]byte(elem))
	end := longMark + hex.EncodeToString(sum[:])[:longHash]
	n := 0
	for n < len(elem) {
		r, size := utf8.DecodeRuneInString(elem[n:])
		if r == utf8.RuneError || n+size > limit-len(end) {
			break
		}
		n += size
	}
	for ; n > 0; n-- {
		if n < len(elem) && !utf8.RuneStart(elem[n]) {
			continue
		}
		if head := escapeBytes(elem[:n]); len(head) <= limit-len(end) {
			return head + end
		}
	}
	return end
}

// isName reports whether an element can be shown as it is.
func isName(elem string) bool {
	switch elem {
	case "", ".", "..":
		return false
	}
	return utf8.ValidString(elem) && !strings.Contains(elem, escapeChar) && strings.IndexByte(elem, 0) < 0
}

// escapeBytes is escape for an element of any length.
func escapeBytes(elem string) string {
	switch elem {
	case "":
		return escapeChar
	case ".", "..":
		return strings.ReplaceAll(elem, ".", escapeChar+"2E")
	}
	if isName(elem) {
		return elem
	}
	var b strings.Builder
	for i := 0; i < len(elem); {
		r, n := utf8.DecodeRuneInString(elem[i:])
		if r == utf8.RuneError && n <= 1 || r == 0 || string(r) == escapeChar {
			for _, c := range []byte(elem[i : i+n]) {
				b.WriteString(escapeChar)
				b.WriteString(strings.ToUpper(hex.EncodeToString([]byte{c})))
			}
		} else {
			b.WriteString(elem[i : i+n])
		}
		i += n
	}
	return b.String()
}

// unescape returns the element that a name stands for. shadowed tells that it is
// the object beside a folder of the same name; ok is false for a name that escape
// never makes, which no object can have, and for a shortened one (see isLong).
func unescape(name string) (elem string, shadowed, ok bool) {
	if isName(name) {
		return name, false, true
	}
	if name == escapeChar {
		return "", false, true
	}
	if isLong(name) {
		return "", false, false
	}
	shown := strings.TrimSuffix(name, escapeChar)
	var b strings.Builder
	for rest := shown; rest != ""; {
		i := strings.Index(rest, escapeChar)
		if i < 0 {
			b.WriteString(rest)
			break
		}
		b.WriteString(rest[:i])
		rest = rest[i+len(escapeChar):]
		if len(rest) < 2 {
			return "", false, false
		}
		c, err := hex.DecodeString(rest[:2])
		if err != nil {
			return "", false, false
		}
		b.Write(c)
		rest = rest[2:]
	}
	// One name for one element: what is escaped without need is nobody's name, and
	// neither is what should be escaped.
	if elem = b.String(); escapeBytes(elem) != shown {
		return "", false, false
	}
	return elem, shown != name, true
}

// checkNew refuses to make what cannot be a key everywhere, or would be shown under
// another name than it was given: S3 takes keys of UTF-8 alone, and many of its programs
// stumble over "a//b" and "a/./b".
func (p place) checkNew() error {
	switch {
	case !utf8.ValidString(p.elem):
		return ErrNotUTF8
	case p.beside, p.elem == "", p.elem == ".", p.elem == "..", strings.IndexByte(p.elem, 0) >= 0:
		return ErrInvalid
	}
	return nil
}

// isLong tells a name that stands for an element too long for a name.
func isLong(name string) bool {
	i := strings.LastIndex(name, longMark)
	return i >= 0 && len(name) == i+len(longMark)+longHash
}

// longHead is what the element behind a shortened name begins with.
func longHead(name string) (string, bool) {
	if strings.HasPrefix(name, longMark) {
		return "", true
	}
	elem, _, ok := unescape(name[:strings.LastIndex(name, longMark)])
	return elem, ok
}
