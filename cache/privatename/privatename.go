// Package privatename decides by its name whether a file or directory stays on this machine:
// the temporary, lock and trash files of editors, browsers and desktops. The outbox never
// delivers what has such a name and makes no request for it.
package privatename

import (
	"fmt"
	"path"
	"regexp"
	"slices"
	"strings"
)

// kind is the set of things that an entry applies to.
type kind uint8

const (
	file  kind = 1 << iota
	dir        // and all that is below it
	probe      // a new file, as long as it is empty

	fileOrDir = file | dir
)

// entry is a pattern of path.Match for the names of temporary, lock and trash files.
// It applies only to what its program makes: a directory that somebody calls "old~" is
// data.
type entry struct {
	pattern string
	of      kind
}

// builtin is the built-in list. Each entry names the program that makes such files.
var builtin = []entry{
	{".goutputstream-*", file}, // GLib: g_file_replace
	{".~lock.*#", file},        // LibreOffice: lock
	{"lu[0-9]*.tmp", file},     // LibreOffice, while it saves
	{".*.sw[a-p]", file},       // vim: swap
	{".*.sw[a-p]x", file},      // vim: swap
	{"4913", probe},            // vim: may a file be made here?
	{"*~", file},               // vim, Emacs, gedit: the state before
	{"#*#", file},              // Emacs: autosave
	{".#*", file},              // Emacs: lock
	{"*.part", file},           // Firefox, KDE
	{"*.crdownload", file},     // Chromium
	{"*.download", fileOrDir},  // Safari: a bundle, which is a directory
	{"*.partial", file},        // rclone, Internet Explorer
	{"*.filepart", file},       // WinSCP
	{"*.aria2", file},          // aria2: how far it is with a download
	{".rsync-partial", dir},    // rsync --partial-dir
	{".~tmp~", dir},            // rsync --delay-updates
	{".DS_Store", file},        // macOS Finder
	{"._*", file},              // macOS Finder
	{"~$*", file},              // Microsoft Office: owner
	{"~WR[DL]*.tmp", file},     // Microsoft Word, while it saves
	{"*~RF*.TMP", file},        // Windows: ReplaceFile
	{"Thumbs.db", file},        // Windows Explorer
	{"desktop.ini", file},      // Windows Explorer
	{".Trash-*", fileOrDir},    // freedesktop.org trash
	{".Trash", fileOrDir},      // freedesktop.org trash
	{".Trashes", fileOrDir},    // macOS trash
	{".nfs*", file},            // removed while it was open
	{".fuse_hidden*", file},    // removed while it was open
	{".directory", file},       // KDE Dolphin: how a folder is shown
}

// mkstempName is .NAME.XXXXXX, the name of a file that rsync is writing. Digits and
// capitals among the six random characters distinguish it from an ordinary suffix
// (".env.sample"); all but one of 200 such names have them.
var mkstempName = regexp.MustCompile(`^\..+\.[A-Za-z0-9]{6}$`)

// mkstempPattern is what a user writes for mkstempName.
const mkstempPattern = ".NAME.XXXXXX"

// Patterns is a list of private names. What has such a name never leaves the outbox, and
// costs no request. Renaming it to another name delivers it. Patterns does not change
// after New: any goroutine may call its methods.
type Patterns struct {
	names   []entry
	globs   []glob // the same
	mkstemp bool   // of files
}

// glob is a pattern of path.Match. Each file that is closed is matched against all
// patterns, and most of these contain one star and nothing else, which match makes fast.
type glob struct {
	pattern    string
	head, tail string // what stands before the first star, and after it
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

// match reports whether path.Match would match the name.
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

// New returns the built-in list with the changes applied. A change is a pattern of
// path.Match to add, for files and directories, or "!" and a pattern to remove from the
// list. The error is for the user: it names the change that is wrong.
func New(changes []string) (*Patterns, error) {
	p := &Patterns{names: slices.Clone(builtin), mkstemp: true}
	for _, c := range changes {
		off, isOff := strings.CutPrefix(c, "!")
		_, err := path.Match(c, "")
		switch i := slices.IndexFunc(p.names, func(n entry) bool { return n.pattern == off }); {
		case isOff && off == mkstempPattern:
			p.mkstemp = false
		case isOff && i >= 0:
			p.names = slices.Delete(p.names, i, i+1)
		case isOff:
			return nil, fmt.Errorf(
				"%q takes nothing off the list of private names: there is no %q on it", c, off)
		case c == "" || strings.Contains(c, "/"):
			return nil,
				fmt.Errorf(
					"%q cannot be a private name: it has to be a pattern for one name, without a slash", c)
		case err != nil:
			return nil, fmt.Errorf("%q is no pattern for names: a [ or a \\ in it is not closed", c)
		default:
			p.names = append(p.names, entry{c, fileOrDir})
		}
	}
	for _, n := range p.names {
		p.globs = append(p.globs, newGlob(n.pattern))
	}
	return p, nil
}

// matches reports whether something of one of these kinds is private under this name.
func (p *Patterns) matches(name string, of kind) bool {
	for i := range p.globs {
		if p.names[i].of&of != 0 && p.globs[i].match(name) {
			return true
		}
	}
	return of&file != 0 && p.mkstemp && strings.HasPrefix(name, ".") && mkstempName.MatchString(
		name) && strings.ContainsAny(name[len(name)-6:], "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ")
}

// Dir reports whether a directory of this name is private, with all that is below it.
func (p *Patterns) Dir(name string) bool { return p.matches(name, dir) }

// Key reports whether an object with this key never leaves the outbox: its name, or that
// of a directory above it, is private. The key of a directory ends in a slash.
func (p *Patterns) Key(key string) bool { return p.key(key, file) }

// Probe reports whether a new file with this key never leaves the outbox as long as it
// is empty.
func (p *Patterns) Probe(key string) bool { return p.key(key, file|probe) }

func (p *Patterns) key(key string, of kind) bool {
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
