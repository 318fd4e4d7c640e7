package cache

import (
	"context"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/s3share/s3share/cache/grants"
	"github.com/s3share/s3share/cache/keyname"
	"github.com/s3share/s3share/cache/ledger"
	"github.com/s3share/s3share/cache/meta"
	"github.com/s3share/s3share/cache/outbox"
	"github.com/s3share/s3share/s3backend"
)

// attrStore has the attributes of versions: those that S3 has returned, and those that the ledger
// has, because S3 does not return them, or not in a listing. It needs no lock: its parts have
// theirs.
type attrStore struct {
	sent      *ledger.Ledger
	names     *meta.Cache
	grants    *grants.Policy
	log       *slog.Logger
	timesKept atomic.Bool // the notice about times that are kept here was logged
}

// of returns what is shown of a version that S3 holds.
func (s *attrStore) of(o s3backend.Object) Attr {
	a := Attr{Size: o.Size, Mtime: o.Modified, Key: o.Key, ETag: o.ETag, Class: o.Class}
	h := o.Header
	if h == nil {
		h = s.names.Header(o.Key, o.ETag)
	}
	if t, ok := outbox.MtimeOf(h); ok {
		a.Mtime = t
	}
	if m, ok := outbox.ModeOf(h); ok {
		a.Mode, a.HasMode = m, true
	}
	e, ours := s.sent.Get(o.Key, o.ETag)
	if e.HasMode && ours {
		a.Mode, a.HasMode = e.Mode, true
	}
	if e.Touched && ours {
		a.Mtime = e.Mtime
	}
	if ours = ours && !e.Sent.IsZero(); ours && h == nil {
		a.Mtime = e.Mtime
	}
	a.Deny = s.grants.Denied(o.Key, ours)
	return a
}

// remember records in the ledger what S3 does not return later: the time and the permission bits,
// which no listing has, and everything if listing is refused.
func (s *attrStore) remember(it *outbox.Item, obj s3backend.Object) {
	mtime, mode, hasMode := it.StatOf(obj)
	e := ledger.Entry{Key: obj.Key, ETag: obj.ETag, Mtime: mtime, Mode: mode, HasMode: hasMode,
		Touched: true, Ours: true, Size: obj.Size}
	readable := s.grants.CanListAndRead(keyname.Folder(obj.Key))
	if it.IsFolder() {
		if readable {
			return
		}
		// What was set of the directory stays.
		dir := s.sent.Dir(obj.Key)
		e.Mtime, e.Touched, e.Mode, e.HasMode = dir.Mtime, dir.Touched, dir.Mode, dir.HasMode
	}
	if !readable {
		e.Sent = time.Now()
	}
	if err := s.sent.Put(e); err != nil {
		s.log.Warn("what was sent, its time or its mode may not be shown after a remount",
			"key", obj.Key, "err", err)
	}
}

// learn notes a version that a request about this one key has returned, and that the
// other party may have written. It keeps the version's time and mode, which no listing has,
// so that the next mount shows the same.
func (s *attrStore) learn(obj s3backend.Object) {
	s.names.Put(obj)
	mtime, hasMtime := outbox.MtimeOf(obj.Header)
	mode, hasMode := outbox.ModeOf(obj.Header)
	if e, _ := s.sent.Get(obj.Key, obj.ETag); obj.ETag == e.ETag && (e.Touched || e.HasMode) {
		return // they are known: this machine delivered it, or learn was called before
	}
	if hasMode {
		s.setMode(obj.Key, obj.ETag, mode)
	}
	if !hasMtime {
		return
	}
	if err := s.sent.SetTimes(obj.Key, obj.ETag, mtime, nil); err != nil {
		s.log.Warn("a time is kept until the mount is undone only", "key", obj.Key, "err", err)
	}
}

// forget forgets what is remembered of a key that holds another version, or none.
func (s *attrStore) forget(key string) {
	if err := s.sent.Forget(key); err != nil {
		s.log.Warn("the ledger cannot be written", "key", key, "err", err)
	}
}

// keepTimes records the time and the mode of a version that S3 does not let us copy. It logs that
// once.
func (s *attrStore) keepTimes(it *outbox.Item, obj s3backend.Object, why error) {
	_, mtime, bits, hasMode := it.Stat()
	var mode *uint32
	if hasMode {
		mode = &bits
	}
	if err := s.sent.SetTimes(obj.Key, obj.ETag, mtime, mode); err != nil {
		s.log.Warn("a time is kept until the mount is undone only", "key", obj.Key, "err", err)
	}
	level := slog.LevelDebug
	if s.timesKept.CompareAndSwap(false, true) {
		level = slog.LevelWarn
	}
	s.log.Log(context.Background(), level,
		"a new time is kept on this machine, since S3 does not let the object be copied",
		"key", obj.Key, "err", why)
}

// setMode remembers the permission bits of a version that S3 holds.
func (s *attrStore) setMode(key, etag string, mode uint32) {
	if err := s.sent.SetMode(key, etag, mode); err != nil {
		s.log.Warn("a mode is kept until the mount is undone only", "key", key, "err", err)
	}
}

// keepMode has an item that changes a version begin with the permission bits that were
// set of that version here: S3 does not know them.
func (s *attrStore) keepMode(it *outbox.Item, base s3backend.Object) {
	if e, ok := s.sent.Get(base.Key, base.ETag); ok && base.ETag != "" &&
		e.HasMode && !it.HasMode() {
		it.Permit(e.Mode)
	}
}
