package outbox

import (
	"errors"
	"fmt"
	"hash/crc32"
	"os"
	"path/filepath"
	"time"
)

// damagedSuffix is added to a journal that cannot be read, so that it is kept, and
// looked at once.
const damagedSuffix = ".damaged"

// damagedStatus tells of a file of which the journal cannot be read to its end: by
// the last name that can, else by that of its staged bytes.
func damagedStatus(log, staged string) Status {
	st := Status{Key: filepath.Base(staged), State: Blocked, Since: lastWrite(log)}
	recs, _, rerr := scanLog(log)
	sealed, sum := int64(0), (*uint32)(nil)
	for _, r := range recs {
		switch r.Op {
		case opCreate, opRename:
			st.Key = r.Key
		case opSeal:
			sealed, sum = r.Size, r.Sum
		}
	}
	what := "its journal is damaged"
	if errors.Is(rerr, errNewer) {
		what = "its journal is of a newer s3share"
	}
	info, err := os.Stat(staged)
	switch {
	case err != nil && rerr == nil:
		st.Reason = fmt.Sprintf("its bytes, %d of them, are gone from %s; the journal is kept in %s", sealed, staged, log)
		return st
	case err != nil:
		st.Reason = what + ", and is kept in " + log
		return st
	case rerr == nil && info.Size() < sealed:
		what = fmt.Sprintf("%d bytes of it are here, and it had %d", info.Size(), sealed)
	case rerr == nil && sum != nil && checkSum(staged, sealed, *sum) != nil:
		what = "the machine stopped before all of it was on the disk, and what is there is not what was written"
	}
	st.Size = info.Size()
	st.Reason = fmt.Sprintf("%s; its bytes are kept in %s, and the journal beside them", what, staged)
	return st
}

// lastWrite is when a file of the outbox was written last.
func lastWrite(path string) time.Time {
	info, err := os.Stat(path)
	if err != nil {
		return time.Now()
	}
	return info.ModTime()
}

// notOurs tells of a journal that a newer program has written, and lets it be.
func (o *Outbox) notOurs(log, staged string) {
	st := damagedStatus(log, staged)
	o.log.Error("what is owed cannot be read", "key", st.Key, "why", st.Reason)
	o.mu.Lock()
	defer o.mu.Unlock()
	o.damaged = append(o.damaged, st)
}

// damage keeps a journal that cannot be read out of the way.
func (o *Outbox) damage(log string, err error) {
	o.log.Error("what is owed cannot all be read; it is kept", "journal", log+damagedSuffix, "err", err)
	os.Rename(log, log+damagedSuffix)
}

// checkSum proves that the first size bytes of a staged file are those that were
// written: its place may have held another's when the machine stopped.
func checkSum(path string, size int64, want uint32) error {
	p, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("the staged file: %w", err)
	}
	if int64(len(p)) < size || crc32.ChecksumIEEE(p[:size]) != want {
		return errors.New("the staged bytes are not those that were written")
	}
	return nil
}
