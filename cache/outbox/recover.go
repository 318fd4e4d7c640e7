package outbox

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/s3share/s3share/cache/outbox/journal"
	"github.com/s3share/s3share/cache/outbox/stage"
	"github.com/s3share/s3share/s3backend"
)

var (
	// errNoBegin is the error for a journal whose first record is not OpCreate.
	errNoBegin = errors.New("journal has no beginning")

	errWasOpen = errors.New("it was open for writing when s3share ended")
	errStopped = errors.New(
		"it was open for writing when the machine stopped, or closed a moment before")
	errNotDisk = errors.New("the machine stopped before all of it was on the disk")
	errKilled  = errors.New("the program that wrote it was ended by a signal")
)

// Recover reads what an earlier process left pending. Items wait for Item.Resume, removals and
// renames for Outbox.Resume, so that the caller can first show them. base opens a version
// for the items that lie over one. What cannot be read is kept, logged and listed by Status, and
// does not stop the others.
func (o *Outbox) Recover(base func(s3backend.Object) Base) ([]*Item, error) {
	o.mu.Lock()
	o.openBase = base
	o.mu.Unlock()
	o.removals.pause(true)
	defer o.removals.pause(false)
	inv, err := takeInventory(o.cfg.Dir)
	if err != nil {
		return nil, err
	}
	r := &recovery{o: o, inv: inv, rebooted: o.boots.rebooted(), displaced: map[string]bool{},
		left: map[string]*stage.Slot{}}
	r.recoverSlots()
	r.recoverFiles()
	var moves []*recoveredRename
	for _, name := range inv.moves {
		rec, err := readRename(o, filepath.Join(o.cfg.Dir, name))
		if rec != nil {
			moves = append(moves, rec)
			o.onResume = append(o.onResume, rec.run)
		}
		r.quarantineOrKeep(name, "", err)
	}
	if inv.removals {
		r.quarantineOrKeep(removalsLog, "", o.removals.recover())
	}
	if kept := o.conflicts.recover(); kept != "" {
		o.unreadables.add(Status{Key: filepath.Base(kept),
			Reason: "the list of earlier conflicts is damaged, and kept in " +
				shownPath(kept)}, kept)
	}
	strays, empty := inv.orphans(o.cfg.Dir)
	r.listUnreadable(strays)
	r.removeEnded(empty)
	if err := o.boots.note(); err != nil {
		o.log.Warn("the next start will take it that the machine was off meanwhile", "err", err)
	}
	return r.reconcilePending(r.dropDisplaced(), moves), nil
}

// recovery is one call of Recover.
type recovery struct {
	o         *Outbox
	inv       *inventory
	rebooted  bool // the machine may have stopped since the outbox was used last
	items     []*Item
	displaced map[string]bool // staged files that another item's journal has replaced
	// by staged file: slots that items have left, and that are not free
	left map[string]*stage.Slot
}

// journaled is an item's journal that an earlier process has left.
type journaled struct {
	path string           // of the staged file
	slot *stage.Slot      // of the journal and the staged bytes; nil: they have files
	recs []journal.Record // at least one
}

// recoverFiles recovers the items that have files of their own.
func (r *recovery) recoverFiles() {
	for _, name := range r.inv.journals {
		log, path := name+journal.Suffix, filepath.Join(r.o.cfg.Dir, name)
		if at, ended := slices.BinarySearch(r.inv.done, name); ended {
			// the process was killed before it removed it
			if journal.Remove(path+journal.Suffix) != nil {
				r.inv.done = slices.Delete(r.inv.done, at, at+1)
			}
			continue
		}
		recs, err := journal.Read(path + journal.Suffix)
		if err == nil && len(recs) == 0 {
			if !r.rebooted && !hasData(path) {
				r.o.log.Info(
					"a file was being made when s3share was killed: nothing was written to it",
					"journal", path+journal.Suffix)
				removeStaged(path)
				continue
			}
		}
		if err == nil {
			err = checkBegin(recs)
		}
		if err == nil && !r.rebooted && onlyOpened(recs, path) {
			removeStaged(path)
			continue
		}
		if err == nil {
			err = r.recoverItem(journaled{path: path, recs: recs})
		}
		r.quarantineOrKeep(log, path, err)
	}
}

// removeStaged removes a staged file and its journal. The journal goes first: without it, the next
// process takes an empty staged file for one that was never written to.
func removeStaged(path string) {
	journal.Remove(path + journal.Suffix)
	os.Remove(path)
}

// checkBegin returns errNoBegin if a journal does not begin as an item's does.
func checkBegin(recs []journal.Record) error {
	if len(recs) == 0 || recs[0].Op != journal.OpCreate {
		return errNoBegin
	}
	return nil
}

// onlyOpened reports whether a program had the file with this journal open for writing, and had
// changed nothing: S3 has all of it. After a power loss that is not known.
func onlyOpened(recs []journal.Record, path string) bool {
	r := recs[0]
	return len(recs) == 1 && r.Base != nil && r.Over != nil && *r.Base == *r.Over &&
		r.Key == r.Base.Key && !r.Aside && r.Mode == nil && len(r.Ambiguous) == 0 && !hasData(path)
}

// quarantineOrKeep puts a journal that could not be used in quarantine if it is damaged, or if it
// is the journal of removals of a newer s3share, which would append to it. Any other stays for
// another attempt. staged is the path of the bytes that belong to it, "" for none.
func (r *recovery) quarantineOrKeep(name, staged string, err error) {
	if err == nil {
		return
	}
	path := filepath.Join(r.o.cfg.Dir, name)
	newer := errors.Is(err, journal.ErrNewer)
	if keep := !isDamage(err) || newer && name != removalsLog; keep {
		st := quarantinedStatus(path, staged)
		if !newer {
			st.Reason = fmt.Sprintf("%v; it is tried again at the next start", err)
		}
		r.o.log.Error("a journal cannot be read", "key", st.Key, "why", st.Reason)
		r.o.unreadables.add(st, path)
		return
	}
	r.inv.quarantined = append(r.inv.quarantined, filepath.Base(r.quarantine(path, err)))
}

// listUnreadable lists the journals in quarantine, and strays, the bytes without a journal.
func (r *recovery) listUnreadable(strays []string) {
	dir := r.o.cfg.Dir
	slices.Sort(r.inv.quarantined)
	for _, name := range r.inv.quarantined {
		log, staged := filepath.Join(dir, name), ""
		name = quarantinedName(name)
		if stagedName.MatchString(name) {
			staged = filepath.Join(dir, name)
		}
		r.o.unreadables.add(quarantinedStatus(log, staged), log)
	}
	for _, name := range strays {
		r.o.unreadables.add(orphanStatus(filepath.Join(dir, name)), filepath.Join(dir, name))
	}
}

// removeEnded removes the files that are certainly not pending, and the empty ones without a
// journal.
func (r *recovery) removeEnded(empty []string) {
	dir := r.o.cfg.Dir
	for _, name := range empty { // killed when its journal had not begun
		os.Remove(filepath.Join(dir, name))
	}
	for _, name := range r.inv.done {
		os.Remove(filepath.Join(dir, stage.DonePrefix+name))
	}
	r.removeAnnotations()
	for _, name := range r.inv.recycled {
		os.Remove(filepath.Join(dir, name))
	}
	for _, name := range r.inv.others {
		r.o.log.Warn("what is this in the outbox? It is left alone",
			"file", filepath.Join(dir, name))
	}
}

// dropDisplaced drops the items that another item's journal has replaced, and returns the others,
// the oldest first.
func (r *recovery) dropDisplaced() []*Item {
	slices.SortFunc(r.items, func(a, b *Item) int { return strings.Compare(a.path, b.path) })
	return slices.DeleteFunc(r.items, func(it *Item) bool {
		gone := r.displaced[filepath.Base(it.path)]
		if gone {
			it.Drop()
		}
		return gone
	})
}

// reconcilePending applies the renames and removals of the earlier process to the recovered items,
// and returns the items that are left, and the directory markers that it made.
func (r *recovery) reconcilePending(items []*Item, moves []*recoveredRename) []*Item {
	o := r.o
	for _, it := range items {
		for _, obj := range it.target().obsolete {
			o.removals.addObsolete(it, obj)
		}
	}
	for _, rec := range moves {
		if rec.dir == nil {
			continue
		}
		made, err := rec.renamePending(items)
		if err != nil {
			rec.moves, rec.failed = nil, true
			o.log.Error("the rename of a directory is not completed: the next process tries again",
				"key", rec.dir.From, "err", err)
		}
		items = slices.DeleteFunc(items, func(it *Item) bool { return it.schedule.isGone() })
		items = append(items, made...)
	}
	holdDisplaced(items, moves)
	r.cancelSuperseded(items, moves)
	return items
}

// Resume goes on with the removals and renames of an earlier process.
func (o *Outbox) Resume() {
	o.removals.resume()
	for _, run := range o.onResume {
		o.work.Go(run)
	}
	o.onResume = nil
}
