package outbox

import (
	"time"

	"github.com/s3share/s3share/cache/outbox/journal"
	"github.com/s3share/s3share/cache/outbox/multipart"
	"github.com/s3share/s3share/cache/outbox/stage"
	"github.com/s3share/s3share/s3backend"
)

// replayed is what the journal of an item says of it.
type replayed struct {
	target
	folder      bool
	sealed      bool // the last record is a seal: the item is closed and complete
	interrupted *interruption
	upload      *multipart.State
	content     stage.Snapshot
	boot        string  // in which the staged bytes were written; "" if they are on the disk
	sum         *uint32 // the CRC-32 of all of them; nil if it is unknown

	keys      []string // that the item had, the present one last
	displaced []string // the staged files whose names it has taken
}

// replay applies the records of an item's journal, the first of which creates it.
func replay(recs []journal.Record) *replayed {
	p := &replayed{content: stage.Snapshot{Mtime: time.Now()}}
	for _, r := range recs {
		p.apply(r)
	}
	return p
}

func (p *replayed) apply(r journal.Record) {
	switch r.Op {
	case journal.OpCreate:
		p.folder, p.key, p.over, p.base, p.header, p.ambiguous = r.Folder, r.Key, r.Over.Object(),
			r.Base.Object(), (*s3backend.Header)(r.Header), r.Ambiguous
		p.keys = append(p.keys, r.Key)
		p.content.Size, p.content.BaseValid = p.base.Size, p.base.Size
		p.applyMode(r)
	case journal.OpOpen:
		p.sealed = false
		p.ambiguous, p.contentID, p.contentIDSeq = r.Ambiguous, "", 0
		p.bytesChanged(r)
	case journal.OpWrite:
		for _, x := range r.Dirty {
			p.content.Dirty.Add(x[0], x[1])
			p.content.Size = max(p.content.Size, x[1])
		}
		p.bytesChanged(r)
	case journal.OpMode:
		p.applyMode(r)
	case journal.OpTruncate:
		p.content.Dirty.Cut(r.Size)
		p.content.Size, p.content.BaseValid = r.Size, r.Valid
		p.bytesChanged(r)
	case journal.OpSeal:
		p.applySeal(r)
	case journal.OpRefuse:
		p.interrupted = interruptionOf(r)
	case journal.OpTry:
		p.contentID, p.contentIDSeq = r.Commit, 0 // it may have been written since
	case journal.OpRename:
		p.applyRename(r)
	case journal.OpObsolete:
		p.obsolete = journal.Objects(r.Obsolete)
	case journal.OpCommit:
		p.setCommitted(r.Over.Object())
		p.upload = nil
		if !p.sealed {
			p.contentID, p.contentIDSeq = "", 0 // what is written since gets another
		}
	case journal.OpUpload:
		if r.Key == p.key { // else S3's answer came when the file had another name already
			p.upload = p.upload.Apply(r)
		}
	case journal.OpPart, journal.OpGiveUp:
		p.upload = p.upload.Apply(r)
	}
	if r.Displaced != "" {
		p.displaced = append(p.displaced, r.Displaced)
	}
}

// bytesChanged applies a record that the staged bytes have changed, or are about to.
func (p *replayed) bytesChanged(r journal.Record) {
	p.sum = r.Sum
	if r.Boot != "" {
		p.boot = r.Boot // as of bytes of the base that were copied here
	}
}

func (p *replayed) applyMode(r journal.Record) {
	if r.Mode != nil {
		p.setMode(*r.Mode)
	}
}

func (p *replayed) applySeal(r journal.Record) {
	p.sealed, p.explicit, p.interrupted = true, r.Set, interruptionOf(r)
	if !r.Killed { // else it was not sent
		p.contentID, p.contentIDSeq = r.Commit, stage.RestoredSeq
	}
	p.applyMode(r)
	p.content = stage.Snapshot{Size: r.Size, BaseValid: r.Valid, Mtime: r.Mtime.Time}
	for _, x := range r.Dirty {
		p.content.Dirty.Add(x[0], x[1])
	}
	p.boot, p.sum = r.Boot, r.Sum
}

func (p *replayed) applyRename(r journal.Record) {
	if r.Conflict {
		p.becomeConflict(r.Key)
		p.over, p.obsolete = r.Over.Object(), journal.Objects(r.Obsolete)
	} else {
		p.rename(r.Key, r.Over.Object(), journal.Objects(r.Obsolete))
	}
	p.keys = append(p.keys, r.Key)
	p.ambiguous, p.upload = r.Ambiguous, nil
}
