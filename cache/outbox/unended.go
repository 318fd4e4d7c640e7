package outbox

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
)

// unended are the journals that the disk has refused to end. A later process would take their items
// for pending, and deliver them again. That does no harm while S3 holds what they had delivered, or
// nothing: the commit ID shows it. So nothing replaces or removes that before the journals have
// ended.
type unended struct {
	ending sync.Mutex // held by end; it is taken before itemLog.mu

	mu   sync.Mutex // guards the field below; it is taken after itemLog.mu
	logs []*itemLog
}

// add adds a journal. The caller may hold its lock.
func (u *unended) add(l *itemLog) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if !slices.Contains(u.logs, l) {
		u.logs = append(u.logs, l)
	}
}

func (u *unended) all() []*itemLog {
	u.mu.Lock()
	defer u.mu.Unlock()
	return slices.Clone(u.logs)
}

func (u *unended) remove(l *itemLog) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.logs = slices.DeleteFunc(u.logs, func(other *itemLog) bool { return other == l })
}

// end tries again to end the journals that the disk has refused to end, of items whose last
// key has this prefix. The error is that of the disk, if a later process would still take one of
// them for pending.
func (u *unended) end(prefix string) error {
	return u.endOf(func(key string) bool { return strings.HasPrefix(key, prefix) })
}

// endAt is end for the items that had one of these keys last.
func (u *unended) endAt(keys ...string) error {
	return u.endOf(func(key string) bool { return slices.Contains(keys, key) })
}

func (u *unended) endOf(chosen func(key string) bool) error {
	logs := u.all()
	if len(logs) == 0 {
		return nil
	}
	u.ending.Lock()
	defer u.ending.Unlock()
	var errs []error
	for _, l := range logs {
		key, removed, err := l.endAgain(chosen)
		if removed {
			u.remove(l)
		}
		if err != nil {
			errs = append(errs,
				fmt.Errorf("cannot record that an earlier state of %q was delivered: %w", key,
					err))
		}
	}
	return errors.Join(errs...)
}
