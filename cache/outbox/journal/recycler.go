package journal

import (
	"fmt"
	"os"
	"path/filepath"
	"sync"
)

// RecycledPrefix begins the names of journals that have ended and are kept for reuse.
const RecycledPrefix = "spare-"

// Recycler keeps the files of journals that have ended, and reuses them for new journals.
// Creating a file can cost many times what a rename does: ext4 skips every inode that was
// freed in the last minute.
type Recycler struct {
	dir string

	mu    sync.Mutex
	next  int
	paths []string
}

// NewRecycler returns an empty recycler for journals in dir.
func NewRecycler(dir string) *Recycler { return &Recycler{dir: dir} }

// maxRecycled limits the number of files. As many small files may settle at once.
const maxRecycled = 1000

// Reuse renames a recycled file to path, if there is one. Else the caller creates the file.
func (r *Recycler) Reuse(path string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	n := len(r.paths)
	if n == 0 {
		return
	}
	from := r.paths[n-1]
	r.paths = r.paths[:n-1]
	if os.Rename(from, path) != nil {
		os.Remove(from) // the caller creates the file
	}
}

// Retire ends the journal at path, by renaming it, and keeps its file for another journal. The
// error is the disk's: the journal is still there.
func (r *Recycler) Retire(path string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.paths) == maxRecycled {
		return Remove(path)
	}
	r.next++
	to := filepath.Join(r.dir, fmt.Sprintf("%s%d", RecycledPrefix, r.next))
	if os.Rename(path, to) != nil {
		return Remove(path)
	}
	if os.Truncate(to, 0) != nil {
		os.Remove(to)
		return nil
	}
	r.paths = append(r.paths, to)
	return nil
}

// Clear removes all recycled files.
func (r *Recycler) Clear() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, path := range r.paths {
		os.Remove(path)
	}
	r.paths = nil
}
