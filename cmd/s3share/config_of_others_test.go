package main

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/s3share/s3share/cmd/s3share/internal/hint"
	"github.com/s3share/s3share/cmd/s3share/internal/testhome"
)

// another is a user of the machine besides root.
const another = 61002

// TestInitWritesNothingIntoAnotherUsersPlace runs init as root with the home of another user,
// who has no config file yet, or a link where it is looked for: nothing is written there, and
// nothing is changed at S3 either.
func TestInitWritesNothingIntoAnotherUsersPlace(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("only root can act as several users")
	}
	for _, place := range []string{"", ".config", ".config/s3share", "link .config",
		"link .config/s3share"} {
		t.Run(place, func(t *testing.T) {
			dir := testhome.Home(t)
			f := setUp{}.aws(t, dir)
			roots := filepath.Join(dir, "roots")
			name, isLink := strings.CutPrefix(place, "link ")
			path := filepath.Join(dir, name)
			err := os.Mkdir(roots, 0o700)
			if isLink {
				err = errors.Join(err, os.MkdirAll(filepath.Dir(path), 0o755),
					os.Symlink(roots, path))
			} else {
				err = errors.Join(err, os.MkdirAll(path, 0o755))
			}
			if err = errors.Join(err, os.Lchown(path, another, another)); err != nil {
				t.Fatal(err)
			}
			out, code := s3share(t, dir, f.as("OWNER"), "init", "team-exchange",
				"--client", "444455556666", "--yes")
			if changed := f.took(); code != hint.ExitFailed ||
				changed != "" || !strings.Contains(out, "config file") {
				t.Errorf("it ends with %d and says\n%s\nand sends\n%s", code, out, changed)
			}
			if left, err := os.ReadDir(roots); err != nil || len(left) > 0 {
				t.Errorf("it left %v, %v", left, err)
			}
			if _, err := os.Stat(filepath.Join(dir, ".config",
				"s3share", "config.toml")); err == nil {
				t.Error("the config file was written")
			}
		})
	}
}

// TestStatusReadsNoConfigOfAnotherUser puts a pipe where root looks for the config file in the
// home of another user: status does not wait for its other end.
func TestStatusReadsNoConfigOfAnotherUser(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("only root can act as several users")
	}
	dir := testhome.Home(t)
	pipe := filepath.Join(dir, ".config", "s3share", "config.toml")
	err := errors.Join(os.MkdirAll(filepath.Dir(pipe), 0o755), syscall.Mkfifo(pipe, 0o600))
	for p := pipe; p != dir; p = filepath.Dir(p) {
		err = errors.Join(err, os.Lchown(p, another, another))
	}
	if err != nil {
		t.Fatal(err)
	}
	read, ended := make(chan struct{}), make(chan struct{})
	go func() { // an open for writing waits until somebody reads
		defer close(ended)
		if f, err := os.OpenFile(pipe, os.O_WRONLY, 0); err == nil {
			close(read)
			f.Close()
		}
	}()
	out, code := s3share(t, dir, nil, "status")
	select {
	case <-read:
		t.Errorf("it reads the pipe, and ends with %d:\n%s", code, out)
	default:
	}
	f, err := os.OpenFile(pipe, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	<-ended
	f.Close()
	if code != hint.ExitOK {
		t.Errorf("it ends with %d:\n%s", code, out)
	}
}
