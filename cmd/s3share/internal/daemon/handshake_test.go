package daemon

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/s3share/s3share/cmd/s3share/internal/hint"
)

// child runs a shell script as a daemon that was started.
func child(script string) *exec.Cmd { return exec.Command("sh", "-c", script) }

func TestStart(t *testing.T) {
	for _, tt := range []struct {
		name, script string
		want         string // of the error, "" for none
		code         int
		hint         string
	}{
		{"ready", `echo '{"code":0}' >&3; exec 3>&-; exit 0`, "", hint.ExitOK, ""},
		{"failed", `echo '{"error":"cannot x: y","hint":"do z","code":2}' >&3; exit 2`, "cannot x: y", hint.ExitUsage, "do z"},
		{"silent", `exit 7`, "the daemon ended before it served: exit status 7", hint.ExitFailed, ""},
		{"killed", `kill -9 $$`, "the daemon ended before it served: signal: killed", hint.ExitFailed, ""},
		{"nonsense", `echo hello >&3`, "the daemon ended before it served: invalid character 'h' looking for beginning of value", hint.ExitFailed, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			cmd := child(tt.script)
			err := StartProcess(cmd, nil)
			if err == nil {
				defer cmd.Wait()
			}
			if got := fmt.Sprint(err); got != tt.want && (err != nil || tt.want != "") {
				t.Fatalf("start = %v, want %q", err, tt.want)
			}
			if err == nil {
				return
			}
			if code, hint := hint.ExitCode(err); code != tt.code || hint != tt.hint {
				t.Errorf("start gives exit code %d and hint %q, want %d and %q",
					code, hint, tt.code, tt.hint)
			}
		})
	}
}

func TestStartInterrupted(t *testing.T) {
	stopped := make(chan struct{})
	close(stopped)
	// It holds the descriptor open and says nothing, until the signal.
	if err := StartProcess(exec.Command("sleep", "600"),
		stopped); !errors.Is(err, hint.ErrInterrupted) {
		t.Errorf("start = %v, want %v", err, hint.ErrInterrupted)
	}
}

func TestAnnounce(t *testing.T) {
	for _, tt := range []struct {
		err  error
		want string
	}{
		{nil, `{"code":0}`},
		{hint.Usage("do z", "cannot\nx"), `{"error":"cannot x","hint":"do z","code":2}`},
	} {
		var out closingBuilder
		reportStart(&out, tt.err)
		if got := strings.TrimSpace(out.String()); got != tt.want || !out.closed {
			t.Errorf("announce(%v) writes %s, closed %v, want %s", tt.err, got, out.closed, tt.want)
		}
	}
}

type closingBuilder struct {
	strings.Builder
	closed bool
}

func (b *closingBuilder) Close() error { b.closed = true; return nil }

func TestInherited(t *testing.T) {
	null, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	fd, err := unix.Dup(int(null.Fd())) // inherited takes it, and closes it with its file
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv(readyVariable, fmt.Sprint(fd))
	f := inherited(readyVariable)
	if f == nil || int(f.Fd()) != fd {
		t.Fatalf("inherited = %v, want the descriptor %d", f, fd)
	}
	if err := f.Close(); err != nil {
		t.Error(err)
	}
	if v, ok := os.LookupEnv(readyVariable); ok {
		t.Errorf("%s=%s is left for others", readyVariable, v)
	}
	for _, bad := range []string{"", "x", "-1", "2", "99999999"} {
		t.Setenv(readyVariable, bad)
		if f := inherited(readyVariable); f != nil {
			t.Errorf("inherited with %q = %v, want nil", bad, f.Fd())
		}
	}
}
