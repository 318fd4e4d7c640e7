package outbox

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/s3share/s3share/cache/filetime"
	"github.com/s3share/s3share/cache/outbox/parts"
	"github.com/s3share/s3share/s3backend"
)

// The journal of an item is a file beside its staged bytes, to which a line is
// appended at each step that a later process has to know of: its checksum, a
// space, and a record in JSON. A line that was cut short by the end of the
// process is none; nothing is rewritten in place. The step is taken when its line
// is there: before a program's write returns, and after S3's answer came.
//
// A line is written by one write(2), so that the end of the process at any
// instant leaves it whole or cut. It outlives a crash of the machine where fsync
// was asked for; see record.Boot.

// logSuffix ends a journal's name, behind that of the staged file.
const logSuffix = ".log"

// record is one line. Op says which of the fields count.
type record struct {
	Op string `json:"op"`

	Name   string     `json:"name,omitempty"`   // create: of the staged file, where there is none yet
	Folder bool       `json:"folder,omitempty"` // create
	Aside  bool       `json:"aside,omitempty"`  // create: it is nothing before the first leave
	Key    string     `json:"key,omitempty"`    // create, rename, upload
	Over   *version   `json:"over,omitempty"`   // create, rename, commit
	Base   *version   `json:"base,omitempty"`   // create
	Header *rawHeader `json:"header,omitempty"` // create, upload
	Leave  []version  `json:"leave,omitempty"`  // rename, leave
	Lost   []lost     `json:"lost,omitempty"`   // create, rename, open, remove
	Beside bool       `json:"beside,omitempty"` // rename
	// Instead is the staged file that was owed under the new name, and is no more.
	Instead string          `json:"instead,omitempty"` // rename
	Dirty   [][2]int64      `json:"dirty,omitempty"`   // write, seal
	Size    int64           `json:"size,omitempty"`    // truncate, seal
	Valid   int64           `json:"valid,omitempty"`   // truncate, seal: how much of the base is left
	Mtime   filetime.Time   `json:"mtime,omitzero"`    // seal
	Mode    *uint32         `json:"mode,omitempty"`    // create, mode, seal
	Set     bool            `json:"set,omitempty"`     // seal: a program set time or mode
	Killed  bool            `json:"killed,omitempty"`  // seal: it is interrupted
	Why     string          `json:"why,omitempty"`     // seal, refuse: for what; empty: the writer was ended by a signal
	Rewrite bool            `json:"rewrite,omitempty"` // seal: it has to be written anew, from nothing
	Boot    string          `json:"boot,omitempty"`    // seal: which run of the machine; empty once on the disk
	Sum     *uint32         `json:"sum,omitempty"`     // seal: CRC-32 of all bytes, of a file in a place
	Commit  string          `json:"commit,omitempty"`  // seal, try: the ID that the content is sent with
	Upload  string          `json:"upload,omitempty"`  // upload, part: its id
	Layout  int64           `json:"layout,omitempty"`  // upload: the size of the first parts
	Grows   int             `json:"grows,omitempty"`   // upload: the layout's version
	Anew    []int32         `json:"anew,omitempty"`    // upload: where the layout begins anew
	Parts   []parts.Part    `json:"parts,omitempty"`   // upload: as planned for an edit
	Abort   time.Time       `json:"abort,omitzero"`    // upload: when the bucket's lifecycle ends it
	CRC     bool            `json:"crc,omitempty"`     // upload: its parts carry checksums
	Part    *parts.Part     `json:"part,omitempty"`    // part
	S3      *s3backend.Part `json:"s3,omitempty"`      // part
	Moves   []moveRecord    `json:"moves,omitempty"`   // move
	Dir     *DirMove        `json:"dir,omitempty"`     // move, of a directory
}

const (
	opCreate   = "create"
	opWrite    = "write"    // staged over a base: which bytes
	opTruncate = "truncate" // staged over a base
	opMode     = "mode"     // a program set the mode of an open file
	opOpen     = "open"     // sealed before, and being written again
	opSeal     = "seal"
	opRefuse   = "refuse" // a program was refused what it meant to be in the file
	opTry      = "try"    // it is sent though it is not closed
	opRename   = "rename"
	opLeave    = "leave"  // what is removed after the delivery, or a while later
	opCommit   = "commit" // S3 has it as it was then, and it is still written
	opUpload   = "upload" // a multipart upload has begun
	opPart     = "part"   // S3 has a part of it
	opGiveUp   = "give up"
)

// version names a version of an object in the journal.
type version struct {
	Key   string `json:"key"`
	ETag  string `json:"etag"`
	Size  int64  `json:"size"`
	Class string `json:"class,omitempty"` // of storage, where it is known
}

func versionOf(o s3backend.Object) *version {
	if o.ETag == "" {
		return nil
	}
	return &version{o.Key, o.ETag, o.Size, o.Class}
}

func versionsOf(objs []s3backend.Object) (all []version) {
	for _, o := range objs {
		all = append(all, *versionOf(o))
	}
	return all
}

func objects(all []version) (objs []s3backend.Object) {
	for _, v := range all {
		objs = append(objs, v.object())
	}
	return objs
}

func (v *version) object() s3backend.Object {
	if v == nil {
		return s3backend.Object{}
	}
	return s3backend.Object{Key: v.Key, ETag: v.ETag, Size: v.Size, Class: v.Class}
}

// appendLog appends records to a journal, all or none: what the disk takes only a
// part of is cut off again, so that the next line stands by itself.
func appendLog(path string, recs ...record) error {
	lines, err := linesOf(recs)
	if err != nil {
		return err
	}
	return appendLines(path, lines, os.O_CREATE)
}

// linesOf are the lines of records.
func linesOf(recs []record) ([]byte, error) {
	var b []byte
	for _, r := range recs {
		line, err := json.Marshal(r)
		if err != nil {
			return nil, err
		}
		b = append(b, lineOf(line)...)
	}
	return b, nil
}

// sumDigits is how many digits a line begins with.
const sumDigits = 8

// lineOf is the line of a record in JSON.
func lineOf(text []byte) []byte {
	return fmt.Appendf(nil, "%0*x %s\n", sumDigits, crc32.ChecksumIEEE(text), text)
}

// appendLines is appendLog for lines. create is os.O_CREATE where the journal may be new, or 0.
func appendLines(path string, lines []byte, create int) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND|create, 0o600)
	if err != nil {
		return fmt.Errorf("cannot keep the journal: %w", err)
	}
	n, err := f.Write(lines)
	if err != nil && n > 0 {
		err = errors.Join(err, cutEnd(f, int64(n)))
	}
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		return fmt.Errorf("cannot keep the journal: %w", err)
	}
	return nil
}

// cutEnd takes the last n bytes off a file.
func cutEnd(f *os.File, n int64) error {
	end, err := f.Seek(0, io.SeekEnd)
	if err != nil {
		return err
	}
	return f.Truncate(end - n)
}

// removeLog ends a journal.
func removeLog(path string) { os.Remove(path) }

var (
	// errDamaged is a journal with a line in it that was not written so.
	errDamaged = errors.New("journal is damaged")
	// errNewer is one with a whole line in it that says what this program does not
	// know: to do without it could be wrong.
	errNewer = errors.New("journal is of a newer s3share")
)

// ops are the steps that this program knows.
var ops = []string{
	opCreate, opWrite, opTruncate, opMode, opOpen, opSeal, opRefuse, opTry, opRename, opLeave, opCommit, opUpload, opPart, opGiveUp,
	opMove, opTakeBack, opRemove, opRemoved,
}

// readLog reads a journal. A last line that was cut short is taken off it, so that
// the next one stands by itself; any other defect is errDamaged, with the records
// before it.
func readLog(path string) ([]record, error) {
	recs, whole, err := scanLog(path)
	if err == errCut {
		err = os.Truncate(path, whole)
	}
	return recs, err
}

// errCut is a journal whose last line was cut short.
var errCut = errors.New("journal is cut short")

// scanLog reads a journal up to the first line that is none, and tells how many
// bytes that are.
func scanLog(path string) (recs []record, whole int64, err error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, 0, err
	}
	defer f.Close()
	return scanLines(f, path)
}

// scanLines is scanLog for what from holds, of the journal at path.
func scanLines(from io.Reader, path string) (recs []record, whole int64, err error) {
	r := bufio.NewReader(from)
	for n := 1; ; n++ {
		line, err := r.ReadString('\n')
		if err == io.EOF {
			if line != "" {
				return recs, whole, errCut
			}
			return recs, whole, nil
		}
		if err != nil {
			return recs, whole, err
		}
		sum, text, _ := strings.Cut(strings.TrimSuffix(line, "\n"), " ")
		if fmt.Sprintf("%08x", crc32.ChecksumIEEE([]byte(text))) != sum {
			return recs, whole, fmt.Errorf("%w: line %d of %s", errDamaged, n, path)
		}
		var rec record
		strict := json.NewDecoder(strings.NewReader(text))
		strict.DisallowUnknownFields()
		if err := strict.Decode(&rec); err != nil || !slices.Contains(ops, rec.Op) {
			return recs, whole, fmt.Errorf("%w: line %d of %s", errNewer, n, path)
		}
		recs = append(recs, rec)
		whole += int64(len(line))
	}
}

// note appends to the item's journal. The caller does not hold mu. A failure is
// the local disk's; what it means is for the caller to say.
func (it *Item) note(recs ...record) error {
	var keys []string
	if op := recs[0].Op; op == opCreate || op == opRename {
		keys = []string{it.Key(), recs[0].Key}
	}
	it.logMu.Lock()
	defer it.logMu.Unlock()
	if it.logGone {
		return nil
	}
	failpoint("journal " + recs[0].Op)
	lines, err := linesOf(recs)
	if err != nil {
		return err
	}
	err = errOutgrown
	if it.place != nil {
		if err = it.place.append(lines); err == errOutgrown {
			if err := it.outgrowLocked(); err != nil {
				return err
			}
		}
	} else if recs[0].Op == opCreate {
		it.o.spares.become(it.path + logSuffix)
	}
	if err == errOutgrown {
		create := 0 // a journal that somebody removed gets no second beginning
		if recs[0].Op == opCreate {
			create = os.O_CREATE
		}
		err = appendLines(it.path+logSuffix, lines, create)
	}
	if err != nil {
		return err
	}
	it.keys = append(it.keys, keys...)
	it.lines += len(recs)
	failpoint("journaled " + recs[0].Op)
	return nil
}

// eraseLog ends the journal: nothing is owed any more. Before that the staged file gets
// the name of one that is done, so that at no instant there are bytes of which nobody
// knows whether they were delivered. It returns that name, "" for an item without a
// file.
func (it *Item) eraseLog() (done string) {
	it.logMu.Lock()
	defer it.logMu.Unlock()
	if it.stage != nil && it.place == nil {
		done = it.stage.file.done()
	}
	if it.logGone {
		return done
	}
	it.logGone = true
	it.o.ended.Store(true)
	if it.folder || it.synced.Load() > 0 {
		defer it.o.endedOnDisk()
	}
	if it.place == nil {
		failpoint("bytes done")
		it.o.spares.end(it.path + logSuffix)
	} else if err := it.place.endLog(); err != nil {
		it.o.log.Error("after the end of this process a file that was delivered is owed again", "staged", it.path, "err", err)
	}
	failpoint("journal ended")
	return done
}
