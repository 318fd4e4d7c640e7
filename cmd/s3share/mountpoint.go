package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"golang.org/x/sys/unix"
)

// checkMountpoint proves that an exchange can be mounted on dir, which is as
// resolveDir returns it. A dead mount of ours that lies there it undoes, and says
// so to notes.
func checkMountpoint(dir string, notes io.Writer) error {
	m, err := mountAt(dir)
	if err != nil {
		return err
	}
	if m != nil && ours(m) && dead(dir) {
		if err := detach(dir, lazily); err != nil {
			return advise(fmt.Errorf("a dead mount lies there: %w", err), "undo it: s3share unmount "+dir)
		}
		fmt.Fprintf(notes, "s3share: note: undid the mount on %s, whose daemon was gone\n", dir)
		if m, err = mountAt(dir); err != nil {
			return err
		}
	}
	switch {
	case m == nil:
	case m.FSType == "autofs": // it waits for us to mount: nothing may be asked of it
		return nil
	case ours(m):
		return advise(fmt.Errorf("%s is mounted there already", m.Source), "undo it: s3share unmount "+dir)
	default:
		if dead(dir) {
			return advise(fmt.Errorf("a dead mount of %s (%s) lies there", m.Source, m.FSType), "undo it: umount -l "+dir)
		}
		return advise(fmt.Errorf("%s (%s) is mounted there already", m.Source, m.FSType), "take another directory")
	}
	around, err := mountAround(dir)
	if err != nil {
		return err
	}
	if around != nil && ours(around) {
		return advise(fmt.Errorf("it is inside another exchange, which is mounted on %s", around.Mountpoint), "take a directory outside of it")
	}
	return checkDirectory(dir)
}

// checkDirectory proves that dir is an empty directory that we may mount on.
func checkDirectory(dir string) error {
	f, err := os.Open(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return advise(errors.New("there is no such directory"), "make it first: mkdir -p "+dir)
	case errors.Is(err, unix.ENOTDIR):
		return advise(errors.New("it is not a directory"), "take an empty directory")
	case err != nil:
		return advise(rootCause(err), "take an empty directory of your own")
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return rootCause(err)
	}
	if !info.IsDir() {
		return advise(errors.New("it is not a directory"), "take an empty directory")
	}
	if _, err := f.Readdirnames(1); err == nil {
		return advise(errors.New("the directory is not empty"), "what is in it would be hidden; take an empty one")
	} else if !errors.Is(err, io.EOF) {
		return rootCause(err)
	}
	if err := unix.Access(dir, unix.W_OK); err != nil {
		return advise(errors.New("you may not write to it, so you may not mount on it"), "take an empty directory of your own")
	}
	return nil
}

// checkOutside proves that what the daemon writes does not lie in its own mount.
func checkOutside(dir string, s *settings) error {
	for _, p := range []struct{ path, what, flag string }{
		{s.StateDir, "state directory", "--state-dir"},
		{s.CacheDir, "cache", "--cache-dir"},
		{s.LogFile, "log", "--log-file"},
	} {
		if p.path != "" && within(p.path, dir) {
			return misuse("name another place with "+p.flag, "the %s %s lies inside the mountpoint", p.what, p.path)
		}
	}
	return nil
}
