package outbox

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/s3share/s3share/cache/outbox/journal"
	"github.com/s3share/s3share/cache/outbox/stage"
)

// stagedName is what newPath makes.
var stagedName = regexp.MustCompile(`^[0-9]+-[0-9]+$`)

// inventory is what an earlier process left in the outbox's directory, by file name. The lists are
// sorted; of journals, that is by age. Names are compared, not matched as patterns, since the
// directory may have any name.
type inventory struct {
	journals    []string // of items, named as their staged files
	moves       []string // journals of renames
	removals    bool     // the journal of removals is there
	quarantined []string // journals that could not be read
	staged      []string // staged files
	done        []string // staged files that are not pending any more, without stage.DonePrefix
	recycled    []string // files of journals that have ended
	annotated   []string // staged files that have saved annotations
	others      []string // not of this package
}

func takeInventory(dir string) (*inventory, error) {
	files, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	inv := &inventory{}
	for _, f := range files {
		name := f.Name()
		log, isLog := strings.CutSuffix(name, journal.Suffix)
		done, isDone := strings.CutPrefix(name, stage.DonePrefix)
		annotated, isAnnotated := strings.CutSuffix(name, annotationsSuffix)
		spare, isSpare := strings.CutPrefix(name, journal.RecycledPrefix)
		switch {
		case name == stage.SlotFileName || name == bootName:
		case !f.Type().IsRegular():
			inv.others = append(inv.others, name)
		case name == removalsLog:
			inv.removals = true
		case isLog && strings.HasPrefix(name, movePrefix):
			inv.moves = append(inv.moves, name)
		case isLog && stagedName.MatchString(log):
			inv.journals = append(inv.journals, log)
		case strings.HasSuffix(name, journal.Suffix+quarantineSuffix):
			inv.quarantined = append(inv.quarantined, name)
		case stagedName.MatchString(name):
			inv.staged = append(inv.staged, name)
		case isDone && stagedName.MatchString(done):
			inv.done = append(inv.done, done)
		case isAnnotated && stagedName.MatchString(annotated):
			inv.annotated = append(inv.annotated, annotated)
		case isSpare && isNumber(spare):
			inv.recycled = append(inv.recycled, name)
		default:
			inv.others = append(inv.others, name)
		}
	}
	return inv, nil
}

func isNumber(s string) bool { return s != "" && strings.Trim(s, "0123456789") == "" }

// orphans returns the staged files that have neither a journal nor one in quarantine: those with
// bytes, and those that are empty. The former are not removed, since it is not known what they were
// to become.
func (inv *inventory) orphans(dir string) (strays, empty []string) {
	known := map[string]bool{}
	for _, name := range inv.journals {
		known[name] = true
	}
	for _, name := range inv.quarantined {
		known[quarantinedName(name)] = true
	}
	for _, name := range inv.staged {
		switch {
		case known[name]:
		case hasData(filepath.Join(dir, name)):
			strays = append(strays, name)
		default:
			empty = append(empty, name)
		}
	}
	return strays, empty
}

// hasData reports whether anything was ever written to a file. If in doubt, it reports true.
func hasData(path string) bool {
	f, err := os.Open(path)
	if err != nil {
		return !errors.Is(err, fs.ErrNotExist)
	}
	defer f.Close()
	if size, err := f.Seek(0, io.SeekEnd); size == 0 && err == nil {
		return false
	}
	_, err = unix.Seek(int(f.Fd()), 0, unix.SEEK_DATA)
	return !errors.Is(err, unix.ENXIO)
}

// Owes reports whether the outbox in dir has anything that is not delivered, including what cannot
// be read. Nobody may use it meanwhile.
func Owes(dir string) (bool, error) {
	inv, err := takeInventory(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	strays, _ := inv.orphans(dir)
	if len(inv.journals)+len(inv.moves)+len(inv.quarantined)+len(strays) > 0 || inv.removals {
		return true, nil
	}
	return stage.HasLogs(dir)
}
