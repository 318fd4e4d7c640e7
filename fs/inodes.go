package fs

import (
	"sync"

	"github.com/s3share/s3share/cache/keyname"
)

// maxInodes is how many inodes are kept before the kernel is made to drop the
// oldest files. One takes some 600 bytes, and the kernel drops none by itself
// while it has memory.
const maxInodes = 100_000

// inodes are those that the kernel knows of.
type inodes struct {
	max int

	// mu guards the fields below.
	mu       sync.Mutex
	used     map[uint64]bool // inode numbers
	dirs     map[uint64]*dir // by inode number
	files    []*file         // in the order in which the kernel got to know them
	trimming bool
	trims    sync.WaitGroup
}

func newInodes(most int) *inodes {
	return &inodes{max: most, used: map[uint64]bool{1: true}, dirs: map[uint64]*dir{}}
}

// take returns the inode number for a key: always the same, unless that is in
// use by another file that had the key before.
func (s *inodes) take(key string) uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	ino := keyname.Ino(key)
	for ino < 2 || s.used[ino] {
		ino++
	}
	s.used[ino] = true
	return ino
}

func (s *inodes) free(ino uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.used, ino)
	delete(s.dirs, ino)
}

// keepDir notes a directory that the kernel learns of now.
func (s *inodes) keepDir(ino uint64, d *dir) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.dirs[ino] = d
}

// dirsOf returns the directories among inode numbers, and those that the files among them are in.
func (s *inodes) dirsOf(inos map[uint64]bool) map[*dir]bool {
	found := map[*dir]bool{}
	if len(inos) == 0 {
		return found
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	files := 0
	for ino := range inos {
		if d := s.dirs[ino]; d != nil {
			found[d] = true
		} else if s.used[ino] {
			files++
		}
	}
	for _, f := range s.files {
		if files == 0 {
			break
		}
		if !inos[f.StableAttr().Ino] {
			continue
		}
		if _, parent := f.Parent(); parent != nil { // else the kernel has forgotten it
			files--
			found[parent.Operations().(*dir)] = true
		}
	}
	return found
}

// full reports whether a listing should not make more of them: names are shown
// without, and looked up by whoever needs more than the name.
func (s *inodes) full() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.used) > s.max
}

// keep notes a file that the kernel learns of now. Where there are too many, the
// kernel is asked to drop a quarter of them, from a goroutine: it waits for folders
// that are being read.
func (s *inodes) keep(f *file) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.files = append(s.files, f)
	if s.trimming || len(s.files) <= s.max {
		return
	}
	s.trimming = true
	old := s.files[:len(s.files)/4]
	s.files = append([]*file(nil), s.files[len(old):]...)
	s.trims.Go(func() { s.trim(old) })
}

// trim has the kernel drop files, but for those that are open. Folders stay: some
// process may stand in one.
func (s *inodes) trim(old []*file) {
	var open []*file
	for _, f := range old {
		name, parent := f.Parent()
		switch {
		case parent == nil: // the kernel has forgotten it already
		case f.inUse():
			open = append(open, f)
		default:
			parent.NotifyEntry(name) // that it is gone already is as good
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.files = append(s.files, open...)
	s.trimming = false
}
