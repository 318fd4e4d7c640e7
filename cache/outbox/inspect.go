package outbox

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/s3share/s3share/cache/outbox/journal"
	"github.com/s3share/s3share/cache/outbox/stage"
	"github.com/s3share/s3share/cache/privatename"
)

// Inspect lists what is pending in the outbox in dir, the oldest first, as Status would after
// Recover. It only reads: another process may use the outbox, and what that finishes meanwhile may
// be listed or not. private are the names that are not sent, nil for the built-in list. What cannot
// be read is listed as blocked, with the reason.
func Inspect(dir string, private *privatename.Patterns) ([]Status, error) {
	inv, err := takeInventory(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	if private == nil {
		private, _ = privatename.New(nil)
	}
	s := &inspection{
		dir: dir, slotFile: slotFilePath(dir), private: private, boots: bootsOf(dir),
		inv: inv, byName: map[string]Status{}, displaced: map[string]bool{},
		deferred: map[string][]Status{},
	}
	if err := s.slots(); err != nil {
		return nil, err
	}
	s.files()
	for _, name := range inv.moves {
		s.moves(name)
	}
	if inv.removals {
		s.removals()
	}
	return s.list(), nil
}

// inspection is one call of Inspect.
type inspection struct {
	dir       string // of the outbox
	slotFile  string
	private   *privatename.Patterns
	boots     boots
	inv       *inventory
	byName    map[string]Status // by the name of the staged file
	displaced map[string]bool   // staged files whose names others have taken
	// by the same: what S3 holds under earlier names of a private file
	deferred map[string][]Status
	others   []Status
}

// list returns all that was found.
func (s *inspection) list() []Status {
	all := s.others
	for name, st := range s.byName {
		if !s.displaced[name] {
			all = append(append(all, st), s.deferred[name]...)
		}
	}
	slices.SortFunc(all, func(a, b Status) int {
		return cmp.Or(a.Since.Compare(b.Since), strings.Compare(a.Key, b.Key))
	})
	return all
}

// slots reads the journals in the slot file.
func (s *inspection) slots() error {
	path := s.slotFile
	return stage.EachLog(s.dir, func(n int64, lines []byte, err error) bool {
		if err != nil {
			s.unreadable(stage.SlotFileName, path, fmt.Errorf("slot %d of %s cannot be read: %w", n,
				shownPath(path), err))
			return true
		}
		recs, _, err := journal.ScanLines(bytes.NewReader(lines), path)
		switch {
		case err != nil && err != journal.ErrCut:
			s.unreadable(keyOf(recs, stage.SlotFileName), path,
				fmt.Errorf("its journal, in slot %d of %s, cannot be read: %w",
					n, shownPath(path), err))
		case len(recs) == 0 || recs[0].Op != journal.OpCreate:
			s.unreadable(keyOf(recs, stage.SlotFileName), path,
				fmt.Errorf("its journal, in slot %d of %s, has no beginning", n, shownPath(path)))
		default:
			name := recs[0].Name
			if name == "" {
				name = fmt.Sprintf("slot %d", n)
			}
			if !slices.Contains(s.inv.done, name) || slices.Contains(s.inv.staged, name) {
				s.byName[name] = s.status(name, recs, true)
			}
		}
		return true
	})
}

// files reads the journals that are files, and finds bytes without one.
func (s *inspection) files() {
	dir, rebooted := s.dir, s.boots.rebooted()
	for _, name := range s.inv.journals {
		if slices.Contains(s.inv.done, name) {
			continue
		}
		path := filepath.Join(dir, name)
		log := path + journal.Suffix
		recs, _, err := journal.Scan(log)
		switch {
		case errors.Is(err, fs.ErrNotExist): // delivered since
		case err != nil && err != journal.ErrCut && !isDamage(err):
			s.unreadable(keyOf(recs, name), log, err)
		case len(recs) == 0 && (err == nil || err == journal.ErrCut) && !hasData(path): // just begun
		case err != nil && err != journal.ErrCut || len(recs) == 0 ||
			recs[0].Op != journal.OpCreate:
			s.add(quarantinedStatus(log, path))
		case onlyBegunPrivate(recs) || !rebooted && onlyOpened(recs, path):
		default:
			if _, inSlot := s.byName[name]; !inSlot || len(recs) > 1 {
				s.byName[name] = s.status(name, recs, false)
			}
		}
	}
	for _, name := range s.inv.quarantined {
		staged := ""
		if of := quarantinedName(name); stagedName.MatchString(of) {
			staged = filepath.Join(dir, of)
		}
		s.add(quarantinedStatus(filepath.Join(dir, name), staged))
	}
	strays, _ := s.inv.orphans(dir)
	for _, name := range strays {
		if _, inSlot := s.byName[name]; !inSlot {
			s.add(orphanStatus(filepath.Join(dir, name)))
		}
	}
}

// status returns the status of a file from its journal.
func (s *inspection) status(name string, recs []journal.Record, inSlot bool) Status {
	path := filepath.Join(s.dir, name)
	was := replay(recs)
	for _, staged := range was.displaced {
		s.displaced[staged] = true
	}
	found := Status{Key: was.key, State: Sealed, Size: was.content.Size, Theirs: was.theirs,
		Since: lastWrite(path + journal.Suffix)}
	if inSlot {
		found.Since = lastWrite(s.slotFile)
	}
	if was.folder {
		found.Size = 0
		return found
	}
	found.Sent = min(was.upload.Sent(), found.Size)
	info, err := os.Stat(path)
	switch {
	case inSlot:
	case err != nil || was.sealed && info.Size() < was.content.Size:
		return blocked(quarantinedStatus(path+journal.Suffix, path))
	case !was.sealed && was.base.ETag == "":
		found.Size = info.Size()
	}
	switch {
	case was.isPrivate(s.private, found.Size == 0):
		found.State = Local
		for _, obj := range was.obsolete {
			s.deferred[name] = append(s.deferred[name],
				Status{Key: obj.Key, State: Removing, Size: obj.Size, Since: found.Since})
		}
	case !was.sealed:
		found.State = Interrupted
		found.fail(errWasOpen)
	case was.interrupted != nil:
		found.State = Interrupted
		found.fail(was.interrupted.why)
	case was.boot != "" && !s.boots.isNow(was.boot):
		found.State = Interrupted
		found.fail(errNotDisk)
	}
	return found
}

// moves reads the journal of a rename.
func (s *inspection) moves(name string) {
	log := filepath.Join(s.dir, name)
	recs, _, err := journal.Scan(log)
	if err != nil && err != journal.ErrCut {
		s.journalError(log, err)
		return
	}
	for _, r := range recs {
		for _, m := range r.Moves {
			s.others = append(s.others, Status{Key: m.From.Key, State: Removing, Size: m.From.Size,
				Reason: "being renamed to " + m.To, Since: lastWrite(log)})
		}
	}
}

// removals reads the journal of removals.
func (s *inspection) removals() {
	log := filepath.Join(s.dir, removalsLog)
	recs, _, err := journal.Scan(log)
	if err != nil && err != journal.ErrCut {
		s.journalError(log, err)
	}
	left := map[string]bool{}
	for _, r := range recs {
		switch r.Op {
		case journal.OpRemove:
			left[r.Key] = true
		case journal.OpRemoved:
			delete(left, r.Key)
		}
	}
	for key := range left {
		s.others = append(s.others, Status{Key: key, State: Removing, Since: lastWrite(log)})
	}
}

// journalError lists a journal of renames or removals that cannot be read, unless it has
// ended since.
func (s *inspection) journalError(log string, err error) {
	if !errors.Is(err, fs.ErrNotExist) {
		s.unreadable(filepath.Base(log), log, err)
	}
}

func (s *inspection) unreadable(key, path string, err error) {
	s.add(Status{Key: key, Since: lastWrite(path), Reason: err.Error()})
}

func (s *inspection) add(st Status) { s.others = append(s.others, blocked(st)) }

func blocked(st Status) Status {
	st.State = Blocked
	if st.Since.IsZero() {
		st.Since = time.Now()
	}
	return st
}
