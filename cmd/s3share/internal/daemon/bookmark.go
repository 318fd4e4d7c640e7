package daemon

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"sync"

	"github.com/google/renameio/v2"
)

// bookmarkFiles returns the files with the bookmarks of GTK, which file managers and dialogs show
// in their side bar. Those of GTK 4 are used only if there are any: most programs of GTK 4,
// Nautilus among them, read those of GTK 3. Source: gtk/gtkbookmarksmanager.c,
// nautilus/src/nautilus-bookmark-list.c.
func bookmarkFiles() ([]string, error) {
	config, err := os.UserConfigDir()
	if err != nil {
		return nil, err
	}
	files := []string{filepath.Join(config, "gtk-3.0", "bookmarks")}
	if other := filepath.Join(config, "gtk-4.0", "bookmarks"); exists(other) {
		files = append(files, other)
	}
	return files, nil
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// bookmarkLine returns the line of a directory: its URI and the label.
func bookmarkLine(dir, label string) []byte {
	label = string(bytes.Map(func(r rune) rune {
		if r < ' ' {
			return ' '
		}
		return r
	}, []byte(label)))
	return []byte(fileURI(dir) + " " + label)
}

// addBookmark adds the mount to the bookmarks of file managers, until remove is called. Bookmarks
// of this directory that are there already stay, and no other is added.
func addBookmark(dir, label string) (remove func() error, err error) {
	files, err := bookmarkFiles()
	if err != nil {
		return func() error { return nil }, err
	}
	line := bookmarkLine(dir, label)
	var added []string
	var errs []error
	for _, file := range files {
		did, err := changeBookmarks(file, func(lines [][]byte) [][]byte {
			for _, known := range lines {
				if uri, _, _ := bytes.Cut(known, []byte(" ")); string(uri) == fileURI(dir) {
					return nil
				}
			}
			return append(lines, line)
		})
		if errs = append(errs, err); did {
			added = append(added, file)
		}
	}
	return func() error {
		var errs []error
		for _, file := range added {
			_, err := changeBookmarks(file, func(lines [][]byte) [][]byte {
				for i, known := range lines {
					if bytes.Equal(known, line) {
						return append(lines[:i:i], lines[i+1:]...)
					}
				}
				return nil
			})
			errs = append(errs, err)
		}
		return errors.Join(errs...)
	}, errors.Join(errs...)
}

// changeBookmarks replaces the lines of a file by those that change returns, nil for no change.
// What is there is never lost: the new file takes the place of the old one at once, also where a
// link leads to it.
func changeBookmarks(file string, change func([][]byte) [][]byte) (changed bool, err error) {
	if to, err := filepath.EvalSymlinks(file); err == nil {
		file = to
	}
	had, err := os.ReadFile(file)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return false, err
	}
	var lines [][]byte
	if len(had) > 0 {
		lines = bytes.Split(bytes.TrimSuffix(had, []byte("\n")), []byte("\n"))
	}
	if lines = change(lines); lines == nil {
		return false, nil
	}
	var text []byte
	for _, line := range lines {
		text = append(append(text, line...), '\n')
	}
	dir := filepath.Dir(file)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return false, err
	}
	err = renameio.WriteFile(file, text, 0o600, renameio.WithTempDir(dir),
		renameio.WithExistingPermissions())
	return err == nil, err
}

// keepBookmark adds the mount to the bookmarks of file managers. What it returns removes it again.
func (d *mountDaemon) keepBookmark() (remove func()) {
	noted := func(err error) {
		if err != nil {
			d.log.Warn("the bookmarks of file managers are not as the mount is", "err", err)
		}
	}
	undo, err := addBookmark(d.dir, d.settings.Label())
	noted(err)
	return sync.OnceFunc(func() { noted(undo()) })
}
