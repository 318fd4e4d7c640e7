package keyname

import "strings"

// Split splits a key after the last slash that is not its last byte.
func Split(key string) (prefix, elem string) {
	i := strings.LastIndexByte(strings.TrimSuffix(key, "/"), '/') + 1
	return key[:i], key[i:]
}

// Folder returns the folder of the exchange that a key is in: its first element.
func Folder(key string) string {
	folder, _, _ := strings.Cut(key, "/")
	return folder
}

// Path returns the path below the mountpoint at which a key is shown.
func Path(key string) string {
	elems := strings.Split(strings.TrimSuffix(key, "/"), "/")
	for i := range elems {
		elems[i] = Escape(elems[i])
	}
	return strings.Join(elems, "/")
}
