package outbox

import (
	"github.com/s3share/s3share/cache/outbox/journal"
	"github.com/s3share/s3share/cache/outbox/parts"
	"github.com/s3share/s3share/cache/outbox/stage"
	"github.com/s3share/s3share/s3backend"
)

// replay applies one record of the journal.
func (it *Item) replay(st *stage.Snapshot, r journal.Record) {
	switch r.Op {
	case journal.OpCreate:
		it.folder, it.key, it.over, it.base, it.header, it.ambiguous = r.Folder, r.Key, r.Over.Object(),
			r.Base.Object(), (*s3backend.Header)(r.Header), r.Ambiguous
		it.edits.Store(it.base.ETag != "")
		st.Size, st.BaseValid = it.base.Size, it.base.Size
		it.replayMode(r)
	case journal.OpOpen:
		it.sealed.Store(false)
		it.ambiguous, it.contentID, it.contentIDSeq = r.Ambiguous, "", 0
	case journal.OpWrite:
		for _, x := range r.Dirty {
			st.Dirty.Add(x[0], x[1])
			st.Size = max(st.Size, x[1])
		}
	case journal.OpMode:
		it.replayMode(r)
	case journal.OpTruncate:
		st.Dirty.Cut(r.Size)
		st.Size, st.BaseValid = r.Size, r.Valid
	case journal.OpSeal:
		it.sealed.Store(true)
		it.explicit, it.interrupted = r.Set, interruptionOf(r)
		if !r.Killed { // else it was not sent
			it.contentID, it.contentIDSeq = r.Commit, stage.RestoredSeq
		}
		it.replayMode(r)
		st.Size, st.BaseValid, st.Mtime, st.Dirty = r.Size, r.Valid, r.Mtime.Time, nil
		for _, x := range r.Dirty {
			st.Dirty.Add(x[0], x[1])
		}
	case journal.OpRefuse:
		it.interrupted = interruptionOf(r)
	case journal.OpTry:
		it.contentID, it.contentIDSeq = r.Commit, 0 // it may have been written since
	case journal.OpRename:
		switch {
		case !r.Conflict:
			it.theirs = theirsAfter(it.theirs, it.key, r.Key)
		case it.theirs == "":
			it.theirs = it.key
		}
		it.key, it.over, it.obsolete, it.ambiguous = r.Key, r.Over.Object(), journal.Objects(r.Obsolete),
			r.Ambiguous
		it.up = nil
	case journal.OpObsolete:
		it.obsolete = journal.Objects(r.Obsolete)
	case journal.OpCommit:
		it.over, it.up = r.Over.Object(), nil
		if !it.sealed.Load() {
			it.contentID, it.contentIDSeq = "", 0 // what is written since gets another
		}
		if it.base.ETag != "" {
			it.base = it.over
		}
	case journal.OpUpload:
		if r.Key != it.key {
			return // S3's answer came when the file had another name already
		}
		l := parts.Layout{Version: r.LayoutVersion, First: r.Layout, Restarts: r.Restarts}
		if it.up != nil && it.up.remote.ID == r.Upload {
			it.up.layout = l // the file was closed
			return
		}
		up := newUpload(it.o, l)
		up.create.Do(func() {})
		up.remote = s3backend.Upload{Key: r.Key, ID: r.Upload, AbortDate: r.Abort, CRC32: r.CRC}
		up.header, up.parts, up.recovered, up.noted = (*s3backend.Header)(r.Header), r.Parts, true, true
		it.up = up
	case journal.OpPart:
		if it.up != nil && r.Part != nil && r.S3 != nil && r.Upload == it.up.remote.ID {
			it.up.done[r.Part.Num] = sentPart{Part: *r.Part, s3: *r.S3}
		}
	case journal.OpGiveUp:
		it.up = nil
	}
}

func (it *Item) replayMode(r journal.Record) {
	if r.Mode != nil {
		it.mode, it.hasMode = *r.Mode, true
	}
}
