package arrival

import (
	"hash/maphash"
	"slices"
	"sync"
)

// Op is a call of the helper.
type Op uint8

const (
	Create Op = iota + 1 // of a file: events CREATE, OPEN and CLOSE_WRITE
	Mknod                // of a file that may be executed: CREATE
	Change               // of a file's content: OPEN, MODIFY and CLOSE_WRITE
	Touch                // of attributes: ATTRIB
	Remove               // of a file: DELETE
	Mkdir
	Rmdir
	done      // closes the directory of the calls before
	createAll // Create for several names
)

// Entry is a name in a directory, as it is now.
type Entry struct {
	Name    string
	Dir     bool
	Version string // of a file: its ETag
	Pending bool   // it is being written here, or waits for delivery
	Ours    bool   // the version was delivered from here
}

// Changed is a change that the watchers of a directory do not know of.
type Changed struct {
	Op   Op
	Name string
	seq  uint64
}

// Outcome is what a name is after an operation of a program.
type Outcome uint8

const (
	Unchanged Outcome = iota
	Absent
	File
	Directory
)

// Names are the names of one directory as the programs that watch it know them: those at the first
// look, what programs on this machine did since, and what was announced. The zero Names is empty.
// All methods may be called concurrently.
type Names struct {
	// mu guards the fields below.
	mu     sync.Mutex
	seeded bool
	known  map[string]state
	busy   map[string]int // operations of programs in progress, by name
	// touched has the names of operations since the look in progress began; true means that one of
	// them has ended and has changed the name. It is nil between looks.
	touched map[string]bool
	removed map[string]uint64 // the sequence numbers of the removals that the last look has found
	looks   uint64
	seq     uint64
}

// state is what is known of a name.
type state struct {
	dir     bool
	version uint64 // hash of the ETag; writtenHere for whatever a program here has written
	seq     uint64 // of the last change
	look    uint64 // that has seen the name last
}

const writtenHere = 0

var seed = maphash.MakeSeed()

func hashOf(version string) uint64 { return maphash.String(seed, version) | 1 }

// Begin notes that a program begins an operation on a name. Until End, no change of the name is
// announced.
func (n *Names) Begin(name string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.busy == nil {
		n.busy = map[string]int{}
	}
	n.busy[name]++
	if _, ok := n.touched[name]; !ok && n.touched != nil {
		n.touched[name] = false
	}
}

// End notes how the operation has ended. The kernel makes the events of it.
func (n *Names) End(name string, is Outcome) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.busy[name]--; n.busy[name] <= 0 {
		delete(n.busy, name)
	}
	if n.known == nil {
		return
	}
	if n.touched != nil && is != Unchanged {
		n.touched[name] = true
	}
	switch is {
	case Absent:
		delete(n.known, name)
		delete(n.removed, name)
	case File, Directory:
		delete(n.removed, name)
		n.seq++
		n.known[name] = state{dir: is == Directory, version: writtenHere, seq: n.seq, look: n.looks}
	}
}

// Reset forgets all names. The next look takes all entries that it sees as known.
func (n *Names) Reset() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.seeded, n.known = false, nil
}

// Len returns how many names are known.
func (n *Names) Len() int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return len(n.known)
}

// Current reports whether a change is still to be announced, since no program has operated on
// the name after it.
func (n *Names) Current(c Changed) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.currentLocked(c)
}

// Touched returns the announcement that something else has changed about a file that the watchers
// know. ok is false if they do not know it, or a program changes it just now.
func (n *Names) Touched(name string) (c Changed, ok bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	s := n.known[name]
	c = Changed{Op: Touch, Name: name, seq: s.seq}
	return c, !s.dir && n.currentLocked(c)
}

// Knows reports whether the watchers know a name.
func (n *Names) Knows(name string) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	_, ok := n.known[name]
	return ok
}

func (n *Names) currentLocked(c Changed) bool {
	s, ok := n.known[c.Name]
	switch {
	case n.busy[c.Name] > 0 || !n.seeded:
		return false
	case c.Op == Remove || c.Op == Rmdir:
		return n.removed[c.Name] == c.seq
	}
	return ok && s.seq == c.seq
}

// Look is one reading of a directory. One is in progress at a time.
type Look struct {
	n       *Names
	first   bool
	changes []Changed
	gone    []Changed
	before  map[string]state // of the names in changes that were known
}

// Look begins to compare what is known with what is there.
func (n *Names) Look() *Look {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.looks++
	n.touched, n.removed = map[string]bool{}, map[string]uint64{}
	l := &Look{n: n, first: !n.seeded, before: map[string]state{}}
	if l.first {
		n.known = map[string]state{}
	}
	for name := range n.busy {
		n.touched[name] = false
	}
	return l
}

// See compares one entry, and reports whether it is a change.
func (l *Look) See(e Entry) bool {
	n := l.n
	n.mu.Lock()
	defer n.mu.Unlock()
	s, ok := n.known[e.Name]
	version := uint64(writtenHere)
	if !e.Pending && !e.Dir {
		version = hashOf(e.Version)
	}
	ended, touched := n.touched[e.Name]
	switch {
	case ended, touched && !l.first:
		return false // End keeps its names
	case l.first, ok && s.dir == e.Dir && (e.Ours || e.Dir || s.version == writtenHere ||
		version == writtenHere || s.version == version):
		s.dir, s.version, s.look = e.Dir, version, n.looks
		n.known[e.Name] = s
		return false
	case !ok && e.Pending && !e.Dir:
		return false // the kernel knows of it, or it is announced once it is delivered
	}
	n.seq++
	op := Create
	switch {
	case e.Dir:
		op = Mkdir
	case ok && !s.dir:
		op = Change
	}
	if ok && s.dir != e.Dir {
		l.removeLocked(e.Name, s.dir)
	}
	if ok {
		l.before[e.Name] = s
	}
	n.known[e.Name] = state{dir: e.Dir, version: version, seq: n.seq, look: n.looks}
	l.changes = append(l.changes, Changed{Op: op, Name: e.Name, seq: n.seq})
	return true
}

// removeLocked adds a removal, with the current sequence number.
func (l *Look) removeLocked(name string, dir bool) {
	op := Remove
	if dir {
		op = Rmdir
	}
	l.n.removed[name] = l.n.seq
	l.gone = append(l.gone, Changed{Op: op, Name: name, seq: l.n.seq})
}

// End ends a look that has seen all entries, and returns what to announce, removals first. From
// now on these names are known.
func (l *Look) End() []Changed {
	n := l.n
	n.mu.Lock()
	defer n.mu.Unlock()
	for name, s := range n.known {
		if _, touched := n.touched[name]; !touched && s.look != n.looks {
			delete(n.known, name)
			n.seq++
			l.removeLocked(name, s.dir)
		}
	}
	n.touched, n.seeded = nil, true
	return slices.DeleteFunc(append(l.gone, l.changes...),
		func(c Changed) bool { return !n.currentLocked(c) })
}

// Abandon ends a look that has not seen all entries. Its changes are dropped, and the next look
// finds them again.
func (l *Look) Abandon() {
	n := l.n
	n.mu.Lock()
	defer n.mu.Unlock()
	n.touched = nil
	if l.first {
		n.known = nil
		return
	}
	for _, c := range l.changes {
		if s := n.known[c.Name]; s.seq != c.seq {
			continue // a program has changed it since
		}
		if s, ok := l.before[c.Name]; ok {
			n.known[c.Name] = s
		} else {
			delete(n.known, c.Name)
		}
	}
}
