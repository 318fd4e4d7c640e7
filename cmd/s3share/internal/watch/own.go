package watch

import (
	"os"
	"path/filepath"
	"time"

	"github.com/s3share/s3share/cache"
	"github.com/s3share/s3share/cache/filestamp"
	"github.com/s3share/s3share/cache/outbox"
	"github.com/s3share/s3share/cache/privatename"
	"github.com/s3share/s3share/cache/transfer"
	"github.com/s3share/s3share/s3backend"
)

// ownPatience is how long the event of a key waits while a file for it is on its way from here: it
// may be that file.
const ownPatience = time.Minute

// own knows what this machine has sent, by what mounts and put remember in the state directory.
type own struct {
	stateDir, notesDir, notesID string
	private                     *privatename.Patterns

	mounts *cache.OwnVersions
	notes  *transfer.Notes
	stamp  string // of the notes' file, as it was read

	sending map[string]bool      // keys of files that are on their way
	waiting map[string]time.Time // since when the event of a key waits for that
}

// refresh reads again what has changed. An error means that less is known.
func (o *own) refresh() {
	_ = o.mounts.Refresh()
	st, err := os.Stat(filepath.Join(o.notesDir, transfer.NotesFile))
	if err != nil {
		return
	}
	stamp := filestamp.Of(st)
	if o.notes != nil && stamp != "" && stamp == o.stamp {
		return
	}
	notes, err := transfer.OpenNotes(o.notesDir, o.notesID)
	if err != nil {
		return
	}
	o.close()
	o.notes, o.stamp = notes, stamp
}

// readSending reads what is on its way.
func (o *own) readSending() {
	o.sending = map[string]bool{}
	pending, err := cache.ReadPending(o.stateDir, o.private)
	if err != nil {
		return
	}
	for _, st := range pending.Waiting {
		if st.State == outbox.Sealed || st.State == outbox.Uploading {
			o.sending[st.Key] = true
		}
	}
}

// has reports whether this machine is known to have made the version. More is known with its
// header.
func (o *own) has(obj s3backend.Object) bool {
	return o.mounts.Has(obj.Key, obj.ETag) || o.notes.Made(obj)
}

// maySend reports whether the version may be one of ours that is not confirmed yet.
func (o *own) maySend(key string) bool {
	if !o.sending[key] {
		delete(o.waiting, key)
		return false
	}
	since, ok := o.waiting[key]
	if !ok {
		since = time.Now()
		o.waiting[key] = since
	}
	return time.Since(since) < ownPatience
}

func (o *own) close() { _ = o.notes.Close() }
