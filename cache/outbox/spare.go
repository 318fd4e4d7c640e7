package outbox

import (
	"fmt"
	"os"
	"path/filepath"
	"sync"
)

// sparePrefix begins the names of journals that have ended.
const sparePrefix = "spare-"

// spares are journals that have ended, and become those of other items. To make a
// file can cost many times what a rename does: ext4 looks past every inode that
// was removed in the last minute.
type spares struct {
	dir string

	mu    sync.Mutex
	next  int
	paths []string
}

// mostSpares is how many are kept. As many small files may settle at once.
const mostSpares = 1000

// become makes a spare journal the one at path, if there is a spare.
func (s *spares) become(path string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := len(s.paths)
	if n == 0 {
		return
	}
	from := s.paths[n-1]
	s.paths = s.paths[:n-1]
	if os.Rename(from, path) != nil {
		os.Remove(from) // path is made as any file is
	}
}

// end ends the journal at path, by taking its name, and keeps it for another.
func (s *spares) end(path string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.paths) == mostSpares {
		os.Remove(path)
		return
	}
	s.next++
	to := filepath.Join(s.dir, fmt.Sprintf("%s%d", sparePrefix, s.next))
	if os.Rename(path, to) != nil {
		os.Remove(path)
		return
	}
	if os.Truncate(to, 0) != nil {
		os.Remove(to)
		return
	}
	s.paths = append(s.paths, to)
}

// clear removes all spares.
func (s *spares) clear() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, path := range s.paths {
		os.Remove(path)
	}
	s.paths = nil
}
