package cache

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"
	"unicode/utf8"
)

// S3 keys may hold what no file name can. escape turns one element of a key
// (what stands between slashes) into a name, and unescape turns it back, so that
// every key is reachable and none leads out of the mount:
//
//	..          ␛2E␛2E     "." and ".." in full
//	a\x01b      a␛01b      bytes that are control characters or no UTF-8
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

// shorten returns a name of at most limit bytes for a long element.
func shorten(elem string, limit int) string {
	head := ""
	for _, r := range elem {
		next := head + escapeBytes(string(r))
		if r == utf8.RuneError || len(next) > limit-len(longMark)-longHash {
			break
		}
		head = next
	}
	sum := sha256.Sum256([]byte(elem))
	return head + longMark + hex.EncodeToString(sum[:])[:longHash]
}

func escapeBytes(elem string) string {
	switch elem {
	case "":
		return escapeChar
	case ".", "..":
		return strings.ReplaceAll(elem, ".", escapeChar+"2E")
	}
	plain := utf8.ValidString(elem) && !strings.Contains(elem, escapeChar)
	for i := 0; plain && i < len(elem); i++ {
		plain = elem[i] >= 0x20 && elem[i] != 0x7f
	}
	if plain {
		return elem
	}
	var b strings.Builder
	for i := 0; i < len(elem); {
		r, n := utf8.DecodeRuneInString(elem[i:])
		if r == utf8.RuneError && n <= 1 || r < 0x20 || r == 0x7f || string(r) == escapeChar {
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
	if !strings.Contains(name, escapeChar) {
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
	// One name for one element: what is escaped without need is nobody's name.
	if elem = b.String(); escapeBytes(elem) != shown {
		return "", false, false
	}
	return elem, shown != name, true
}

// isLong tells a name that stands for an element too long for a name.
func isLong(name string) bool {
	i := strings.LastIndex(name, longMark)
	return i >= 0 && len(name) == i+len(longMark)+longHash
}

// longHead is what the element behind a shortened name begins with.
func longHead(name string) (string, bool) {
	elem, _, ok := unescape(name[:strings.LastIndex(name, longMark)])
	return elem, ok
}
