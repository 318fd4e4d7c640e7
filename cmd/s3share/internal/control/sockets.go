package control

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/s3share/s3share/cache/privatedir"
	"github.com/s3share/s3share/cmd/s3share/internal/hint"
)

// Where control sockets lie. Daemon and commands find the place without knowing of each
// other's settings, and without taking another user's directory for one.

// runtimeDirs are the places of a user's control sockets, the best first. Those
// who ask look at all: the daemon may have another environment than they have.
func runtimeDirs(uid int) []string {
	var dirs []string
	add := func(dir string) {
		if filepath.IsAbs(dir) {
			dirs = append(dirs, filepath.Clean(dir))
		}
	}
	id := strconv.Itoa(uid)
	if uid == 0 { // at the last logout /run/user/0 goes, and mounts of root stay
		add("/run/s3share")
	}
	if xdg := os.Getenv("XDG_RUNTIME_DIR"); xdg != "" && uid == os.Getuid() {
		add(filepath.Join(xdg, "s3share"))
	}
	add("/run/user/" + id + "/s3share")
	for _, temp := range tempDirs() {
		add(filepath.Join(temp, "s3share-"+id))
	}
	return append(dirs, fallbackDirs(uid)...)
}

// tempDirs are the places of temporary files.
func tempDirs() []string { return slices.Compact([]string{os.TempDir(), "/tmp"}) }

// fallbackDirs are a user's directories in them that got random names, because another
// user had taken the usual one. What others call so is among them, too.
func fallbackDirs(uid int) (dirs []string) {
	for _, temp := range tempDirs() {
		entries, err := os.ReadDir(temp)
		if err != nil {
			continue
		}
		for _, e := range entries {
			if e.IsDir() && strings.HasPrefix(e.Name(), fallbackPrefix(uid)) {
				dirs = append(dirs, filepath.Join(temp, e.Name()))
			}
		}
	}
	return dirs
}

// fallbackPrefix begins their names; os.MkdirTemp adds the rest.
func fallbackPrefix(uid int) string { return "s3share-" + strconv.Itoa(uid) + "-" }

// trusted reports whether dir is a directory that only uid can change.
func trusted(dir string, uid int) bool {
	info, err := os.Lstat(dir)
	if err != nil || !info.IsDir() || info.Mode().Perm()&0o077 != 0 {
		return false
	}
	st, ok := info.Sys().(*syscall.Stat_t)
	return ok && int(st.Uid) == uid
}

// maxSocketPath is the longest path of a socket. Source: unix(7), sun_path; 104 on
// macOS, both with the closing zero.
const maxSocketPath = 103

// socketName is the file name of the control socket of the mount on dir.
func socketName(dir string) string {
	sum := sha256.Sum256([]byte(dir))
	return hex.EncodeToString(sum[:8]) + ".sock"
}

// leftSocketAge is how old a socket is that is removed: one that was just made may not be listened
// on yet.
const leftSocketAge = time.Minute

// removeLeftSocket removes the control socket of a daemon of this user that was killed: a request
// to it has failed with err, since nobody listens there.
func removeLeftSocket(path string, uid int, err error) {
	if uid != os.Getuid() || !errors.Is(err, syscall.ECONNREFUSED) {
		return
	}
	info, err := os.Lstat(path)
	if err != nil || info.Mode().Type() != fs.ModeSocket ||
		time.Since(info.ModTime()) < leftSocketAge {
		return
	}
	if st, ok := info.Sys().(*syscall.Stat_t); ok && int(st.Uid) == uid {
		_ = os.Remove(path) // somebody else may have
	}
}

// NewSocketPath makes the directory for the socket of the mount on dir.
func NewSocketPath(dir string) (string, error) {
	uid := os.Getuid()
	name := socketName(dir)
	for _, run := range runtimeDirs(uid) {
		if len(run)+1+len(name) > maxSocketPath || privatedir.Check(run) != nil {
			continue
		}
		if err := os.Mkdir(run, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
			continue
		}
		if privatedir.Check(run) == nil && trusted(run, uid) {
			return filepath.Join(run, name), nil
		}
	}
	for _, temp := range tempDirs() {
		run, err := os.MkdirTemp(temp, fallbackPrefix(uid))
		if err != nil {
			continue
		}
		if len(run)+1+len(name) <= maxSocketPath && privatedir.Check(run) == nil {
			return filepath.Join(run, name), nil
		}
		_ = os.Remove(run)
	}
	return "", hint.With(errors.New("there is no place for the control socket"),
		"set XDG_RUNTIME_DIR to a directory of your own")
}
