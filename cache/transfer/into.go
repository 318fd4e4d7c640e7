package transfer

import (
	"bufio"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"slices"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/s3share/s3share/cache/extent"
	"github.com/s3share/s3share/cache/filestamp"
	"github.com/s3share/s3share/s3backend"
)

const noFollow = unix.O_NOFOLLOW | unix.O_NONBLOCK

// openDir opens a directory below the root, by its elements, none of which may be a symbolic
// link.
func openDir(root *os.Root, name string) (*os.Root, error) {
	for p := name; p != "."; p = path.Dir(p) {
		if st, err := root.Lstat(p); err != nil {
			return nil, err
		} else if !st.IsDir() {
			return nil, errInTheWay
		}
	}
	return root.OpenRoot(name)
}

// resumable is the size from which on a download that was cut off goes on where it stopped. It need
// not follow the size of the parts of an upload.
const resumable = 16 << 20

// fetch downloads a version to a temporary file in the directory and gives it a name that
// nothing has, or that the file over has. The error is fs.ErrExist if something else has it;
// then the temporary file stays for another name.
func (g *get) fetch(ctx context.Context, dir *os.Root, r remote,
	name string, over os.FileInfo) error {
	p, err := openPartial(dir, r.obj)
	if err != nil {
		return err
	}
	defer p.close()
	p.moved = func(n int64) { g.Meter.Moved.Add(n) }
	err = p.download(ctx, g.Bucket)
	refused := false
	if err == nil && r.check != nil {
		err = r.check(ctx, p.file, r.obj.Size)
		refused = err != nil
	}
	if err == nil {
		err = p.finish()
	}
	if err != nil {
		if errors.Is(err, s3backend.Stale) || p.notes == nil || refused && ctx.Err() == nil {
			p.remove()
		}
		return err
	}
	if over != nil {
		err = p.replace(name, over)
	} else {
		err = p.link(name)
	}
	if errors.Is(err, fs.ErrExist) {
		_ = p.file.Chmod(0o600)
		return err
	}
	p.remove()
	return err
}

// errTaken is returned where another program has removed or replaced the temporary file.
var errTaken = errors.New("another program has taken the temporary file away")

// hasName reports whether the temporary file still has its name: what is done to the name would
// be done to another file.
func (p *partial) hasName() bool {
	mine, err := p.file.Stat()
	there, lerr := p.dir.Lstat(p.name)
	return err == nil && lerr == nil && os.SameFile(mine, there)
}

// replace gives the file the name of over, if that is still what has it.
func (p *partial) replace(name string, over os.FileInfo) error {
	if !p.hasName() {
		return errTaken
	}
	now, err := p.dir.Lstat(name)
	if err != nil || !os.SameFile(now, over) || filestamp.Of(now) != filestamp.Of(over) {
		return fs.ErrExist
	}
	return p.dir.Rename(p.name, name)
}

// link gives the file a name that nothing has: unlike a rename, a link replaces nothing.
func (p *partial) link(name string) error {
	if !p.hasName() {
		return errTaken
	}
	err := p.dir.Link(p.name, name)
	if err == nil || errors.Is(err, fs.ErrExist) {
		return err
	}
	if _, there := p.dir.Lstat(name); there == nil {
		return fs.ErrExist
	}
	return p.dir.Rename(p.name, name) // a file system without links
}

// dropLink removes a temporary name that a process has left which ended between making the
// link and this.
func dropLink(dir *os.Root, name string, obj s3backend.Object) {
	partial := partialStem(obj) + partialSuffix
	st, err := dir.Lstat(partial)
	if err != nil {
		return
	}
	if named, err := dir.Lstat(name); err == nil && os.SameFile(st, named) {
		_ = dir.Remove(partial)
		_ = dir.Remove(partialStem(obj) + notesSuffix)
	}
}

// dropPartial removes the temporary file of a version that is not needed.
func dropPartial(dir *os.Root, obj s3backend.Object) {
	if p, err := openPartial(dir, obj); err == nil {
		p.remove()
		p.close()
	}
}

// partial is a temporary file that holds parts of a version. Its name is the version's, so
// that another version is never mixed in, and it ends in ".part", so that no mount and no Put
// sends it.
type partial struct {
	dir   *os.Root
	name  string
	obj   s3backend.Object
	file  *os.File
	moved func(int64)

	// notes has a line for each range that is on the disk; nil for a small file.
	notes *os.File

	// mu guards the fields below.
	mu      sync.Mutex
	failed  error // of the first write that the disk refused
	written extent.Set
	saved   int64 // bytes of written when the notes were written last
	saving  bool
}

const (
	partialPrefix = ".s3share-"
	partialSuffix = ".part"
	notesSuffix   = ".notes.part"
	// saveStep is how many bytes are downloaded before the disk is asked to keep them.
	saveStep = 64 << 20
)

// partialStem is what the names of a version's temporary files begin with.
func partialStem(obj s3backend.Object) string {
	sum := sha256.Sum256(fmt.Appendf(nil, "%q %q %d", obj.Key, obj.ETag, obj.Size))
	return partialPrefix + hex.EncodeToString(sum[:12])
}

// openPartial opens the temporary file of a version for this process alone. With that of a
// large version which an earlier process has left it goes on.
func openPartial(dir *os.Root, obj s3backend.Object) (*partial, error) {
	p := &partial{dir: dir, name: partialStem(obj) + partialSuffix, obj: obj}
	var err error
	if p.file, err = claim(dir, p.name); err != nil {
		return nil, err
	}
	if obj.Size < resumable || obj.ETag == "" {
		return p, p.file.Truncate(0)
	}
	if p.notes, err = openOwn(dir, partialStem(obj)+notesSuffix); err != nil {
		_ = p.file.Close()
		return nil, err
	}
	p.readNotes()
	return p, nil
}

// readNotes learns which ranges are on the disk.
func (p *partial) readNotes() {
	scan := bufio.NewScanner(p.notes)
	for scan.Scan() {
		var x extent.Range
		if json.Unmarshal(scan.Bytes(), &x) != nil || x.Off < 0 ||
			x.End <= x.Off || x.End > p.obj.Size {
			break // torn: what was noted before holds
		}
		p.written.Add(x.Off, x.End)
	}
	st, err := p.file.Stat()
	if n := len(p.written); err != nil || n > 0 && p.written[n-1].End > st.Size() {
		p.written = nil
	}
	p.saved = p.written.Total()
	_ = p.notes.Truncate(0)
	_, _ = p.notes.Seek(0, io.SeekStart)
	p.note(p.written)
}

func (p *partial) note(all extent.Set) {
	for _, x := range all {
		if line, err := json.Marshal(x); err == nil {
			_, _ = p.notes.Write(append(line, '\n'))
		}
	}
}

// download fetches what is missing.
func (p *partial) download(ctx context.Context, from s3backend.Requests) error {
	p.moved(p.written.Total())
	for _, gap := range p.written.Gaps(0, p.obj.Size) {
		err := s3backend.Download(ctx, from, p.obj, gap.Off, gap.End-gap.Off, p)
		if err != nil {
			p.save()
			p.mu.Lock()
			defer p.mu.Unlock()
			return cmp.Or(p.failed, err) // S3 is not to blame for the disk
		}
	}
	return nil
}

// WriteAt implements [io.WriterAt].
func (p *partial) WriteAt(b []byte, off int64) (int, error) {
	n, err := p.file.WriteAt(b, off)
	if n > 0 {
		p.moved(int64(n))
	}
	if err != nil {
		p.mu.Lock()
		p.failed = cmp.Or(p.failed, plain(err))
		p.mu.Unlock()
	}
	if p.notes == nil || n == 0 {
		return n, err
	}
	p.mu.Lock()
	p.written.Add(off, off+int64(n))
	due := !p.saving && p.written.Total()-p.saved >= saveStep
	p.saving = p.saving || due
	p.mu.Unlock()
	if due {
		p.save()
	}
	return n, err
}

// save notes what was written so far, once the disk has it.
func (p *partial) save() {
	if p.notes == nil {
		return
	}
	p.mu.Lock()
	all := slices.Clone(p.written)
	p.mu.Unlock()
	synced := p.file.Sync() == nil
	p.mu.Lock()
	defer p.mu.Unlock()
	if synced {
		p.note(all)
		p.saved = all.Total()
	}
	p.saving = false
}

// finish makes the file complete and readable as any new file is. An earlier version is read-only.
func (p *partial) finish() error {
	if err := p.file.Truncate(p.obj.Size); err != nil {
		return err
	}
	mode := newFileMode()
	if p.obj.ByVersion {
		mode &^= 0o222
	}
	if err := p.file.Chmod(mode); err != nil && !errors.Is(err, unix.EPERM) {
		return err
	}
	if !p.obj.Modified.IsZero() {
		if err := p.dir.Chtimes(p.name, time.Now(), p.obj.Modified); err != nil {
			return err
		}
	}
	return p.file.Sync()
}

func (p *partial) remove() {
	if p.hasName() { // after a rename it has another
		_ = p.dir.Remove(p.name)
	}
	if p.notes != nil {
		_ = p.dir.Remove(partialStem(p.obj) + notesSuffix)
	}
}

func (p *partial) close() {
	_ = p.file.Close()
	if p.notes != nil {
		_ = p.notes.Close()
	}
}

// newFileMode is the mode of a new file: what the umask leaves of reading and writing.
var newFileMode = sync.OnceValue(func() fs.FileMode {
	mask := unix.Umask(0o077)
	unix.Umask(mask)
	return 0o666 &^ fs.FileMode(mask)
})
