package meta

import (
	"time"

	"github.com/s3share/s3share/s3backend"
)

// isDir in an Entry's Size marks a folder, isGone one that was removed here.
const (
	isDir  = -1
	isGone = -2
)

// Entry is one name of a folder.
type Entry struct {
	Name     string // the last element of the key, without a slash
	ETag     string
	Size     int64 // in bytes; negative for what is no object
	Modified int64 // S3's Last-Modified, in nanoseconds since 1970
	Class    string
}

// IsDir reports whether it is a directory, not an object.
func (e Entry) IsDir() bool { return e.Size == isDir }

// Object is the version that the entry names, in the folder with prefix.
func (e Entry) Object(prefix string) s3backend.Object {
	return s3backend.Object{Key: prefix + e.Name, Size: e.Size,
		ETag: e.ETag, Modified: time.Unix(0, e.Modified), Class: e.Class}
}

// Gone reports whether it was removed since it was listed.
func (e Entry) Gone() bool { return e.Size == isGone }

func entryOf(name string, o s3backend.Object) Entry {
	return Entry{Name: name, ETag: o.ETag,
		Size: o.Size, Modified: o.Modified.UnixNano(), Class: o.Class}
}

// sortName is what S3 sorts an entry by: a folder's name ends in a slash.
func sortName(e Entry) string {
	if e.IsDir() {
		return e.Name + "/"
	}
	return e.Name
}

// key is a key for maps that is not the same for a file and a directory.
func key(name string, folder bool) string {
	if folder {
		return name + "/"
	}
	return name
}
