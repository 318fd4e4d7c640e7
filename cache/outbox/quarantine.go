package outbox

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/s3share/s3share/cache/outbox/journal"
	"github.com/s3share/s3share/cache/outbox/stage"
)

// quarantineSuffix ends the name of a journal in quarantine: it cannot be read, and is kept.
const quarantineSuffix = ".damaged"

// quarantinedName returns the name of a journal in quarantine without its suffixes: that of the
// staged file, if it has one.
func quarantinedName(name string) string {
	return strings.TrimSuffix(name, journal.Suffix+quarantineSuffix)
}

// unreadable is something that Recover found and could not use. Status lists it for as long as its
// files exist: only a person removes them.
type unreadable struct {
	Status
	paths []string
}

// unreadables is the list of what Recover could not use. No lock is taken under its own.
type unreadables struct {
	mu  sync.Mutex
	all []unreadable
}

// add adds what is kept in paths.
func (l *unreadables) add(st Status, paths ...string) {
	st.State = Blocked
	if st.Since.IsZero() {
		st.Since = lastWrite(paths[0])
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.all = append(l.all, unreadable{st, paths})
}

// status lists what still exists.
func (l *unreadables) status() (all []Status) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.all = slices.DeleteFunc(l.all, unreadable.gone)
	for _, u := range l.all {
		all = append(all, u.Status)
	}
	return all
}

// gone reports whether a person has removed all of it.
func (u unreadable) gone() bool {
	for _, path := range u.paths {
		if _, err := os.Lstat(path); !errors.Is(err, os.ErrNotExist) {
			return false
		}
	}
	return true
}

// quarantinedStatus returns the status of a file whose journal cannot be used. Its key is the last
// that the journal gives, else the name of its staged file. staged is "" if no bytes belong to the
// journal.
func quarantinedStatus(log, staged string) Status {
	recs, _, rerr := journal.Scan(log)
	if staged == "" {
		return Status{Key: filepath.Base(log),
			Reason: "it is damaged, and kept in " + shownPath(log)}
	}
	st := Status{Key: keyOf(recs, filepath.Base(staged)), Since: lastWrite(log)}
	sealed, sum := int64(0), (*uint32)(nil)
	for _, r := range recs {
		switch r.Op {
		case journal.OpSeal:
			sealed, sum = r.Size, r.Sum
		case journal.OpWrite, journal.OpTruncate, journal.OpOpen:
			sum = nil
		}
	}
	cause := "its journal is damaged"
	switch {
	case errors.Is(rerr, journal.ErrNewer):
		cause = "its journal is of a newer s3share"
	case len(recs) == 0 && (rerr == nil || rerr == journal.ErrCut):
		cause =
			"the machine stopped before its journal was on the disk, so that its name is not known"
	}
	info, err := os.Stat(staged)
	switch {
	case err != nil && rerr == nil && len(recs) > 0:
		st.Reason = fmt.Sprintf(
			"its bytes, %d of them, are gone from %s; the journal is kept in %s",
			sealed, shownPath(staged), shownPath(log))
		return st
	case err != nil:
		st.Reason = cause +
			"; none of its bytes are here, and the journal is kept in " + shownPath(log)
		return st
	case rerr == nil && info.Size() < sealed:
		cause = fmt.Sprintf("%d bytes of it are here, and it had %d", info.Size(), sealed)
	case rerr == nil && len(recs) > 0:
		cause = "the machine stopped before all of it was on the disk, " +
			"and what is there is not what was written"
		if sum == nil {
			cause = "it cannot be taken up"
		}
	}
	st.Size = info.Size()
	st.Reason = fmt.Sprintf("%s; its bytes are kept in %s, and the journal beside them", cause,
		shownPath(staged))
	return st
}

// orphanStatus returns the status of staged bytes without a journal.
func orphanStatus(staged string) Status {
	st := Status{Key: filepath.Base(staged), Since: lastWrite(staged)}
	if info, err := os.Stat(staged); err == nil {
		st.Size = info.Size()
	}
	st.Reason = "its journal is gone, so that its name is not known; its bytes are kept in " +
		shownPath(staged)
	return st
}

// keyOf returns the key that records give, or instead if they give none.
func keyOf(recs []journal.Record, instead string) string {
	for _, r := range recs {
		if r.Op == journal.OpCreate || r.Op == journal.OpRename {
			instead = r.Key
		}
	}
	return instead
}

// shownPath returns a path that people can copy, in quotes if it is not one line of text.
func shownPath(path string) string {
	odd := func(r rune) bool { return !unicode.IsPrint(r) }
	if utf8.ValidString(path) && !strings.ContainsFunc(path, odd) {
		return path
	}
	return strconv.Quote(path)
}

// lastWrite returns when a file of the outbox was written last.
func lastWrite(path string) time.Time {
	info, err := os.Stat(path)
	if err != nil {
		return time.Now()
	}
	return info.ModTime()
}

// isDamage reports whether err means that what is on the disk is not as it was written, and not
// that the disk could not be read.
func isDamage(err error) bool {
	for _, fault := range []error{journal.ErrDamaged, journal.ErrNewer, errNoBegin,
		stage.ErrNotWritten, os.ErrNotExist} {
		if errors.Is(err, fault) {
			return true
		}
	}
	return false
}

// quarantine renames a journal that cannot be read, and returns its new path, or the old one if
// that fails. No other file is replaced.
func (r *recovery) quarantine(log string, err error) string {
	to := log + quarantineSuffix
	if _, serr := os.Lstat(to); serr == nil { // there is one of removals already
		to = strings.TrimSuffix(log, journal.Suffix) + "-" + filepath.Base(r.o.journals.newPath()) +
			journal.Suffix + quarantineSuffix
	}
	r.o.log.Error("a journal cannot be read; it is in quarantine", "journal", to, "err", err)
	if rerr := os.Rename(log, to); rerr != nil {
		r.o.log.Error("it cannot be put out of the way either", "journal", log, "err", rerr)
		return log
	}
	return to
}
