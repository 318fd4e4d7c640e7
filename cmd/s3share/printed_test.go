package main

import (
	"bytes"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/s3share/s3share/cmd/s3share/internal/hint"
	"github.com/s3share/s3share/cmd/s3share/internal/testhome"
)

// fullDisk takes so many bytes and fails from then on.
type fullDisk struct{ room int }

func (f *fullDisk) Write(p []byte) (int, error) {
	if len(p) > f.room {
		n := f.room
		f.room = 0
		return n, errors.New("no space left on device")
	}
	f.room -= len(p)
	return len(p), nil
}

// TestAnAnswerThatCannotBePrintedIsAFailure runs commands that print without asking a server, the
// help of each among them, with their output on a full disk: a part of an answer in a file must not
// come with the exit code 0.
func TestAnAnswerThatCannotBePrintedIsAFailure(t *testing.T) {
	home := testhome.Home(t)
	t.Setenv("HOME", home)
	for _, name := range []string{"XDG_CONFIG_HOME", "XDG_STATE_HOME", "XDG_RUNTIME_DIR"} {
		t.Setenv(name, "")
	}
	testhome.Write(t, home, ".config/s3share/config.toml",
		"[exchange.team]\nbucket = \"team-exchange\"\n")
	lines := [][]string{{"--help"}, {"--version"}, {"version"}, {"completion", "bash"},
		{"config", "list"}, {"config", "show", "team"}}
	for _, c := range newRoot(io.Discard, io.Discard).Commands() {
		lines = append(lines, []string{c.Name(), "--help"})
	}
	for _, args := range lines {
		var whole, errs bytes.Buffer
		if code := runTo(&whole, &errs, slices.Clone(args)); code != hint.ExitOK ||
			whole.Len() == 0 {
			t.Errorf("s3share %q ends with %d, and prints %d bytes\n%s",
				args, code, whole.Len(), &errs)
			continue
		}
		for _, room := range []int{0, whole.Len() - 1} {
			errs.Reset()
			code := runTo(&fullDisk{room}, &errs, slices.Clone(args))
			if code != hint.ExitFailed ||
				!strings.Contains(errs.String(), "no space left on device") {
				t.Errorf("s3share %q, with room for %d of %d bytes, ends with %d, want %d\n%s",
					args, room, whole.Len(), code, hint.ExitFailed, &errs)
			}
		}
	}
}
