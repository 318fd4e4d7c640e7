package cache

import (
	"strings"

	"github.com/s3share/s3share/cache/keyname"
)

// fileTable finds files that are open or pending by their key and by their directory.
// The Cache's mu guards it.
type fileTable struct {
	byKey map[string]*File
	byDir map[string]map[string]*File // by prefix, then element
}

func newFileTable() fileTable {
	return fileTable{byKey: map[string]*File{}, byDir: map[string]map[string]*File{}}
}

func (t *fileTable) get(key string) *File { return t.byKey[key] }

// put makes f the file at its key; whoever was there goes on by its handles alone.
func (t *fileTable) put(f *File) {
	prefix, elem := keyname.Split(f.key)
	if t.byDir[prefix] == nil {
		t.byDir[prefix] = map[string]*File{}
	}
	t.byDir[prefix][elem] = f
	t.byKey[f.key] = f
}

// drop removes f, if it is the file at its key.
func (t *fileTable) drop(f *File) {
	if t.byKey[f.key] != f {
		return
	}
	delete(t.byKey, f.key)
	prefix, elem := keyname.Split(f.key)
	delete(t.byDir[prefix], elem)
	if len(t.byDir[prefix]) == 0 {
		delete(t.byDir, prefix)
	}
}

// move gives f another key.
func (t *fileTable) move(f *File, key string) {
	t.drop(f)
	f.key = key
	t.put(f)
}

// anyPendingUnder reports whether a file is pending anywhere below prefix, except at the key
// but and below it.
func (t *fileTable) anyPendingUnder(prefix, but string) bool {
	for dir, files := range t.byDir {
		if !strings.HasPrefix(dir, prefix) ||
			strings.HasSuffix(but, "/") && strings.HasPrefix(dir, but) {
			continue
		}
		if anyPending(files, but) {
			return true
		}
	}
	return false
}

// anyPending reports whether one of some files is pending, except at the key but.
func anyPending(files map[string]*File, but string) bool {
	for _, f := range files {
		if f.item != nil && f.key != but {
			return true
		}
	}
	return false
}

// under lists the files anywhere below prefix.
func (t *fileTable) under(prefix string) []*File {
	var all []*File
	for dir, files := range t.byDir {
		if strings.HasPrefix(dir, prefix) {
			for _, f := range files {
				all = append(all, f)
			}
		}
	}
	return all
}
