package outbox

import (
	"path/filepath"
	"time"

	"github.com/s3share/s3share/cache/outbox/journal"
	"github.com/s3share/s3share/cache/outbox/stage"
	"github.com/s3share/s3share/s3backend"
)

// Create stages a file at key. over is what S3 holds there, which the commit replaces, and base is
// what the content lies over. Either may be without an ETag, for none. If a version is being
// removed at key, the commit replaces that. mode is the permission bits of the file, nil for the
// default. The caller is its first writer, and calls Release.
func (o *Outbox) Create(key string, over, base s3backend.Object, read Base,
	mode *uint32) (*Item, error) {
	return o.create(key, over, base, read, mode, false)
}

// CreatePrivate is Create of a file that S3 holds and that is being renamed to a private name.
// KeepPrivate completes it. If the process ends before, nothing of it is left.
func (o *Outbox) CreatePrivate(key string, base s3backend.Object, read Base) (*Item, error) {
	return o.create(key, s3backend.Object{}, base, read, nil, true)
}

func (o *Outbox) create(key string, over, base s3backend.Object, read Base, mode *uint32,
	aside bool) (*Item, error) {
	var p *stage.Slot
	if base.ETag == "" {
		p = stage.AllocSlot(o.journals.slots)
	}
	it, err := o.newItem(key, p, base, read)
	if err != nil {
		return nil, err
	}
	name := ""
	if p != nil {
		name = filepath.Base(it.path)
	}
	removing := o.removals.at(key)
	over, left := removing.replacedBy(over)
	it.changeTarget(func(t *target) {
		t.over, t.ambiguous = over, left
		if mode != nil {
			t.setMode(*mode)
		}
	})
	if err := it.log.note(journal.Record{Op: journal.OpCreate, Name: name, Key: key,
		Over: journal.VersionOf(over), Base: journal.VersionOf(base),
		Header: (*journal.RawHeader)(base.Header), Ambiguous: left, Mode: mode,
		Aside: aside}); err != nil {
		it.stage.Close()
		it.log.end()
		it.log.removeBytes()
		return nil, err
	}
	o.add(it)
	o.removals.cancelFor(it, removing)
	return it, nil
}

// CreateUnnamed is Create of a file whose name was removed while a program has it open. It is never
// delivered, a later process does not know of it, and what has its name now is left alone. The
// caller is its first writer, and calls Drop.
func (o *Outbox) CreateUnnamed(key string, base s3backend.Object, read Base) (*Item, error) {
	it, err := o.newItem(key, nil, base, read)
	if err != nil {
		return nil, err
	}
	it.stage.MarkDone() // a later process removes it
	it.log.ended = true
	it.uploading.stopPreupload()
	it.schedule.unnamed.Store(true)
	o.add(it)
	return it, nil
}

// itemAt returns an item whose staged file will be at path, without a stage and not in the outbox
// yet.
func (o *Outbox) itemAt(path string, t target) *Item {
	it := &Item{o: o, path: path, sharedTarget: sharedTarget{now: t},
		schedule: schedule{gone: make(chan struct{})},
		content: content{edits: t.base.ETag != "",
			sealing: sealing{o: o, integrity: integrity{o: o},
				log: itemLog{dir: &o.journals, path: path, begun: time.Now()}},
			materializing: materializing{o: o, path: path}},
		annotations: savedAnnotations{o: o, path: path + annotationsSuffix}}
	it.object, it.uploading.c, it.renewed = &it.sharedTarget, &it.content, it.schedule.clearReason
	it.schedule.place, it.schedule.enqueue = it.placement, func() { o.enqueue(it) }
	return it
}

// newItem returns an item that is not in the outbox yet, in slot p unless that is nil.
func (o *Outbox) newItem(key string, p *stage.Slot, base s3backend.Object,
	read Base) (*Item, error) {
	size := base.Size
	if base.ETag == "" {
		size, read = 0, nil
	}
	path := o.journals.newPath()
	it := o.itemAt(path, target{entry: entry{key: key, base: base, header: base.Header}})
	it.schedule.holdLocked()
	it.log.slot = p
	st, err := stage.New(path, p, read, size,
		stage.Owner{Reserve: o.quota.reserve, Spill: it.log.spill})
	if err != nil {
		return nil, err
	}
	it.setStage(st)
	return it, nil
}

// CreateFolder creates a pending directory marker, the object "name/". key ends in a slash. The
// caller calls Release.
func (o *Outbox) CreateFolder(key string) (*Item, error) {
	it := o.itemAt(o.journals.newPath(), target{entry: entry{key: key}})
	it.folder = true
	it.schedule.holdLocked()
	if err := it.log.note(journal.Record{Op: journal.OpCreate,
		Key: key, Folder: true}); err != nil {
		journal.Remove(it.path + journal.Suffix)
		return nil, err
	}
	it.log.sealed.Store(true)
	removing := o.removals.at(key)
	if removing != nil { // S3 may hold the one that is being removed
		it.changeTarget(func(t *target) { t.unsure = true })
	}
	o.add(it)
	o.removals.cancelFor(it, removing)
	return it, nil
}
