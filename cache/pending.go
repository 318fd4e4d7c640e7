package cache

import (
	"errors"
	"path/filepath"
	"strings"

	"github.com/s3share/s3share/cache/keyname"
	"github.com/s3share/s3share/cache/outbox"
	"github.com/s3share/s3share/s3backend"
)

// Below reports whether what is waiting is the file at path, or below the directory at
// path; "" is everything. It compares keys, since one file may be asked for by any
// name that leads to its key.
func Below(path string) func(outbox.Status) bool {
	if path == "" {
		return func(outbox.Status) bool { return true }
	}
	key, beside, ok := keyOf(path)
	return func(st outbox.Status) bool {
		switch {
		case !ok: // a shortened name, which S3 would have to be asked for
			return atOrBelow(keyname.Path(st.Key), path)
		case beside:
			return st.Key == key
		}
		return atOrBelow(strings.TrimSuffix(st.Key, "/"), key)
	}
}

// isAt reports whether a path names the file at key.
func isAt(path, key string) bool {
	if of, _, ok := keyOf(path); ok {
		return of == key
	}
	return keyname.Path(key) == path
}

// keyOf is the key that a path stands for; beside, if it is the object beside a
// directory of the same name. ok is false where S3 would have to be asked, or where no
// key is shown so.
func keyOf(path string) (key string, beside, ok bool) {
	elems := strings.Split(path, "/")
	for i, name := range elems {
		if beside {
			return "", false, false // nothing is below an object
		}
		if elems[i], beside, ok = keyname.Unescape(name); !ok {
			return "", false, false
		}
	}
	return strings.Join(elems, "/"), beside, true
}

func atOrBelow(p, path string) bool {
	return path == "" || p == path || strings.HasPrefix(p, path+"/")
}

// Owes reports whether an outbox in this state directory has anything pending, or keeps
// private files. Nobody else may use the directory meanwhile.
func Owes(stateDir string) (bool, error) { return outbox.Owes(stageDir(stateDir)) }

// StateFiles returns the names of the files in a state directory that record what was
// delivered to the bucket, which files are in conflict there, and what was listed and granted last.
func StateFiles() []string {
	return []string{filepath.Base(ledgerFile("")), filepath.Base(conflictsFile("")),
		listingsFile, rightsFile}
}

func stageDir(stateDir string) string { return filepath.Join(stateDir, "stage") }

// reviewConflicts forgets what earlier mounts have delivered beside the other party's
// version, and S3 does not hold any more.
func (c *Cache) reviewConflicts() {
	for _, st := range c.out.Conflicts() {
		prefix, elem := keyname.Split(st.Key)
		_, err := c.statNow(c.ending, location{prefix: prefix, elem: elem}, -1)
		if errors.Is(err, s3backend.NotExist) && c.unlisted.age(keyname.Folder(st.Key)) < 0 {
			c.out.Resolved(st.Key)
		}
	}
}
