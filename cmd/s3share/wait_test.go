package main

import (
	"bytes"
	"encoding/json"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/s3share/s3share/cache"
	"github.com/s3share/s3share/cache/outbox"
	"github.com/s3share/s3share/cmd/s3share/internal/control"
	"github.com/s3share/s3share/cmd/s3share/internal/hint"
	"github.com/s3share/s3share/cmd/s3share/internal/testhome"
)

// fakeDaemon answers for a mount on dir, until the test ends: wait is what it answers to who waits,
// and pending what waits there.
func fakeDaemon(t *testing.T, dir string, pending func() []outbox.Status,
	wait func() control.FileAnswer) control.Target {
	t.Helper()
	socket := dir + ".sock"
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	answer := func(w http.ResponseWriter, v any) { _ = json.NewEncoder(w).Encode(v) }
	state := func() control.State {
		return control.State{Dir: dir, Mounted: true, Daemon: control.DaemonRuns,
			Bucket: "team", PID: os.Getpid(), Pending: pending(), StateDir: dir + "-state"}
	}
	mux := http.NewServeMux()
	mux.HandleFunc("/status", func(w http.ResponseWriter, _ *http.Request) { answer(w, state()) })
	mux.HandleFunc("/file", func(w http.ResponseWriter, _ *http.Request) { answer(w, state()) })
	mux.HandleFunc("/wait", func(w http.ResponseWriter, _ *http.Request) { answer(w, wait()) })
	srv := &http.Server{Handler: mux, ReadHeaderTimeout: time.Minute}
	go func() { _ = srv.Serve(l) }()
	t.Cleanup(func() { srv.Close() })
	return control.Target{Client: control.Dial(socket), State: state()}
}

// TestWaitForSeveralMounts: one mount cannot deliver a file, and the others are waited for all the
// same, at the same time; there is one last line for all, and the exit code is 1.
func TestWaitForSeveralMounts(t *testing.T) {
	dir := testhome.Home(t)
	stuck := outbox.Status{Key: "Delivery/stuck", Path: "Delivery/stuck", State: outbox.Blocked,
		Size: 3, Reason: "access denied"}
	places := []control.Target{fakeDaemon(t, filepath.Join(dir, "a"),
		func() []outbox.Status { return []outbox.Status{stuck} },
		func() control.FileAnswer { return control.FileAnswer{Left: []outbox.Status{stuck}} })}
	var waiting atomic.Int64
	both := make(chan struct{})
	for _, name := range []string{"b", "c"} {
		var done atomic.Bool
		places = append(places, fakeDaemon(t, filepath.Join(dir, name), func() []outbox.Status {
			if done.Load() {
				return nil
			}
			return []outbox.Status{{Key: "Delivery/x", Path: "Delivery/x",
				State: outbox.Uploading, Size: 1 << 20}}
		}, func() control.FileAnswer {
			if waiting.Add(1) == 2 {
				close(both)
			}
			select {
			case <-both:
			case <-t.Context().Done():
			case <-time.After(30 * time.Second):
				t.Error("the mounts are waited for one after the other")
			}
			done.Store(true)
			return control.FileAnswer{File: &control.FileState{State: cache.Directory,
				At: time.Now()}}
		}))
	}
	var out bytes.Buffer
	progress := newWaitProgress(&out, &out, 0)
	code := hint.PrintError(&out,
		askPlaces(t.Context(), places, "/wait", 0, progress.begin, progress.say))
	if said := out.String(); code != hint.ExitFailed ||
		!strings.Contains(said, `not delivered: "Delivery/stuck" (3 B): access denied`) ||
		!strings.Contains(said, "not all of "+dir+"/a is delivered") ||
		strings.Contains(said, dir+"/b") {
		t.Errorf("wait ended with %d and said\n%s", code, said)
	}
	if n := strings.Count(out.String(), " delivered in "); n != 1 ||
		!strings.Contains(out.String(), "2 files, 2.0 MiB delivered in ") {
		t.Errorf("it has %d last lines, want one:\n%s", n, &out)
	}
}

// TestLeftSocketsGo: the control socket of a daemon that was killed goes when somebody finds that
// nobody listens; one that
// is listened on stays, and so does one that is new.
func TestLeftSocketsGo(t *testing.T) {
	dir := testhome.Home(t)
	run := filepath.Join(dir, "run")
	if err := os.Mkdir(run, 0o700); err != nil {
		t.Fatal(err)
	}
	t.Setenv("XDG_RUNTIME_DIR", run)
	long := time.Now().Add(-time.Hour)
	var left []string
	for _, name := range []string{"old", "new", "served"} {
		socket, err := control.NewSocketPath(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		l, err := net.ListenUnix("unix", &net.UnixAddr{Name: socket, Net: "unix"})
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		l.SetUnlinkOnClose(false)
		defer os.Remove(socket)
		if name != "served" {
			l.Close()
		}
		if err := os.Mkdir(filepath.Join(dir, name), 0o700); err != nil {
			t.Fatal(err)
		}
		if name != "new" {
			if err := os.Chtimes(socket, long, long); err != nil {
				t.Fatal(err)
			}
		}
		left = append(left, socket)
		if name == "served" {
			go func() {
				for {
					c, err := l.Accept()
					if err != nil {
						return
					}
					c.Close()
				}
			}()
		}
	}
	for _, name := range []string{"old", "new", "served"} {
		s3share(t, dir, []string{"XDG_RUNTIME_DIR=" + run}, "status", name)
	}
	for i, path := range left {
		if _, err := os.Lstat(path); (err == nil) != (i > 0) {
			t.Errorf("%d: after status %s: %v", i, path, err)
		}
	}
}
