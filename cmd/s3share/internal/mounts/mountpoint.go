package mounts

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"golang.org/x/sys/unix"

	"github.com/s3share/s3share/cmd/s3share/internal/hint"
)

// CheckMountpoint returns an error with a hint if no exchange can be mounted on dir, a path
// from [ResolveDir]. If a dead mount of s3share is there, it undoes it and writes a note
// for people to notes.
func CheckMountpoint(dir string, notes io.Writer) error {
	m, err := At(dir)
	if err != nil {
		return err
	}
	if m != nil && IsOurs(m) && IsDead(dir) {
		if err := Unmount(dir, Lazy); err != nil {
			return hint.With(fmt.Errorf("a dead mount lies there: %w", err),
				"undo it: s3share unmount "+dir)
		}
		fmt.Fprintf(notes, "s3share: note: undid the mount on %s, whose daemon was gone\n", dir)
		if m, err = At(dir); err != nil {
			return err
		}
	}
	switch {
	case m == nil:
	case m.FSType == "autofs": // it waits for our mount: any access would hang
		return nil
	case IsOurs(m):
		return hint.With(fmt.Errorf("%s is mounted there already", m.Source),
			"undo it: s3share unmount "+dir)
	default:
		if IsDead(dir) {
			return hint.With(fmt.Errorf("a dead mount of %s (%s) lies there", m.Source, m.FSType),
				"undo it: umount -l "+dir)
		}
		return hint.With(fmt.Errorf("%s (%s) is mounted there already", m.Source, m.FSType),
			"take another directory")
	}
	around, err := Around(dir)
	if err != nil {
		return err
	}
	if around != nil && IsOurs(around) {
		return hint.With(fmt.Errorf("it is inside another exchange, which is mounted on %s",
			around.Mountpoint), "take a directory outside of it")
	}
	return checkDir(dir)
}

// checkDir returns an error unless dir is an empty directory that this user may write to.
func checkDir(dir string) error {
	f, err := os.Open(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return hint.With(errors.New("there is no such directory"), "make it first: mkdir -p "+dir)
	case errors.Is(err, unix.ENOTDIR):
		return hint.With(errors.New("it is not a directory"), "take an empty directory")
	case err != nil:
		return hint.With(hint.WithoutPath(err), "take an empty directory of your own")
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return hint.WithoutPath(err)
	}
	if !info.IsDir() {
		return hint.With(errors.New("it is not a directory"), "take an empty directory")
	}
	if _, err := f.Readdirnames(1); err == nil {
		return hint.With(errors.New("the directory is not empty"),
			"what is in it would be hidden; take an empty one")
	} else if !errors.Is(err, io.EOF) {
		return hint.WithoutPath(err)
	}
	if err := unix.Access(dir, unix.W_OK); err != nil {
		return hint.With(errors.New("you may not write to it, so you may not mount on it"),
			"take an empty directory of your own")
	}
	return nil
}
