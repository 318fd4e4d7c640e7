package outbox

import (
	"fmt"
	"path"
	"regexp"
	"slices"
	"strings"
)

// namedThing is what a private name is of.
type namedThing uint8

const (
	aFile      namedThing = 1 << iota
	aDirectory            // and all that is below it
	aProbe                // a new file, as long as it is empty

	aFileOrDirectory = aFile | aDirectory
)

// privateName is a pattern of path.Match for the names of temporary, lock and trash
// files. It holds for what its program makes and for nothing else: a directory that
// somebody calls "old~" is data.
type privateName struct {
	pattern string
	of      namedThing
}

// privateNames is the built-in list, each with the program that makes it.
var privateNames = []privateName{
	{".goutputstream-*", aFile},      // GLib: g_file_replace
	{".~lock.*#", aFile},             // LibreOffice: lock
	{"lu[0-9]*.tmp", aFile},          // LibreOffice, while it saves
	{".*.sw[a-p]", aFile},            // vim: swap
	{".*.sw[a-p]x", aFile},           // vim: swap
	{"4913", aProbe},                 // vim: may a file be made here?
	{"*~", aFile},                    // vim, Emacs, gedit: the state before
	{"#*#", aFile},                   // Emacs: autosave
	{".#*", aFile},                   // Emacs: lock
	{"*.part", aFile},                // Firefox, KDE
	{"*.crdownload", aFile},          // Chromium
	{"*.download", aFileOrDirectory}, // Safari: a bundle, which is a directory
	{"*.partial", aFile},             // rclone, Internet Explorer
	{"*.filepart", aFile},            // WinSCP
	{"*.aria2", aFile},               // aria2: how far it is with a download
	{".rsync-partial", aDirectory},   // rsync --partial-dir
	{".~tmp~", aDirectory},           // rsync --delay-updates
	{".DS_Store", aFile},             // macOS Finder
	{"._*", aFile},                   // macOS Finder
	{"~$*", aFile},                   // Microsoft Office: owner
	{"~WR[DL]*.tmp", aFile},          // Microsoft Word, while it saves
	{"*~RF*.TMP", aFile},             // Windows: ReplaceFile
	{"Thumbs.db", aFile},             // Windows Explorer
	{"desktop.ini", aFile},           // Windows Explorer
	{".Trash-*", aFileOrDirectory},   // freedesktop.org trash
	{".Trash", aFileOrDirectory},     // freedesktop.org trash
	{".Trashes", aFileOrDirectory},   // macOS trash
	{".nfs*", aFile},                 // removed while it was open
	{".fuse_hidden*", aFile},         // removed while it was open
	{".directory", aFile},            // KDE Dolphin: how a folder is shown
}

// mkstempName is .NAME.XXXXXX, as rsync names what it is writing. Its six random
// characters are told from an ordinary suffix (".env.sample") by their digits
// and capitals, which all but one of 200 such names have.
var mkstempName = regexp.MustCompile(`^\..+\.[A-Za-z0-9]{6}$`)

// mkstempPattern stands for it where patterns are named.
const mkstempPattern = ".NAME.XXXXXX"

// Private are the names that are for this machine alone: what is called so never
// leaves the outbox, and costs no request. Renaming it to another name delivers it.
type Private struct {
	names   []privateName
	globs   []glob // the same
	mkstemp bool   // of files
}

// glob is a pattern of path.Match, of which most have nothing but one star: each file
// that is closed is held against all of them.
type glob struct {
	pattern    string
	head, tail string // what stands before the first star, and behind it
	stars      bool   // there is one
	other      bool   // there is more in it than one star
}

func newGlob(pattern string) glob {
	g := glob{pattern: pattern}
	g.head, g.tail, g.stars = strings.Cut(pattern, "*")
	g.other = strings.ContainsAny(pattern, `?[\`) || strings.Contains(g.tail, "*")
	if i := strings.IndexAny(g.head, `?[\`); i >= 0 {
		g.head = g.head[:i]
	}
	return g
}

// match is path.Match, for a name.
func (g *glob) match(name string) bool {
	switch {
	case !strings.HasPrefix(name, g.head):
		return false
	case g.other:
		ok, _ := path.Match(g.pattern, name)
		return ok
	case !g.stars:
		return name == g.head
	}
	return strings.HasSuffix(name[len(g.head):], g.tail)
}

// NewPrivate is the built-in list, with what changes says: each is one more pattern
// of path.Match, for files and directories, or takes one off the list, with a "!"
// before it.
func NewPrivate(changes []string) (*Private, error) {
	p := &Private{names: slices.Clone(privateNames), mkstemp: true}
	for _, c := range changes {
		off, isOff := strings.CutPrefix(c, "!")
		_, err := path.Match(c, "")
		switch i := slices.IndexFunc(p.names, func(n privateName) bool { return n.pattern == off }); {
		case isOff && off == mkstempPattern:
			p.mkstemp = false
		case isOff && i >= 0:
			p.names = slices.Delete(p.names, i, i+1)
		case isOff:
			return nil, fmt.Errorf("%q takes nothing off the list of private names: there is no %q on it", c, off)
		case c == "" || strings.Contains(c, "/"):
			return nil, fmt.Errorf("%q cannot be a private name: it has to be a pattern for one name, without a slash", c)
		case err != nil:
			return nil, fmt.Errorf("%q is no pattern for names: a [ or a \\ in it is not closed", c)
		default:
			p.names = append(p.names, privateName{c, aFileOrDirectory})
		}
	}
	for _, n := range p.names {
		p.globs = append(p.globs, newGlob(n.pattern))
	}
	return p, nil
}

// matches reports whether one of these things is private under this name.
func (p *Private) matches(name string, of namedThing) bool {
	for i := range p.globs {
		if p.names[i].of&of != 0 && p.globs[i].match(name) {
			return true
		}
	}
	return of&aFile != 0 && p.mkstemp && strings.HasPrefix(name, ".") && mkstempName.MatchString(name) && strings.ContainsAny(name[len(name)-6:], "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ")
}

// Dir reports whether all below a directory of this name is for this machine alone.
func (p *Private) Dir(name string) bool { return p.matches(name, aDirectory) }

// Key reports whether what has this key never leaves the outbox: its name, or that of
// a directory above it, is private. A directory's key ends in a slash.
func (p *Private) Key(key string) bool { return p.key(key, aFile) }

// Probe reports whether a new file of this key never leaves the outbox as long as it
// is empty.
func (p *Private) Probe(key string) bool { return p.key(key, aFile|aProbe) }

func (p *Private) key(key string, of namedThing) bool {
	for {
		elem, rest, below := strings.Cut(key, "/")
		if !below {
			return elem != "" && p.matches(elem, of)
		}
		if p.Dir(elem) {
			return true
		}
		key = rest
	}
}

// Private reports whether what has this key never leaves the outbox.
func (o *Outbox) Private(key string) bool { return o.cfg.Private.Key(key) }

// privateLocked reports whether the item never leaves the outbox under its name. The caller
// holds mu.
func (it *Item) privateLocked() bool {
	if it.stage != nil && it.over.ETag == "" && it.stage.length() == 0 {
		return it.o.cfg.Private.Probe(it.key)
	}
	return it.o.Private(it.key)
}
