package outbox

import (
	"path"
	"regexp"
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

// PrivateName tells whether a file of this name is for this machine alone.
func PrivateName(name string) bool {
	for _, p := range privateNames {
		if ok, _ := path.Match(p, name); ok {
			return true
		}
	}
	return mkstempName.MatchString(name) && strings.ContainsAny(name[len(name)-6:], "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ")
}

// Private tells whether what has this key never leaves the outbox: its name, or
// that of a folder above it, is private. It costs no request; renaming it to
// another name delivers it.
func Private(key string) bool {
	for elem := range strings.SplitSeq(strings.TrimSuffix(key, "/"), "/") {
		if PrivateName(elem) {
			return true
		}
	}
	return false
}
