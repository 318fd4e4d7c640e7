package outbox

import (
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/s3share/s3share/cache/buckettest"
	"github.com/s3share/s3share/cache/outbox/journal"
	"github.com/s3share/s3share/cache/outbox/stage"
)

// Where FuzzRecover puts what it draws.
const (
	inJournal = iota
	inJournalWithoutBytes
	inSlot
	inRemovals
	inMove
	inBoot
	kinds
)

// FuzzRecover recovers from an outbox in which one file has any content: a journal, a slot
// of the file that small items share, the removals, a move, the boot. None of it ends the
// process, no staged bytes are lost, and what they belong to is shown, by the next process
// as well. With sums, each line gets the checksum that it needs to be read at all.
func FuzzRecover(f *testing.F) {
	f.Fuzz(func(t *testing.T, where uint8, sums bool, data []byte) {
		if len(data) > stage.SlotLogSize {
			return
		}
		if sums {
			data = withSums(data)
		}
		dir, staged := t.TempDir(), bytes.Repeat([]byte("staged"), 100)
		write := func(name string, data []byte) {
			if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		has := true // staged bytes
		switch where % kinds {
		case inJournal:
			write("1-1.log", data)
			write("1-1", staged)
		case inJournalWithoutBytes:
			write("1-1.log", data)
			has = false
		case inSlot:
			slot := make([]byte, stage.SlotLogSize+len(staged))
			copy(slot, data)
			copy(slot[stage.SlotLogSize:], staged)
			write(stage.SlotFileName, slot)
			has = len(data) > 0 && data[0] != 0 // else the slot is free
			if recs, _, _ := journal.ScanLines(bytes.NewReader(data), ""); len(recs) > 0 {
				// What lies behind was another's.
				staged = staged[:max(0, min(int64(len(staged)), stagedSize(recs)))]
			}
		case inRemovals:
			write(removalsLog, data)
			write("1-1", staged)
		case inMove:
			write(movePrefix+"1.log", data)
			write("1-1", staged)
		default:
			write(bootName, data)
			write("1-1", staged)
		}
		if has && leavesNothing(data) {
			return
		}
		for process := range 2 {
			r := newRig(t, buckettest.New(), dir, Config{Settle: time.Hour, MinFree: 1}, nil)
			owed := len(r.recover()) + len(r.Status())
			r.Close()
			if has && !anywhere(t, dir, staged) {
				t.Errorf("process %d: the staged bytes are gone", process)
			}
			if has && owed == 0 {
				t.Errorf("process %d: nothing is shown", process)
			}
		}
	})
}

// withSums gives each line its checksum.
func withSums(data []byte) (lines []byte) {
	for line := range bytes.Lines(data) {
		lines = append(lines, journal.Line(bytes.TrimSuffix(line, []byte("\n")))...)
	}
	return lines
}

// leavesNothing reports whether a journal says that its item is to leave nothing: another
// has its name, or it never became a file of its own.
func leavesNothing(data []byte) bool {
	recs, _, _ := journal.ScanLines(bytes.NewReader(data), "")
	if len(recs) == 0 {
		return false
	}
	return recs[0].Folder || onlyBegunPrivate(recs) ||
		slices.ContainsFunc(recs, func(r journal.Record) bool { return r.Displaced != "" })
}

// anywhere reports whether a file in dir has these bytes.
func anywhere(t *testing.T, dir string, want []byte) (found bool) {
	err := fs.WalkDir(os.DirFS(dir), ".", func(path string, e fs.DirEntry, err error) error {
		if err != nil || !e.Type().IsRegular() {
			return err
		}
		data, err := os.ReadFile(filepath.Join(dir, path))
		found = found || bytes.Contains(data, want)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// FuzzReadLog reads any journal: what is read is written and read again as the same.
func FuzzReadLog(f *testing.F) {
	f.Fuzz(func(t *testing.T, sums bool, data []byte) {
		if sums {
			data = withSums(data)
		}
		recs, whole, err := journal.ScanLines(bytes.NewReader(data), "it")
		if whole > int64(len(data)) || err == nil && whole < int64(len(data)) {
			t.Fatalf("%d of %d bytes were read, %v", whole, len(data), err)
		}
		lines, err := journal.Encode(recs)
		if err != nil {
			t.Fatalf("what was read cannot be written: %v", err)
		}
		again, _, err := journal.ScanLines(bytes.NewReader(lines), "it")
		if err != nil || len(again) != len(recs) {
			t.Fatalf("%d of %d lines are read again, %v", len(again), len(recs), err)
		}
		if twice, err := journal.Encode(again); err != nil || !bytes.Equal(twice, lines) {
			t.Errorf("written again as\n%s\nand then as\n%s, %v", lines, twice, err)
		}
	})
}
