package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/s3share/s3share/cache"
	"github.com/s3share/s3share/cache/jsonbytes"
	"github.com/s3share/s3share/cache/outbox"
	"github.com/s3share/s3share/cmd/s3share/internal/hint"
	"github.com/s3share/s3share/s3backend"
)

// What a daemon answers to questions about files. An answer says what was confirmed; an
// error on the way to one is a third answer, with its reason.

// confirmPatience is how long S3 may take to say what it holds.
const confirmPatience = 5 * time.Second

// fileRequest names a file or a directory, and says how long its asker waits.
type fileRequest struct {
	Path    jsonbytes.String `json:"path"` // below the mountpoint; "" for all
	Timeout time.Duration    `json:"timeout,omitempty"`
	Waiting bool             `json:"waiting,omitempty"` // for what waits alone: S3 is not asked
}

// fileAnswer is what became of it.
type fileAnswer struct {
	Files int             `json:"files"`          // how many it was done to
	Left  []outbox.Status `json:"left,omitempty"` // what it was not done to
	// Beside is what was delivered beside the other party's version.
	Beside []outbox.Status `json:"beside,omitempty"`
	File   *fileState      `json:"file,omitempty"`  // what is known of the path, where nothing of it waits
	Error  string          `json:"error,omitempty"` // why it ended otherwise
}

// fileState is what is known of a path of which nothing waits. The daemon of an earlier
// version says nothing of it: then it is not known.
type fileState struct {
	State cache.Presence `json:"state"`
	At    time.Time      `json:"at"` // when S3 said so
	words
}

// problem is why f is no answer to somebody who wants to do something with the file at
// p: that it is not known, or that there is none. It is nil where S3 holds it.
func (f *fileState) problem(do string, p place) error {
	const unknown = "it is not known whether %s is delivered: %w"
	switch {
	case f == nil:
		return fmt.Errorf(unknown, p, errOtherVersion)
	case f.State == cache.Delivered || f.State == cache.Directory:
		return nil
	case f.State == cache.Absent:
		return fmt.Errorf("cannot %s %s: there is no such file in the exchange", do, p)
	case f.State == cache.Removed:
		return fmt.Errorf("cannot %s %s: there is no such file in the exchange, it was removed", do, p)
	case f.State == cache.Removing:
		return fmt.Errorf("cannot %s %s: it is removed here, and S3 is told later", do, p)
	}
	return hint.Advise(fmt.Errorf(unknown, p, errors.New(f.Reason)), f.Hint)
}

// sentence says what is known of what people call name.
func (f *fileState) sentence(name string) string {
	what := ""
	switch {
	case f == nil:
		return "it is not known whether " + name + " is delivered"
	case f.State == cache.Delivered:
		what = name + " is delivered"
	case f.State == cache.Directory:
		what = "all below " + name + " is delivered"
	case f.State == cache.Absent || f.State == cache.Removed:
		return "there is no " + name
	case f.State == cache.Removing:
		return name + " is removed here, and S3 is told later"
	case f.Reason == "":
		return "it is not known whether " + name + " is delivered"
	default:
		return "it is not known whether " + name + " is delivered: " + hint.OneLine(f.Reason)
	}
	if f.Reason != "" {
		what += fmt.Sprintf(", as S3 confirmed at %s; it cannot be asked again now: %s", clockText(f.At), hint.OneLine(f.Reason))
	}
	return what
}

// words are an error as people are told it.
type words struct {
	Reason string `json:"reason,omitempty"`
	Hint   string `json:"hint,omitempty"`
	Code   string `json:"code,omitempty"` // S3's own
}

// wordsOf are the words for an error of the exchange; none for nil.
func (d *mountDaemon) wordsOf(err error) (w words) {
	if err == nil {
		return w
	}
	var e *s3backend.Error
	if errors.As(err, &e) {
		w.Code = e.Code()
	}
	if errors.Is(err, context.DeadlineExceeded) {
		err = hint.Advise(errors.New("no answer from "+d.settings.Target().Where()+" in time"), "check the endpoint and the network")
	}
	err = explain(d.settings.Target(), err)
	w.Reason = hint.OneLine(err.Error())
	_, w.Hint = hint.Verdict(err)
	return w
}

func (d *mountDaemon) fileState(found cache.Confirmed) *fileState {
	return &fileState{State: found.Is, At: found.At, words: d.wordsOf(found.Err)}
}

// confirm asks S3 what it holds at path.
func (d *mountDaemon) confirm(ctx context.Context, path string) *fileState {
	ctx, cancel := context.WithTimeout(ctx, confirmPatience)
	defer cancel()
	found := d.cache.Confirm(ctx, path)
	if known := d.bucket.Contact(); errors.Is(found.Err, context.DeadlineExceeded) && known.Err != nil {
		found.Err = known.Err // why there was none, if that was told meanwhile
	}
	return d.fileState(found)
}

// stateAt is the state of a file or directory alone.
func (d *mountDaemon) stateAt(ctx context.Context, ask fileRequest) state {
	path := string(ask.Path)
	for {
		owed, file := d.cache.StatusAt(path), (*fileState)(nil)
		if len(owed) == 0 {
			owed = []outbox.Status{}
			if ask.Waiting {
				file = &fileState{State: cache.Unknown}
			} else if file = d.confirm(ctx, path); file.State == cache.Waiting {
				continue // since just now
			}
		}
		st := d.state()
		st.Path, st.File, st.Owed, st.Beside = path, file, owed, d.cache.Conflicts(path)
		return st
	}
}

// outcomesRequest asks what became of files that waited.
type outcomesRequest struct {
	Paths []jsonbytes.String `json:"paths"`
}

// maxOutcomes is how many paths one request names: it must not be longer than mostRequest.
const maxOutcomes = 200

// serveFiles answers the commands about files.
func (d *mountDaemon) serveFiles(mux *http.ServeMux) {
	serveJSON(mux, "/file", d.stateAt)
	serveJSON(mux, "/wait", d.wait)
	serveJSON(mux, "/retry", d.retry)
	serveJSON(mux, "/deliver", d.deliverFiles)
	serveJSON(mux, "/stay", func(_ context.Context, ask stayRequest) struct{} {
		d.unmounts.takeBack(ask.ID)
		return struct{}{}
	})
	serveJSON(mux, "/outcomes", func(_ context.Context, ask outcomesRequest) []fileState {
		paths := make([]string, len(ask.Paths))
		for i, p := range ask.Paths {
			paths[i] = string(p)
		}
		all := make([]fileState, len(paths))
		for i, found := range d.cache.Outcomes(paths) {
			all[i] = *d.fileState(found)
		}
		return all
	})
}

// serveJSON has requests to what answered by do.
func serveJSON[Q, A any](mux *http.ServeMux, what string, do func(context.Context, Q) A) {
	mux.HandleFunc("POST "+what, func(w http.ResponseWriter, r *http.Request) {
		var ask Q
		if err := json.NewDecoder(r.Body).Decode(&ask); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(do(r.Context(), ask)) // whoever asked may be gone
	})
}

// wait answers POST /wait.
func (d *mountDaemon) wait(ctx context.Context, ask fileRequest) fileAnswer {
	path := string(ask.Path)
	waiting := ctx
	if ask.Timeout > 0 {
		var cancel context.CancelFunc
		waiting, cancel = context.WithTimeout(ctx, ask.Timeout)
		defer cancel()
	}
	var a fileAnswer
	for a.File == nil || a.File.State == cache.Waiting { // since just now
		err := d.cache.Wait(waiting, path)
		var left *outbox.LeftError
		switch {
		case errors.As(err, &left):
			a.Left = left.Left
		case errors.Is(err, context.DeadlineExceeded):
			a.Left = undelivered(d.cache.StatusAt(path))
		case err != nil:
			a.Error = d.wordsOf(err).Reason
		}
		if len(a.Left) > 0 || a.Error != "" {
			break
		}
		a.File = d.confirm(ctx, path)
	}
	a.Beside = d.cache.Conflicts(path)
	return a
}

// retry answers POST /retry.
func (d *mountDaemon) retry(ctx context.Context, ask fileRequest) fileAnswer {
	path := string(ask.Path)
	a := fileAnswer{Left: d.cache.StatusAt(path)}
	a.Files = d.cache.Retry(path)
	if a.Files == 0 && len(a.Left) == 0 {
		a.File = d.confirm(ctx, path)
	}
	return a
}

// deliverFiles answers POST /deliver.
func (d *mountDaemon) deliverFiles(ctx context.Context, ask fileRequest) fileAnswer {
	path := string(ask.Path)
	a := fileAnswer{Left: d.cache.StatusAt(path)}
	var err error
	if a.Files, err = d.cache.Deliver(path); err != nil {
		a.Error = d.wordsOf(err).Reason
	}
	if a.Files == 0 && len(a.Left) == 0 {
		a.File = d.confirm(ctx, path)
	}
	return a
}
