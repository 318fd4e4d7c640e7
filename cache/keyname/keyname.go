// Package keyname turns keys of S3 into the names and inode numbers of a mount, and names
// back into keys. It makes no request and keeps no state.
//
// A key may contain what no file name can. [Escape] turns one element of a key (the text
// between two slashes) into a name, and [Unescape] turns it back, so that every key is
// reachable and none leads out of the mount. Each element has one name, and each name stands
// for one element at most:
//
//	Icon\r      Icon\r     what Linux takes, control characters too, is shown as it is
//	..          ␛2E␛2E     "." and ".." in full
//	a\xffb      a␛FFb      bytes that are NUL or no UTF-8
//	50␛         50␛E2␛90␛9B   the escape character itself
//	(empty)     ␛          what stands between the slashes of "a//b"
//	a, and a/   a␛         the object that has the name of a directory: it is shadowed
//	(too long)  head␛~hash  found again by listing what begins with head
package keyname

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"strings"
	"unicode/utf8"
)

// escapeChar begins every escape.
const escapeChar = "␛" // U+241B, symbol for escape

const (
	// MaxName is the longest name the kernel takes, in bytes.
	// Source: linux/limits.h, NAME_MAX.
	MaxName = 255
	// MaxKey is the longest key S3 accepts, in bytes of UTF-8.
	// Source: Amazon S3 User Guide, "Naming Amazon S3 objects".
	MaxKey = 1024

	longMark = escapeChar + "~"
	longHash = 16 // hexadecimal digits of the hash in a shortened name
)

// Errors of [CheckNew] and [NewElement]. They are those of package cache as well.
var (
	ErrNotUTF8 = errors.New("name is not UTF-8, as S3's keys are")
	ErrInvalid = errors.New("not possible on this file")
)

// Escape returns the name under which an element of a key is shown, at most [MaxName] bytes.
func Escape(elem string) string {
	if name := EscapeFull(elem); len(name) <= MaxName {
		return name
	}
	return shorten(elem, MaxName)
}

// EscapeShadowed is [Escape] for an object that has the name of a directory.
func EscapeShadowed(elem string) string {
	if name := EscapeFull(elem) + escapeChar; len(name) <= MaxName {
		return name
	}
	return shorten(elem, MaxName-len(escapeChar)) + escapeChar
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
		if head := EscapeFull(elem[:n]); len(head) <= limit-len(end) {
			return head + end
		}
	}
	return end
}

// IsName reports whether an element is shown as it is, if it is not too long.
func IsName(elem string) bool {
	switch elem {
	case "", ".", "..":
		return false
	}
	return utf8.ValidString(elem) && !strings.Contains(elem, escapeChar) &&
		strings.IndexByte(elem, 0) < 0
}

// EscapeFull is [Escape] without shortening: the result can be longer than [MaxName].
func EscapeFull(elem string) string {
	switch elem {
	case "":
		return escapeChar
	case ".", "..":
		return strings.ReplaceAll(elem, ".", escapeChar+"2E")
	}
	if IsName(elem) {
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

// Unescape returns the element that a name stands for. shadowed is set for the object
// that has the name of a directory. ok is false for a name that [Escape] never returns,
// which no object can have, and for a shortened one: see [LongHead].
func Unescape(name string) (elem string, shadowed, ok bool) {
	if IsName(name) {
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
	if elem = b.String(); EscapeFull(elem) != shown {
		return "", false, false
	}
	return elem, shown != name, true
}

// CheckNew returns an error if nothing may be created under an element: it cannot be a key
// everywhere, or would be shown under another name than it was given. S3 takes keys of UTF-8
// alone, and many of its programs stumble over "a//b" and "a/./b". The error is
// ErrNotUTF8 or ErrInvalid.
func CheckNew(elem string, shadowed bool) error {
	switch {
	case !utf8.ValidString(elem):
		return ErrNotUTF8
	case shadowed, elem == "", elem == ".", elem == "..", strings.IndexByte(elem, 0) >= 0:
		return ErrInvalid
	}
	return nil
}

// isLong reports whether a name stands for an element too long for a name.
func isLong(name string) bool {
	i := strings.LastIndex(name, longMark)
	return i >= 0 && len(name) == i+len(longMark)+longHash
}

// LongHead returns the text that the element of a shortened name begins with: the element
// is the one that lists below it and has this name. ok is false for any other name.
func LongHead(name string) (head string, shadowed, ok bool) {
	short := strings.TrimSuffix(name, escapeChar)
	shadowed = short != name
	switch {
	case !isLong(short):
		return "", shadowed, false
	case strings.HasPrefix(short, longMark):
		return "", shadowed, true
	}
	head, _, ok = Unescape(short[:strings.LastIndex(short, longMark)])
	return head, shadowed, ok
}

// FileName is [EscapeShadowed] for a shadowed element, [Escape] for any other.
func FileName(elem string, shadowed bool) string {
	if shadowed {
		return EscapeShadowed(elem)
	}
	return Escape(elem)
}

// NewElement returns the element of the key of a new file with this name. The error is
// [ErrNotUTF8] or [ErrInvalid].
func NewElement(name string) (string, error) {
	elem, shadowed, ok := Unescape(name)
	if !ok {
		elem, shadowed = name, strings.Contains(name, escapeChar) // no key has it: refused below
	}
	return elem, CheckNew(elem, shadowed)
}
