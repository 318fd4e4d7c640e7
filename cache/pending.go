package cache

import (
	"errors"
	"path/filepath"
	"strings"
	"time"

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
	return []string{filepath.Base(ledgerFile("")), filepath.Base(conflictsFile("")), listingsFile, rightsFile}
}

func stageDir(stateDir string) string { return filepath.Join(stateDir, "stage") }

// Unresolved lists what a person should look at although nothing of it waits, where it is at path
// or below it: what was delivered from here beside the other party's version, which may be at path
// itself, and what was removed here and S3 has refused to delete.
func (c *Cache) Unresolved(path string) []outbox.Status {
	var all []outbox.Status
	chosen := Below(path)
	for _, st := range append(c.out.Conflicts(), c.out.NotRemoved()...) {
		prefix, elem := keyname.Split(st.Key)
		folder := keyname.Folder(st.Key)
		age := c.unlisted.age(folder)
		if since := time.Since(st.Since); st.State == outbox.NotRemoved && (age < 0 || since < age) {
			age = since // what was listed before does not show it
		}
		found, known := c.names.Known(prefix, elem, age)
		there := found.IsFile || found.IsDir && strings.HasSuffix(st.Key, "/")
		if known && !there && !c.grants.WriteOnly(c.ending, folder, false) {
			c.out.Resolved(st.Key) // somebody else has removed it
			continue
		}
		if chosen(st) || chosen(outbox.Status{Key: st.Theirs}) {
			all = append(all, st)
		}
	}
	return withPaths(all)
}

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

// Paused returns why all that is pending waits, or nil.
func (c *Cache) Paused() error { return c.out.Admission.Paused() }

// Suspend suspends deliveries because of why; nil ends that. Reading goes on.
func (c *Cache) Suspend(why *outbox.SuspendedError) { c.out.Suspend(why) }

// Suspension returns why deliveries are suspended: an *outbox.SuspendedError, or nil.
func (c *Cache) Suspension() error { return c.out.Admission.Suspension() }

// notify hands the outbox's news on.
func (c *Cache) notify(st outbox.Status) {
	if c.cfg.OnStatus != nil {
		c.cfg.OnStatus(withPaths([]outbox.Status{st})[0])
	}
}

// Retry tries what is blocked or waiting, at path or below it, again at once, and
// returns how many files that are.
func (c *Cache) Retry(path string) int {
	c.out.Admission.Reopen()
	c.replaced.forget()
	c.grants.RefreshAll()
	n := 0
	chosen := Below(path)
	for _, it := range c.out.Items() {
		if chosen(outbox.Status{Key: it.Key()}) && it.Retry() {
			n++
		}
	}
	return n
}

// Deliver sends the interrupted file at path as it is, or all such files below the
// directory at path, and returns how many there were.
func (c *Cache) Deliver(path string) (int, error) {
	n := 0
	chosen := Below(path)
	for _, it := range c.out.Items() {
		st := it.Status()
		if st.State != outbox.Interrupted || !chosen(st) {
			continue
		}
		if err := it.Deliver(); err != nil {
			return n, err
		}
		n++
	}
	return n, nil
}
