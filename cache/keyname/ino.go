package keyname

import "strings"

// Ino returns the inode number of what has this key, unless another key has taken it: the
// FNV-1a hash of the key, the same for a directory with and without its slash.
func Ino(key string) uint64 {
	h := uint64(14695981039346656037)
	for _, b := range []byte(strings.TrimSuffix(key, "/")) {
		h = (h ^ uint64(b)) * 1099511628211
	}
	return h
}
