package main

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// exchangeID names an exchange on disk: readable, and the same at each mount of
// one bucket at one endpoint.
func exchangeID(endpoint, bucket string) string {
	sum := sha256.Sum256([]byte(strings.TrimRight(endpoint, "/") + "\n" + bucket))
	readable := strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '.' || r == '-' {
			return r
		}
		return '-' // an access point's ARN has colons and slashes
	}, bucket)
	return readable[:min(len(readable), 63)] + "-" + hex.EncodeToString(sum[:4])
}

// effectiveEndpoint is the endpoint that the SDK will use.
func effectiveEndpoint(s *settings) string {
	for _, e := range []string{s.Endpoint, os.Getenv("AWS_ENDPOINT_URL_S3"), os.Getenv("AWS_ENDPOINT_URL")} {
		if e != "" {
			return e
		}
	}
	return ""
}

// settlePlaces fills in where state, cache and log are, if nothing said so. The
// XDG Base Directory Specification names the variables and their defaults.
func settlePlaces(s *settings) error {
	id := exchangeID(effectiveEndpoint(s), s.Bucket)
	if s.StateDir == "" {
		base, err := xdg("XDG_STATE_HOME", ".local/state")
		if err != nil {
			return advise(fmt.Errorf("no place for the state directory: %w", err), "name one with --state-dir")
		}
		s.StateDir = filepath.Join(base, "s3share", id)
	}
	if s.CacheDir == "" && s.CacheSize > 0 {
		base, err := xdg("XDG_CACHE_HOME", ".cache")
		if err != nil {
			return advise(fmt.Errorf("no place for the cache: %w", err), "name one with --cache-dir, or say --cache-size 0")
		}
		s.CacheDir = filepath.Join(base, "s3share", id)
	}
	if s.CacheSize == 0 {
		s.CacheDir = ""
	}
	return nil
}

// xdg is a base directory. A relative one in the variable is to be ignored, says
// the specification.
func xdg(variable, below string) (string, error) {
	if dir := os.Getenv(variable); filepath.IsAbs(dir) {
		return dir, nil
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return "", err
	}
	return filepath.Join(home, below), nil
}

// makePrivate makes dir, for its owner alone, and proves that files can be made in
// it.
func makePrivate(dir, what, flag string) error {
	hint := "name another one with " + flag
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return advise(fmt.Errorf("cannot make the %s %s: %w", what, dir, rootCause(err)), hint)
	}
	probe, err := os.CreateTemp(dir, ".probe-*")
	if err != nil {
		return advise(fmt.Errorf("cannot write to the %s %s: %w", what, dir, rootCause(err)), hint)
	}
	return errors.Join(probe.Close(), os.Remove(probe.Name()))
}

// rootCause drops the path from an error of package os whose sentence has it.
func rootCause(err error) error {
	var p *fs.PathError
	if errors.As(err, &p) {
		return p.Err
	}
	return err
}

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
	perUser := "/run/user/" + id
	if uid == 0 { // at the last logout /run/user/0 goes, and mounts of root stay
		add("/run/s3share")
	}
	if xdg := os.Getenv("XDG_RUNTIME_DIR"); xdg != "" && uid == os.Getuid() {
		add(filepath.Join(xdg, "s3share"))
	}
	add(perUser + "/s3share")
	add(filepath.Join(os.TempDir(), "s3share-"+id))
	add("/tmp/s3share-" + id)
	return dirs
}

// trusted tells whether dir is a directory that only uid can change.
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

// newSocketPath makes the directory for the socket of the mount on dir.
func newSocketPath(dir string) (string, error) {
	uid := os.Getuid()
	for _, run := range runtimeDirs(uid) {
		path := filepath.Join(run, socketName(dir))
		if len(path) > maxSocketPath {
			continue
		}
		if err := os.Mkdir(run, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
			continue
		}
		if trusted(run, uid) {
			return path, nil
		}
	}
	return "", advise(errors.New("no place for the control socket"), "set XDG_RUNTIME_DIR to a directory of your own")
}
