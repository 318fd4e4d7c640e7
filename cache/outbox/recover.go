package outbox

import (
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/s3share/s3share/s3backend"
)

var (
	errWasOpen = errors.New("it was open for writing when s3share ended")
	errNotDisk = errors.New("the machine stopped before all of it was on the disk")
	errKilled  = errors.New("the program that wrote it was ended by a signal")
)

// Recover reads what an earlier process owed. Each item waits for its Resume, and
// removals and renames for that of the outbox, so that its caller can show them first. base opens a version for the items that lie upon
// one. What cannot be read is kept, logged and told by Status, and does not stop
// the others.
func (o *Outbox) Recover(base func(s3backend.Object) Base) ([]*Item, error) {
	o.mu.Lock()
	o.open = base
	o.mu.Unlock()
	if err := o.unpack(); err != nil {
		return nil, err
	}
	logs, err := filepath.Glob(filepath.Join(o.cfg.Dir, "*"+logSuffix))
	if err != nil {
		return nil, err
	}
	slices.Sort(logs)
	known := map[string]bool{}
	displaced := map[string]bool{}
	var items []*Item
	for _, log := range logs {
		path := strings.TrimSuffix(log, logSuffix)
		known[path] = true
		var it *Item
		switch name := filepath.Base(log); {
		case name == removalsLog:
			err = o.removals.recover()
		case strings.HasPrefix(name, movePrefix):
			err = o.recoverMove(log)
		default:
			it, err = o.recoverItem(path, base, displaced)
		}
		switch {
		case errors.Is(err, errNewer) && it == nil && filepath.Base(log) != removalsLog && !strings.HasPrefix(filepath.Base(log), movePrefix):
			o.notOurs(log, path) // a newer program can go on with it
		case err != nil:
			o.damage(log, err)
		}
		if it != nil {
			o.add(it)
			items = append(items, it)
		}
	}
	o.recoverConflicts()
	items = slices.DeleteFunc(items, func(it *Item) bool {
		gone := displaced[filepath.Base(it.path)]
		if gone {
			it.Drop() // another has taken its name
		}
		return gone
	})
	return items, o.sweep(known)
}

// Owes tells whether there is a journal in the outbox's directory, damaged ones too.
func Owes(dir string) (bool, error) {
	for _, pattern := range []string{"*" + logSuffix, "*" + damagedSuffix} {
		found, err := filepath.Glob(filepath.Join(dir, pattern))
		if err != nil || len(found) > 0 {
			return err == nil, err
		}
	}
	return owesInTray(dir)
}

// stagedName is what newPath makes, and what spares are called.
var stagedName = regexp.MustCompile(`^([0-9]+-[0-9]+|` + sparePrefix + `[0-9]+)$`)

// sweep removes staged files without a journal: they were dropped, or created and
// never written to.
func (o *Outbox) sweep(known map[string]bool) error {
	files, err := os.ReadDir(o.cfg.Dir)
	if err != nil {
		return err
	}
	for _, f := range files {
		path := filepath.Join(o.cfg.Dir, f.Name())
		if strings.HasSuffix(path, damagedSuffix) {
			staged := strings.TrimSuffix(path, logSuffix+damagedSuffix)
			o.damaged = append(o.damaged, damagedStatus(path, staged))
			known[staged] = true
		}
	}
	for _, f := range files {
		path := filepath.Join(o.cfg.Dir, f.Name())
		switch {
		case f.IsDir() || known[path] || strings.Contains(f.Name(), logSuffix) || f.Name() == trayName:
		case stagedName.MatchString(f.Name()):
			os.Remove(path)
		default:
			o.log.Warn("what is this in the outbox? It is left alone", "file", path)
		}
	}
	return nil
}

// recoverItem makes an item of its journal, or nil where nothing is owed any more.
// It notes the staged files whose names it has taken.
func (o *Outbox) recoverItem(path string, open func(s3backend.Object) Base, displaced map[string]bool) (*Item, error) {
	recs, err := readLog(path + logSuffix)
	if err != nil {
		return nil, err
	}
	if len(recs) == 0 || recs[0].Op != opCreate {
		removeLog(path + logSuffix) // cut short before its first step, or ended
		return nil, nil
	}
	it := &Item{o: o, path: path, since: lastWrite(path + logSuffix), gone: make(chan struct{})}
	st := &stage{file: &staged{path: path}, room: o.room, written: map[int64]uint64{}, sums: sums{}, seq: 1, mtime: time.Now()}
	boot, sum := "", (*uint32)(nil)
	for _, r := range recs {
		it.replay(st, r)
		if r.Instead != "" {
			displaced[r.Instead] = true
		}
		if r.Op == opSeal {
			boot, sum = r.Boot, r.Sum
		}
	}
	if it.folder {
		it.sealed.Store(true)
		return it, nil
	}
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("the staged file: %w", err)
	}
	if it.sealed.Load() && info.Size() < st.size {
		return nil, fmt.Errorf("the staged file has %d bytes, of %d", info.Size(), st.size)
	}
	if it.sealed.Load() && sum != nil {
		if err := checkSum(path, st.size, *sum); err != nil {
			return nil, err
		}
	}
	switch {
	case !it.sealed.Load():
		it.interrupt(interruption{why: errWasOpen})
		if it.base.ETag == "" {
			st.size = info.Size()
			st.dirty.add(0, st.size)
		} else if info.Size() < st.size {
			// It was being cut when the process ended: the base has these bytes.
			if err := os.Truncate(path, st.size); err != nil {
				return nil, err
			}
		}
		st.mtime = info.ModTime()
	case boot != "" && boot != bootID():
		it.interrupt(interruption{why: errNotDisk, rewrite: true})
	}
	if it.base.ETag != "" {
		st.base = it.opened(open(it.base))
	}
	for _, x := range st.dirty {
		st.taken += x.end - x.off
	}
	o.staged.Add(st.taken)
	it.stage, it.logged = st, slices.Clone(st.dirty)
	it.recoverLost()
	if !it.sealed.Load() {
		// Whoever writes it again opens it again, as any sealed file.
		if err := it.seal(); err != nil {
			return nil, err
		}
	}
	if up := it.up; up != nil && !up.up.AbortDate.IsZero() && time.Now().After(up.up.AbortDate) {
		it.up = nil // the bucket's lifecycle has ended it
	}
	it.astray()
	return it, nil
}

// replay takes one step of the journal.
func (it *Item) replay(st *stage, r record) {
	switch r.Op {
	case opCreate:
		it.folder, it.key, it.over, it.base, it.header = r.Folder, r.Key, r.Over.object(), r.Base.object(), r.Header
		it.edits.Store(it.base.ETag != "")
		st.size, st.baseValid = it.base.Size, it.base.Size
	case opOpen:
		it.sealed.Store(false)
		it.lost, it.contentID, it.contentIDSeq = r.Lost, "", 0
	case opWrite:
		for _, x := range r.Dirty {
			st.dirty.add(x[0], x[1])
			st.size = max(st.size, x[1])
		}
	case opTruncate:
		st.dirty.cut(r.Size)
		st.size, st.baseValid = r.Size, r.Valid
	case opSeal:
		it.sealed.Store(true)
		it.explicit, it.interrupted = r.Set, r.interruption()
		if !r.Killed { // else it was not sent
			it.contentID, it.contentIDSeq = r.Commit, st.seq
		}
		if r.Mode != nil {
			it.mode, it.hasMode = *r.Mode, true
		}
		st.size, st.baseValid, st.mtime, st.dirty = r.Size, r.Valid, r.Mtime, nil
		for _, x := range r.Dirty {
			st.dirty.add(x[0], x[1])
		}
	case opRefuse:
		it.interrupted = r.interruption()
	case opTry:
		it.contentID, it.contentIDSeq = r.Commit, 0 // it may have been written since
	case opRename:
		switch {
		case !r.Beside:
			it.theirs = theirsAfter(it.theirs, it.key, r.Key)
		case it.theirs == "":
			it.theirs = it.key
		}
		it.key, it.over, it.leave, it.lost = r.Key, r.Over.object(), nil, r.Lost
		for _, v := range r.Leave {
			it.leave = append(it.leave, v.object())
		}
		it.up = nil
	case opCommit:
		it.over, it.up, it.contentID, it.contentIDSeq = r.Over.object(), nil, "", 0
		if it.base.ETag != "" {
			it.base = it.over
		}
	case opUpload:
		if r.Key != it.key {
			return // S3's answer came when the file had another name already
		}
		l := layout{r.Grows, r.Layout, r.Anew}
		if it.up != nil && it.up.up.ID == r.Upload {
			it.up.layout = l // the file was closed
			return
		}
		up := newTransfer(it.o, l)
		up.create.Do(func() {})
		up.up = s3backend.Upload{Key: r.Key, ID: r.Upload, AbortDate: r.Abort, CRC32: r.CRC}
		up.header, up.parts, up.recovered, up.noted = r.Header, r.Parts, true, true
		it.up = up
	case opPart:
		if it.up != nil && r.Part != nil && r.S3 != nil && r.Upload == it.up.up.ID {
			it.up.done[r.Part.num] = sentPart{part: *r.Part, s3: *r.S3}
		}
	case opGiveUp:
		it.up = nil
	}
}

// Resume goes on with the removals and renames of an earlier process.
func (o *Outbox) Resume() {
	o.removals.resume()
	for _, moves := range o.resumed {
		o.work.Go(moves)
	}
	o.resumed = nil
}

// Resume lets a recovered item go its way.
func (it *Item) Resume() {
	it.mu.Lock()
	it.state = Sealed
	it.restLocked(0)
	it.mu.Unlock()
	it.tell()
}

// Leaves lists the versions that are deleted once the item is delivered.
func (it *Item) Leaves() []s3backend.Object {
	it.mu.Lock()
	defer it.mu.Unlock()
	return slices.Clone(it.leave)
}

// Removals lists the versions that are being removed.
func (o *Outbox) Removals() []s3backend.Object {
	r := o.removals
	r.mu.Lock()
	defer r.mu.Unlock()
	var all []s3backend.Object
	for _, t := range r.owed {
		all = append(all, t.obj)
	}
	return all
}

// verify forgets the parts of an earlier process that are not what the staged file
// holds: they were written again after they had gone up.
func (it *Item) verify(up *transfer) error {
	up.mu.Lock()
	defer up.mu.Unlock()
	if !up.recovered {
		return nil
	}
	up.recovered = false
	for num, d := range up.done {
		if d.copied && !it.stage.touched(d.off, d.off+d.n) {
			continue
		}
		same := false
		if d.s3.CRC32 != "" && !d.copied && it.stage.has(d.off, d.off+d.n) {
			sum, err := it.stage.crc32(d.off, d.n)
			if err != nil {
				return fmt.Errorf("reading what was staged: %w", err)
			}
			same = sum == d.s3.CRC32
		}
		if !same {
			delete(up.done, num)
		}
	}
	return nil
}

// crc32 is the checksum of a range of the staged file, as S3 writes it.
func (s *stage) crc32(off, n int64) (string, error) {
	h := crc32.NewIEEE()
	if _, err := io.Copy(h, s.body(off, n, nil)); err != nil {
		return "", err
	}
	return base64.StdEncoding.EncodeToString(binary.BigEndian.AppendUint32(nil, h.Sum32())), nil
}

// stillFits tells whether what an earlier process planned to have copied from the
// base is still there, and still wanted.
func (s *stage) stillFits(parts []part) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, p := range parts {
		end := p.off + p.n
		if p.copied && (end > s.baseValid || !slices.Equal(s.dirty.gaps(p.off, end), []extent{{p.off, end}})) {
			return false
		}
	}
	return true
}

// touched tells whether any byte of [off, end) was staged.
func (s *stage) touched(off, end int64) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	g := s.dirty.gaps(off, end)
	return len(g) != 1 || g[0] != extent{off, end}
}
