package integration

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// mostWait bounds what a program waits for in one call when S3 does not answer, and
// atOnce how long it takes to be killed while it does.
const (
	mostWait = 45 * time.Second // of 30, on a busy machine
	atOnce   = 15 * time.Second // well before a call would end by itself
)

// hold answers nothing as long as the client waits.
func hold(r *http.Request) bool {
	_, _ = io.Copy(io.Discard, r.Body)
	<-r.Context().Done()
	return true
}

// readFaults are servers that do not give what is read.
var readFaults = []struct {
	name   string
	answer func(w http.ResponseWriter, r *http.Request, content []byte) bool
	log    string // what the log says of it
	silent bool
}{
	{"500 for ever", func(w http.ResponseWriter, r *http.Request, _ []byte) bool {
		return refuse(w, r, http.StatusInternalServerError, "InternalError")
	}, "InternalError", false},
	{"no answer", func(_ http.ResponseWriter, r *http.Request, _ []byte) bool { return hold(r) }, "no answer from S3 in 30s", true},
	{"half an answer", func(w http.ResponseWriter, r *http.Request, content []byte) bool {
		var from, to int
		_, _ = fmt.Sscanf(r.Header.Get("Range"), "bytes=%d-%d", &from, &to)
		w.Header().Set("ETag", r.Header.Get("If-Match"))
		w.Header().Set("Content-Length", fmt.Sprint(to+1-from))
		w.Header().Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", from, to, len(content)))
		w.WriteHeader(http.StatusPartialContent)
		_, _ = w.Write(content[from : (from+to)/2])
		w.(http.Flusher).Flush()
		return hold(r)
	}, "no answer from S3 in 30s", true},
}

// TestReadFaults reads from a server that is there and gives nothing. A program is
// told EIO in time, the log says why, and whoever is killed meanwhile dies at once.
func TestReadFaults(t *testing.T) {
	t.Parallel()
	for _, c := range readFaults {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			direct := newExchange(t, "article")
			x, g := direct.through(t)
			content := randomBytes(5_000_000)
			direct.put(owner, submissions+"file", content, true)
			m := x.mount(client)
			var asked atomic.Int64
			g.when(func(op string, w http.ResponseWriter, r *http.Request) bool {
				if op != "GetObject" {
					return false
				}
				asked.Add(1)
				return c.answer(w, r, content)
			})
			if c.silent {
				killedReader(t, exec.Command("cat", m.path(submissions+"file")),
					func() bool { return asked.Load() > 0 })
			}
			began := time.Now()
			out, err := exec.CommandContext(t.Context(), "cat",
				m.path(submissions+"file")).CombinedOutput()
			if took := time.Since(began); took > mostWait {
				t.Errorf("cat waited %v", took)
			}
			if err == nil || !says(out, unix.EIO) {
				t.Errorf("cat: %v, want %v\n%s", err, unix.EIO, brief(out))
			}
			if said := m.log.String(); !strings.Contains(said, c.log) ||
				!strings.Contains(said, "read failed") {
				t.Errorf("the log does not say %q", c.log)
			}
			g.when(nil) // and then it is as if nothing had been
			m.awaitContent(submissions+"file", content)
		})
	}
}

// TestLookFaults lists a folder, and looks for a name, at a server that does not
// answer.
func TestLookFaults(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, tool, key string }{
		{"ls", "ls", submissions},
		{"stat", "stat", submissions + "file"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			direct := newExchange(t, "article")
			x, g := direct.through(t)
			direct.put(owner, submissions+"file", []byte("content"), true)
			m := x.mount(client)
			var asked atomic.Int64
			g.when(func(_ string, _ http.ResponseWriter, r *http.Request) bool {
				asked.Add(1)
				return hold(r)
			})
			killedReader(t, exec.Command(c.tool, m.path(c.key)),
				func() bool { return asked.Load() > 0 })
			began := time.Now()
			out, err := exec.CommandContext(t.Context(), c.tool, m.path(c.key)).CombinedOutput()
			if took := time.Since(began); took > mostWait {
				t.Errorf("%s waited %v", c.tool, took)
			}
			if err == nil || !says(out, unix.EIO) {
				t.Errorf("%s: %v, want %v\n%s", c.tool, err, unix.EIO, out)
			}
			g.when(nil) // a probe finds that S3 answers again
			await(t, c.tool+" to work again", func() bool {
				return exec.CommandContext(t.Context(), c.tool, m.path(c.key)).Run() == nil
			})
		})
	}
}

// killedReader runs a program until it waits for S3, kills it, and wants it dead.
func killedReader(t *testing.T, cmd *exec.Cmd, waits func() bool) {
	t.Helper()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	await(t, cmd.Args[0]+" to ask S3", waits)
	began := time.Now()
	_ = cmd.Process.Kill()
	err := cmd.Wait()
	if took := time.Since(began); err == nil ||
		!strings.Contains(err.Error(), "killed") || took > atOnce {
		t.Errorf("%s ended after %v with %v, want it to be killed at once", cmd.Args[0], took, err)
	}
}

// TestReadCut reads through connections that are cut again and again: what is
// missing is asked for anew, and a program notices nothing.
func TestReadCut(t *testing.T) {
	t.Parallel()
	direct := newExchange(t, "article")
	content := randomBytes(24 * mib)
	direct.put(owner, submissions+"file", content, true)
	x, w := direct.over(t)
	m := x.mount(client)
	w.spoil("limit_data", "downstream", map[string]any{"bytes": 700_000})
	if got, err := os.ReadFile(m.path(submissions + "file")); err != nil ||
		!bytes.Equal(got, content) {
		t.Errorf("it reads %s, %v", brief(got), err)
	}
	w.heal()
}

// says reports whether a program complains of the errno.
func says(out []byte, n unix.Errno) bool {
	return bytes.Contains(bytes.ToLower(out), []byte(n.Error()))
}
