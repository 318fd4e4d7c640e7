package daemon

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/s3share/s3share/cache"
	"github.com/s3share/s3share/cache/buckettest"
	"github.com/s3share/s3share/cmd/s3share/internal/config"
	"github.com/s3share/s3share/s3backend"
)

// oddNames are names of files that wait in the daemon of FuzzRequests.
var oddNames = []string{"plain", "with blank", "new\nline\x1b[2J", "Ünï/\u202e/code",
	"50%25", `quo"te\d`, "draft.part"}

// refusingDaemon is a daemon whose cache holds a file of each of oddNames that S3 refuses,
// and one that is still open. It cannot be unmounted.
func refusingDaemon(f *testing.F) (*mountDaemon, *cache.Cache) {
	f.Helper()
	b := buckettest.New()
	b.Store("Delivery/theirs", []byte("theirs"), nil)
	b.Store("Delivery/caf\xe9", []byte("no UTF-8"), nil)
	b.Store("Delivery/..", []byte("up"), nil)
	files, err := cache.New(buckettest.Answer(b, buckettest.Put,
		func() error { return s3backend.Denied }),
		cache.Config{Folders: []string{"Submissions", "Delivery"},
			StateDir: f.TempDir(), Memory: 8 << 20})
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() {
		if err := files.Close(); err != nil {
			f.Error(err)
		}
	})
	for _, name := range append(slices.Clone(oddNames), "open") {
		path := "Delivery/" + strings.ReplaceAll(name, "/", "-")
		h, err := files.Create(f.Context(), path, nil, true, cache.OpenMode{})
		if err == nil {
			_, err = h.WriteAt(f.Context(), []byte(name), 0)
		}
		if err != nil {
			f.Fatal(err)
		}
		if name == "open" {
			f.Cleanup(h.Release)
			continue
		}
		if err := h.Flush(context.WithoutCancel(f.Context()), cache.Closing{}); err != nil {
			f.Fatal(err)
		}
		h.Release()
	}
	s := config.Defaults()
	s.Bucket = "team"
	d := newDaemon(s, true, nil)
	d.dir, d.log, d.bucket = f.TempDir(), slog.New(slog.DiscardHandler), fakeBucket{}
	d.limits.begin(s, fakeBucket{}, d.log)
	d.cache, d.deliveries = files, files.Deliveries()
	mount := &fakeMount{err: unix.EBUSY, gone: make(chan struct{})}
	d.serve(mount)
	f.Cleanup(func() {
		close(mount.gone)
		<-d.gone
	})
	return d, files
}

// FuzzRequests asks a daemon anything: it answers each request with JSON or a refusal,
// and no request makes it lose a file that waits.
func FuzzRequests(f *testing.F) {
	d, files := refusingDaemon(f)
	handler, want := d.handler(), len(files.Deliveries().Status())
	for _, seed := range []struct{ target, body string }{
		{"GET /status", ""}, {"GET /status?check", ""}, {"POST /status", "{}"}, {"GET /file", "{}"}, {"DELETE /", ""},
		{"POST /file", `{"path":"Delivery/plain"}`}, {"POST /file", `{"path":"","waiting":true}`}, {"POST /file", `{"path":"Delivery/caf\udce9"}`},
		{"POST /wait", `{"path":"Delivery/theirs","timeout":1000000}`}, {"POST /wait", `{"path":"../../etc/passwd","timeout":-1}`},
		{"POST /retry", `{"path":"Delivery"}`}, {"POST /deliver", `{"path":"Delivery/open"}`},
		{"POST /outcomes", `{"paths":["Delivery/plain","","/","Delivery/\u001b"]}`}, {"POST /stay", `{"id":"x"}`},
		{"POST /unmount", `{"id":"x","keep":true,"timeout":1}`}, {"POST /login", `{"code":"123456"}`},
	} {
		f.Add(seed.target, []byte(seed.body))
	}
	f.Fuzz(func(t *testing.T, target string, body []byte) {
		method, target, _ := strings.Cut(target, " ")
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
		defer cancel()
		r, err := http.NewRequestWithContext(ctx,
			method, "http://s3share"+target, bytes.NewReader(body))
		if err != nil {
			return
		}
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, r)
		if w.Code == http.StatusOK && r.Method != http.MethodHead {
			for dec := json.NewDecoder(w.Body); ; {
				var answer any
				if err := dec.Decode(&answer); errors.Is(err, io.EOF) {
					break
				} else if err != nil {
					t.Fatalf("%s %q: the answer is no JSON: %v", target, body, err)
				}
			}
		}
		if w.Code >= 500 {
			t.Errorf("%s %q is answered %d", target, body, w.Code)
		}
		if got := len(files.Deliveries().Status()); got != want {
			t.Fatalf("%s %q: %d files wait, want %d", target, body, got, want)
		}
	})
}
