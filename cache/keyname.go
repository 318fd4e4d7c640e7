package cache

import "strings"

// FileName returns the name under which a mount shows an element of a key, which is what
// stands between two slashes. beside is set for an object that has the name of a directory.
func FileName(elem string, beside bool) string {
	if beside {
		return escapeBeside(elem)
	}
	return escape(elem)
}

// KeyElement returns the element of a key that a name stands for in a mount; false for a
// name that stands for none, or for one that is too long to be a name.
func KeyElement(name string) (string, bool) {
	elem, _, ok := unescape(name)
	return elem, ok
}

// NewKeyElement returns the element of a key that a new file of this name gets, as in a
// mount. The error is ErrNotUTF8 or ErrInvalid.
func NewKeyElement(name string) (string, error) {
	elem, beside, ok := unescape(name)
	if !ok {
		elem, beside = name, strings.Contains(name, escapeChar) // no key has it: refused below
	}
	return elem, place{elem: elem, beside: beside}.checkNew()
}

// MaxKey is the longest key S3 accepts, in bytes of UTF-8.
const MaxKey = maxKey
