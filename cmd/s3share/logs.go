package main

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"

	"github.com/s3share/s3share/cache/privatedir"
)

// mostLog is when a log file is put aside, under its name with .old.
const mostLog = 10 << 20

// openLog opens the log that s asks for. In the foreground that is standard error,
// unless a file is named. The file is nil if there is none.
func openLog(s *settings, foreground bool) (*slog.Logger, *os.File, error) {
	options := &slog.HandlerOptions{Level: slog.LevelInfo}
	if s.Verbose {
		options.Level = slog.LevelDebug
	}
	name := s.LogFile
	if name == "" && foreground {
		return slog.New(slog.NewTextHandler(os.Stderr, options)), nil, nil
	}
	if name == "" {
		name = filepath.Join(s.StateDir, "s3share.log")
	}
	if info, err := os.Stat(name); err == nil && info.Mode().IsRegular() && info.Size() > mostLog {
		if err := os.Rename(name, name+".old"); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, nil, fmt.Errorf("cannot put the log aside: %w", err)
		}
	}
	f, err := privatedir.Append(name)
	if err != nil {
		return nil, nil, advise(fmt.Errorf("cannot write the log %s: %w", name, rootCause(err)), "name another file with --log-file")
	}
	return slog.New(slog.NewTextHandler(f, options)), f, nil
}
