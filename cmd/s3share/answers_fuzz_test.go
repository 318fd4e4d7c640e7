package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"os"
	"testing"
	"time"

	"github.com/s3share/s3share/cmd/s3share/internal/control"
	"github.com/s3share/s3share/cmd/s3share/internal/hint"
	"github.com/s3share/s3share/cmd/s3share/internal/ui"
)

// answering is a daemon that gives one answer to all requests.
type answering struct {
	status int
	body   []byte
}

func (a answering) RoundTrip(r *http.Request) (*http.Response, error) {
	return &http.Response{
		Status: http.StatusText(a.status), StatusCode: a.status, Proto: "HTTP/1.1",
		ProtoMajor: 1, ProtoMinor: 1,
		Header: http.Header{}, Body: io.NopCloser(bytes.NewReader(a.body)), Request: r,
	}, nil
}

// FuzzAnswers has a daemon give any answer, as one of another user or version may: every
// command says something of it, and nothing of that is a command to the terminal.
func FuzzAnswers(f *testing.F) {
	for _, seed := range []string{
		"", "null", "[]", "{}", "x",
		`{"version":"v1","pid":-1,"dir":"/m","mounted":true,"bucket":"b","region":"r","folders":null,"owed":[
			{"key":"Delivery/a","path":"Delivery/a","state":"uploading","size":9223372036854775807,"sent":9223372036854775807,"speed":-1},
			{"key":"k\u001b","state":"blocked","size":-5,"code":"KMS.\u001b[2J","request_id":"\u202e","reason":"two\nlines"},
			{"key":"c","state":"conflict","theirs":"Delivery/\udce9"},{"state":"no such state"}],"requests":{"PutObject":-1}}`,
		`{"dir":"\u001b]0;x\u0007","daemon":"silent","paused":{"reason":"\r\r","hint":"$(x)"},"connection":{"state":"offline","since":"0001-01-01T00:00:00Z","reason":"\u0085"}}`,
		`{"files":-9,"left":[{"state":"sealed"},{"state":"removing","size":1e18}],"beside":[{"key":"x","theirs":"y"}],"file":{"state":"delivered","at":"9999-12-31T23:59:59Z","reason":"\u001b"}}`,
		`{"files":0,"file":{"state":"absent"},"error":"\u001b[31m"}`, `[{"state":"delivered"},{"state":"unknown","reason":"\n"}]`,
		"{\"phase\":\"delivering\",\"files\":-1,\"bytes\":-5,\"sent\":9,\"waiting\":\"\\u001b\"}\n{\"phase\":\"ended\",\"outcome\":\"left\",\"left\":[{\"state\":\"interrupted\"}]}\n",
		`{"phase":"ended","outcome":"failed","error":"\u001b"}`, `{"phase":"ended","outcome":"unmounted","beside":[{}]}`,
	} {
		f.Add(200, []byte(seed))
	}
	f.Add(404, []byte("no"))
	f.Add(500, []byte("\x1b[2J"))
	f.Fuzz(func(t *testing.T, status int, body []byte) {
		link := control.NewClient(os.Getuid(), answering{status, body})
		var printed bytes.Buffer
		out := hint.EscapingWriter(&printed)
		say := func(err error) {
			if err != nil {
				hint.PrintError(out, err)
			}
		}
		st, err := link.Status(t.Context())
		say(err)
		if err == nil {
			p := control.Target{Client: link, State: st, Path: "Delivery/a"}
			say(ui.PrintStates(out, []control.State{st, st}, false))
			say(printWhy(out, p, true))
			w := ui.NewWatcher(out)
			w.Show(st)
			w.Show(control.State{})
			w.End()
			text, err := json.Marshal(st)
			if err != nil {
				t.Fatalf("%q cannot be written as JSON: %v", body, err)
			}
			var back control.State
			if err := json.Unmarshal(text, &back); err != nil {
				t.Fatalf("%q is written as %q, which cannot be read: %v", body, text, err)
			}
		}
		if file, err := link.File(t.Context(), "Delivery/a"); err == nil {
			say(file.File.Problem("wait for", control.Target{}))
			say(errors.New(file.File.Sentence("it")))
		}
		for _, what := range []string{"/wait", "/retry", "/deliver"} {
			a, err := link.Ask(t.Context(), what, control.FileRequest{})
			if say(err); err != nil {
				continue
			}
			p := control.Target{Client: link, State: st, Path: "Delivery/a"}
			say(errors.New(a.Error))
			ui.PrintUndelivered(out, a.Left)
			ui.PrintUnresolved(out, a.Unresolved)
			say(errors.New(ui.UndeliveredText("x",
				a.Left, time.Second) + ui.UndeliveredHint(a.Left, "")))
			say(printRetried(out, p, a))
			say(printDelivering(out, p, a))
		}
		paths := []string{"a", "b"}
		if got := link.Outcomes(t.Context(), paths); len(got) != len(paths) {
			t.Fatalf("%d outcomes of %d", len(got), len(paths))
		}
		bar := ui.NewProgress(out)
		last, err := link.Unmount(t.Context(), control.UnmountRequest{}, bar.Show)
		bar.End()
		if say(err); err == nil {
			say(unmountOutcome("/nowhere", last, control.UnmountRequest{}, out))
		}
		if bytes.ContainsFunc(printed.Bytes(),
			func(r rune) bool { return hint.NeedsEscape(r) && r != '\n' && r != '\t' }) {
			t.Fatalf("the answer %q is said as %q", body, printed.String())
		}
	})
}
