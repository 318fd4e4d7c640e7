package daemon

import (
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"

	"github.com/DeRuina/timberjack"

	"github.com/s3share/s3share/cache/freespace"
	"github.com/s3share/s3share/cache/privatedir"
	"github.com/s3share/s3share/cmd/s3share/internal/config"
	"github.com/s3share/s3share/cmd/s3share/internal/hint"
)

const (
	// maxLog is the size in MiB at which a log file is put aside, and maxOldLogs how many
	// of those are kept.
	maxLog     = 10
	maxOldLogs = 2
)

// openLog opens the log that s asks for. In the foreground that is standard error,
// unless a file is named. Level may change later. The file is nil if there is none.
func openLog(s *config.Settings, foreground bool,
	level slog.Leveler) (*slog.Logger, *logFile, error) {
	options := &slog.HandlerOptions{Level: level}
	name := s.LogFile
	if name == "" && foreground {
		return slog.New(newRepeats(slog.NewTextHandler(os.Stderr, options))), nil, nil
	}
	if name == "" {
		name = filepath.Join(s.StateDir, "s3share.log")
	}
	f, err := newLogFile(name)
	if err != nil {
		return nil, nil, hint.With(fmt.Errorf("cannot write the log %s: %w", name,
			hint.WithoutPath(err)), "name another file with --log-file")
	}
	f.repeats = newRepeats(slog.NewTextHandler(f, options))
	return slog.New(f.repeats), f, nil
}

// logFile is a log of bounded size, on a disk of which a floor stays free: what there is
// no room for is counted, and the count is logged once there is.
type logFile struct {
	name    string
	regular bool
	repeats *repeats

	// mu guards the fields below.
	mu       sync.Mutex
	file     *os.File           // which has the name now
	rotating *timberjack.Logger // nil where others could change what it puts aside
	stderr   bool               // standard error goes to file
	missing  int                // lines that there was no room for
}

func newLogFile(name string) (*logFile, error) {
	file, err := privatedir.Append(name)
	if err != nil {
		return nil, err
	}
	l := &logFile{name: name, file: file}
	if info, err := file.Stat(); err != nil || !info.Mode().IsRegular() {
		return l, nil // a pipe, or /dev/stderr
	}
	l.regular = true
	if info, err := os.Lstat(name); err == nil && info.Mode().IsRegular() &&
		privatedir.Check(filepath.Dir(name)) == nil {
		l.rotating = &timberjack.Logger{Filename: name, MaxSize: maxLog, MaxBackups: maxOldLogs,
			FileMode: 0o600, LocalTime: true}
	}
	return l, nil
}

// Name returns the name of the file that is written to.
func (l *logFile) Name() string { return l.name }

// Write writes a line. What there is no room for is no error.
func (l *logFile) Write(line []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.regular {
		return l.file.Write(line)
	}
	if !freespace.Above(l.name, int64(len(line))) {
		l.missing++
		return len(line), nil
	}
	if l.missing > 0 {
		if err := l.write(fmt.Appendf(nil,
			"level=WARN msg=\"lines are missing here: the disk had too little room for them\" lines=%d\n", l.missing)); err != nil {
			return 0, err
		}
		l.missing = 0
	}
	if err := l.write(line); err != nil {
		return 0, err
	}
	return len(line), nil
}

func (l *logFile) write(line []byte) error {
	if l.rotating == nil {
		return l.writeInPlace(line)
	}
	if _, err := l.rotating.Write(line); err != nil {
		return err
	}
	return l.follow()
}

// writeInPlace writes a line to a file that cannot be rotated: when the file has reached its
// maximum size, it is emptied.
func (l *logFile) writeInPlace(line []byte) error {
	if info, err := l.file.Stat(); err == nil && info.Size()+int64(len(line)) > maxLog<<20 {
		if err := l.file.Truncate(0); err != nil {
			return err
		}
	}
	_, err := l.file.Write(line)
	return err
}

// follow opens the file anew if another has got its name, and has standard error go there.
func (l *logFile) follow() error {
	named, err := os.Stat(l.name)
	if err != nil {
		return err
	}
	if open, err := l.file.Stat(); err == nil && os.SameFile(named, open) {
		return nil
	}
	file, err := privatedir.Append(l.name)
	if err != nil {
		return err
	}
	l.file.Close()
	l.file = file
	if l.stderr {
		return sendStderr(file)
	}
	return nil
}

// takeStderr closes standard input and output, and redirects standard error, to which Go writes a
// panic, to the log.
func (l *logFile) takeStderr() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.stderr = true
	return leaveTerminal(l.file)
}

// Close writes what the log holds back, and closes it.
func (l *logFile) Close() error {
	if l.repeats != nil {
		l.repeats.flush()
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.rotating != nil {
		if err := l.rotating.Close(); err != nil {
			return err
		}
	}
	return l.file.Close()
}
