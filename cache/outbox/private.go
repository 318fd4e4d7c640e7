package outbox

import (
	"fmt"
	"path"
	"regexp"
	"slices"
	"strings"
)

// privateNames are the names of temporary, lock and trash files, as patterns of
// path.Match, each with the program that makes it.
var privateNames = []string{
	".goutputstream-*",          // GLib: g_file_replace
	".~lock.*#",                 // LibreOffice: lock
	"lu[0-9]*.tmp",              // LibreOffice, while it saves
	".*.sw[a-p]", ".*.sw[a-p]x", // vim: swap
	"4913",       // vim: may a file be made here?
	"*~",         // vim, Emacs, gedit: the state before
	"#*#", ".#*", // Emacs: autosave and lock
	"*.part",           // Firefox, KDE
	"*.crdownload",     // Chromium
	"*.download",       // Safari
	".DS_Store", "._*", // macOS Finder
	"~$*",                      // Microsoft Office: owner
	"~WR[DL]*.tmp",             // Microsoft Word, while it saves
	"Thumbs.db", "desktop.ini", // Windows Explorer
	".Trash-*", ".Trash", ".Trashes", // freedesktop.org and macOS trash
	".nfs*", ".fuse_hidden*", // removed while it was open
	".directory", // KDE Dolphin: how a folder is shown
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
	patterns []string
	globs    []glob // the same
	mkstemp  bool
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
// of path.Match, or takes one off the list, with a "!" before it.
func NewPrivate(changes []string) (*Private, error) {
	p := &Private{patterns: slices.Clone(privateNames), mkstemp: true}
	for _, c := range changes {
		off, isOff := strings.CutPrefix(c, "!")
		_, err := path.Match(c, "")
		switch i := slices.Index(p.patterns, off); {
		case isOff && off == mkstempPattern:
			p.mkstemp = false
		case isOff && i >= 0:
			p.patterns = slices.Delete(p.patterns, i, i+1)
		case isOff:
			return nil, fmt.Errorf("%q takes nothing off the list of private names: there is no %q on it", c, off)
		case c == "" || strings.Contains(c, "/"):
			return nil, fmt.Errorf("%q cannot be a private name: it has to be a pattern for one name, without a slash", c)
		case err != nil:
			return nil, fmt.Errorf("%q is no pattern for names: a [ or a \\ in it is not closed", c)
		default:
			p.patterns = append(p.patterns, c)
		}
	}
	for _, pattern := range p.patterns {
		p.globs = append(p.globs, newGlob(pattern))
	}
	return p, nil
}

// Name tells whether a file of this name is for this machine alone.
func (p *Private) Name(name string) bool {
	for i := range p.globs {
		if p.globs[i].match(name) {
			return true
		}
	}
	return p.mkstemp && strings.HasPrefix(name, ".") && mkstempName.MatchString(name) && strings.ContainsAny(name[len(name)-6:], "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ")
}

// Key tells whether what has this key never leaves the outbox: its name, or that of
// a folder above it, is private.
func (p *Private) Key(key string) bool {
	for elem := range strings.SplitSeq(strings.TrimSuffix(key, "/"), "/") {
		if p.Name(elem) {
			return true
		}
	}
	return false
}

// Private tells whether what has this key never leaves the outbox.
func (o *Outbox) Private(key string) bool { return o.cfg.Private.Key(key) }
