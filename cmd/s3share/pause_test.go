package main

import (
	"bytes"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/s3share/s3share/cmd/s3share/internal/control"
	"github.com/s3share/s3share/cmd/s3share/internal/hint"
	"github.com/s3share/s3share/cmd/s3share/internal/testhome"
)

// pausedDaemon answers to pause, resume and limit for a mount on dir, or closes the connection if
// it fails. asked counts the requests that arrive.
func pausedDaemon(t *testing.T, dir string, fails bool, asked *atomic.Int64) control.Target {
	t.Helper()
	socket := dir + ".sock"
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	srv := &http.Server{ReadHeaderTimeout: time.Minute,
		Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			asked.Add(1)
			if fails {
				panic(http.ErrAbortHandler)
			}
			_ = json.NewEncoder(w).Encode(struct{}{})
		})}
	go func() { _ = srv.Serve(l) }()
	t.Cleanup(func() { srv.Close() })
	return control.Target{Client: control.Dial(socket),
		State: control.State{Dir: dir, Mounted: true, Daemon: control.DaemonRuns, Bucket: "team"}}
}

// TestPauseAndLimitReachEveryMount has one mount of several without a daemon, and one whose daemon
// does not answer. The others are reached all the same, and a line for each names its directory.
// Those two are named as well, and the exit code is 1.
func TestPauseAndLimitReachEveryMount(t *testing.T) {
	for name, do := range map[string]func(out io.Writer, places []control.Target) error{
		"pause": func(out io.Writer, places []control.Target) error {
			return pauseAll(t.Context(), out, places, true)
		},
		"resume": func(out io.Writer, places []control.Target) error {
			return pauseAll(t.Context(), out, places, false)
		},
		"limit": func(out io.Writer, places []control.Target) error {
			return limitAll(t.Context(), out, places, control.LimitRequest{Default: true})
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir := testhome.Home(t)
			var asked atomic.Int64
			lost := control.Target{State: control.State{Dir: filepath.Join(dir, "lost"),
				Mounted: true, Daemon: control.DaemonUnknown}}
			a, b := pausedDaemon(t, filepath.Join(dir, "a"), false, &asked), pausedDaemon(t,
				filepath.Join(dir, "b"), false, &asked)
			silent := pausedDaemon(t, filepath.Join(dir, "silent"), true, new(atomic.Int64))
			for _, c := range []struct {
				places []control.Target
				named  []string
			}{
				{[]control.Target{a}, nil},
				{[]control.Target{a, b}, nil},
				{[]control.Target{lost, a, silent, b}, []string{"lost", "silent"}},
			} {
				asked.Store(0)
				var out, errs bytes.Buffer
				want := hint.ExitOK
				if len(c.named) > 0 {
					want = hint.ExitFailed
				}
				if code := hint.PrintError(&errs, do(&out, c.places)); code != want {
					t.Errorf("of %d mounts the exit code is %d, want %d\n%s",
						len(c.places), code, want, &errs)
				}
				for _, p := range c.places {
					if name := p.State.Dir; !slices.Contains(c.named, filepath.Base(name)) &&
						strings.Count("\n"+out.String(), "\n"+name+": ") != 1 {
						t.Errorf("no line, or more than one, begins with %s:\n%s", name, &out)
					}
				}
				for _, mount := range c.named {
					if !strings.Contains(errs.String(),
						"cannot "+name+" "+filepath.Join(dir, mount)+": ") {
						t.Errorf("%s is not named:\n%s", mount, &errs)
					}
				}
				if n := int64(len(c.places) - len(c.named)); asked.Load() != n ||
					int64(strings.Count(out.String(), "\n")) != n {
					t.Errorf("of %d mounts %d were reached, want %d:\n%s",
						len(c.places), asked.Load(), n, &out)
				}
			}
		})
	}
}
