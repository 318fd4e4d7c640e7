package cache

import (
	"context"
	"errors"
	"path/filepath"
	"strings"

	"github.com/s3share/s3share/cache/outbox"
	"github.com/s3share/s3share/s3backend"
)

// under tells whether what is owed is the file at path, or below the folder at
// path; "" is everything.
func under(path string) func(outbox.Status) bool {
	return func(st outbox.Status) bool { return atOrBelow(pathOf(st.Key), path) }
}

func atOrBelow(p, path string) bool {
	return path == "" || p == path || strings.HasPrefix(p, path+"/")
}

// Owes tells whether an outbox in this state directory owes anything, or keeps
// private files. Nobody else may use the directory meanwhile.
func Owes(stateDir string) (bool, error) { return outbox.Owes(stageDir(stateDir)) }

func stageDir(stateDir string) string { return filepath.Join(stateDir, "stage") }

// Wait returns when S3 has confirmed the file at path, or all below the folder at
// path. What only a person can resolve is a *outbox.LeftError.
func (c *Cache) Wait(ctx context.Context, path string) error {
	return c.out.Wait(ctx, under(path))
}

// Conflicts lists what was delivered from here beside the other party's version, where
// either of the two is at path or below it.
func (c *Cache) Conflicts(path string) []outbox.Status {
	var all []outbox.Status
	for _, st := range withPaths(c.out.Conflicts()) {
		prefix, elem := splitKey(st.Key)
		if found, known := c.names.Known(prefix, elem, -1); known && !found.IsFile {
			c.out.Resolved(st.Key) // the other party has removed it
			continue
		}
		if atOrBelow(st.Path, path) || atOrBelow(st.Theirs, path) {
			all = append(all, st)
		}
	}
	return all
}

// reviewConflicts forgets what earlier mounts have delivered beside the other party's
// version, and S3 does not hold any more.
func (c *Cache) reviewConflicts() {
	for _, st := range c.out.Conflicts() {
		prefix, elem := splitKey(st.Key)
		if _, err := c.stat(c.ending, place{prefix: prefix, elem: elem}, -1); errors.Is(err, s3backend.NotExist) {
			c.out.Resolved(st.Key)
		}
	}
}

// Paused tells why all that is owed waits, or nil.
func (c *Cache) Paused() error { return c.out.Paused() }

// tell hands the outbox's news on.
func (c *Cache) tell(st outbox.Status) {
	if c.cfg.Tell != nil {
		c.cfg.Tell(withPaths([]outbox.Status{st})[0])
	}
}

// Retry tries what is blocked or waiting, at path or below it, again at once, and
// tells how many files that are.
func (c *Cache) Retry(path string) int {
	c.out.Reopen()
	c.reprobe()
	n := 0
	for _, it := range c.out.Items() {
		if under(path)(outbox.Status{Key: it.Key()}) && it.Retry() {
			n++
		}
	}
	return n
}

// Deliver sends the interrupted file at path as it is, or all such files below the
// folder at path, and tells how many there were.
func (c *Cache) Deliver(path string) (int, error) {
	n := 0
	for _, it := range c.out.Items() {
		st := it.Status()
		if st.State != outbox.Interrupted || !under(path)(st) {
			continue
		}
		if err := it.Deliver(); err != nil {
			return n, err
		}
		n++
	}
	return n, nil
}
