package daemon

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/s3share/s3share/s3backend"
)

// TestARepeatedFailureIsLoggedOnceAnHour logs lines of which some repeat others.
func TestARepeatedFailureIsLoggedOnceAnHour(t *testing.T) {
	busy := func(id string) error {
		return fmt.Errorf("parts: %w", &s3backend.Error{Op: "UploadPart", Key: "f",
			Kind: s3backend.Busy, Err: errors.New("request " + id)})
	}
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	var out bytes.Buffer
	h := newRepeats(slog.NewTextHandler(&out, &slog.HandlerOptions{Level: slog.LevelDebug,
		ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
			if a.Key == slog.TimeKey {
				return slog.Attr{}
			}
			return a
		}}))
	h.lines.now = func() time.Time { return now }
	log := slog.New(h)
	for i := range 100 {
		wait := time.Duration(i) * time.Second
		log.Warn("not delivered", "key", "a", "again in", wait, "err", busy(fmt.Sprint(i)))
		log.Info("not delivered", "key", "b", "again in", wait, "err", busy(fmt.Sprint(i)))
		log.With("dir", "x").Error("damaged", "file", "f")
		log.Info("delivered", "key", "c")
		log.Debug("asked", "err", errors.New("x"))
	}
	log.Warn("not delivered", "key", "a", "err", errors.New("another"))
	count := func(text string) int { return strings.Count(out.String(), text) }
	for text, want := range map[string]int{
		"key=a": 2, "key=b": 1, "damaged": 1, "msg=delivered": 100, "asked": 100, "repeated": 0, "another": 1,
	} {
		if got := count(text); got != want {
			t.Errorf("%q is logged %d times, want %d", text, got, want)
		}
	}
	out.Reset()
	now = now.Add(repeatWindow + time.Second)
	log.Warn("not delivered", "key", "a", "err", busy("later"))
	for text, want := range map[string]int{"repeated=99": 3, "key=a": 2, "key=b": 1,
		"damaged": 1, "request 99": 2, "request later": 1} {
		if got := count(text); got != want {
			t.Errorf("after an hour %q is logged %d times, want %d:\n%s",
				text, got, want, out.String())
		}
	}
	out.Reset()
	log.Warn("not delivered", "key", "a", "err", busy("last"))
	h.flush()
	if count("repeated=1") != 1 || count("request last") != 1 {
		t.Errorf("at the end this is logged: %s", out.String())
	}
}

// TestRepeatsAreBounded logs more failures than are remembered.
func TestRepeatsAreBounded(t *testing.T) {
	var out bytes.Buffer
	h := newRepeats(slog.NewTextHandler(&out, nil))
	log := slog.New(h)
	for i := range maxRepeats + 10 {
		log.Warn("not delivered", "key", i)
		log.Warn("not delivered", "key", i)
	}
	if n := len(h.lines.byText); n > maxRepeats || n != len(h.lines.oldest) {
		t.Errorf("%d lines are remembered, in an order of %d", n, len(h.lines.oldest))
	}
	h.flush()
	if n := strings.Count(out.String(), "repeated=1"); n != maxRepeats+10 {
		t.Errorf("%d lines were told to be repeated, want all %d", n, maxRepeats+10)
	}
}

// TestALogIsBoundedWhileItIsWritten writes many times what a log may hold, in directories
// of which one can be written to by others, and by way of a symbolic link.
func TestALogIsBoundedWhileItIsWritten(t *testing.T) {
	line := append(bytes.Repeat([]byte("x"), 64<<10), '\n')
	for name, tt := range map[string]struct {
		mode os.FileMode
		link bool
	}{"private": {0o700, false}, "shared": {0o777 | os.ModeSticky, false}, "link": {0o700, true}} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			if err := os.Chmod(dir, tt.mode); err != nil {
				t.Fatal(err)
			}
			path := filepath.Join(dir, "s3share.log")
			if tt.link {
				if err := os.Symlink(filepath.Join(t.TempDir(), "elsewhere"), path); err != nil {
					t.Fatal(err)
				}
			}
			log, err := newLogFile(path)
			if err != nil {
				t.Fatal(err)
			}
			defer log.Close()
			for range (5 * maxLog << 20) / len(line) {
				if _, err := log.Write(line); err != nil {
					t.Fatal(err)
				}
			}
			last := []byte("the last line\n")
			if _, err := log.Write(last); err != nil {
				t.Fatal(err)
			}
			if _, err := log.file.WriteString("last words\n"); err != nil {
				t.Fatal(err)
			}
			data, err := os.ReadFile(path)
			if err != nil || !bytes.HasSuffix(data, append(last, "last words\n"...)) ||
				len(data) > maxLog<<20 {
				t.Errorf("the log has %d bytes, and ends with %q, %v", len(data),
					data[max(0, len(data)-40):], err)
			}
			if err := log.Close(); err != nil { // old ones are removed by then
				t.Error(err)
			}
			files, err := os.ReadDir(dir)
			if err != nil || len(files) > 1+maxOldLogs {
				t.Errorf("there are %d files, want %d at most, %v", len(files), 1+maxOldLogs, err)
			}
			if name == "private" && len(files) != 1+maxOldLogs {
				t.Errorf("there are %d files, want the log and the %d before it",
					len(files), maxOldLogs)
			}
			for _, f := range files {
				if info, err := f.Info(); err != nil || !tt.link && info.Mode().Perm() != 0o600 {
					t.Errorf("%s: %v, %v", f.Name(), info.Mode(), err)
				}
			}
		})
	}
}
