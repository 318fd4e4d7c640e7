package outbox

import (
	"log/slog"
	"os"
	"path/filepath"
)

// SyncNames returns when everything that was created, renamed or removed at keys with this prefix
// is on the local disk: a process after a power loss knows of it. It does not sync the bytes of
// files; Item.Sync does.
func (o *Outbox) SyncNames(prefix string) error {
	ended := o.journals.ended.Swap(false)
	err := o.syncNames(prefix, ended)
	if err != nil && ended {
		o.journals.ended.Store(true)
	}
	return err
}

func (o *Outbox) syncNames(prefix string, ended bool) error {
	if err := o.journals.unended.end(prefix); err != nil {
		return err
	}
	for _, it := range o.Items() {
		if it.log.unsynced(prefix) {
			if err := it.log.sync(); err != nil {
				return err
			}
		}
	}
	if !ended {
		return o.removals.sync()
	}
	return o.syncEnds()
}

// syncMade syncs the names of a new outbox's directory and of its parents, which may be as new, so
// that what is synced in it later can be found. Not every file system can.
func syncMade(dir string, log *slog.Logger) {
	if _, err := os.Lstat(filepath.Join(dir, bootName)); err == nil {
		return // it was used before
	}
	for dir, err := filepath.Abs(dir); err == nil; dir = filepath.Dir(dir) {
		if err := syncDir(dir); err != nil {
			log.Debug("a directory cannot be synced", "dir", dir, "err", err)
		}
		if dir == filepath.Dir(dir) {
			return
		}
	}
}
