package daemon

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"

	"github.com/s3share/s3share/cache"
	"github.com/s3share/s3share/cache/outbox"
	"github.com/s3share/s3share/cmd/s3share/internal/control"
	"github.com/s3share/s3share/cmd/s3share/internal/hint"
	"github.com/s3share/s3share/cmd/s3share/internal/ui"
	"github.com/s3share/s3share/s3backend"
)

// Answers about files say what S3 has confirmed. If it cannot be asked, that is an answer of its
// own, "unknown", with the reason.

// errorText returns the words for an error of the exchange; none for nil.
func (d *mountDaemon) errorText(err error) (w control.Words) {
	if err == nil {
		return w
	}
	var e *s3backend.Error
	if errors.As(err, &e) {
		w.Code = e.Code()
	}
	if errors.Is(err, context.DeadlineExceeded) {
		err = hint.With(errors.New("no answer from "+d.destination().ServerName()+" in time"),
			"check the endpoint and the network")
	}
	err = ui.Explain(d.destination(), err)
	w.Reason = hint.OneLine(err.Error())
	_, w.Hint = hint.ExitCode(err)
	return w
}

// words puts the reasons of files into words, those of doctor and mount: what failed is in
// Detail then, as the log has it. It changes all and returns it.
func (d *mountDaemon) words(all []outbox.Status) []outbox.Status {
	known := d.bucket.Contact()
	for i := range all {
		st := &all[i]
		if known.Offline && isWaiting(*st) && !st.Paused {
			w := d.errorText(known.Err) // whatever failed before
			st.Reason, st.Hint, st.Code, st.RequestID, st.Err = w.Reason, w.Hint, w.Code, "", nil
			if detail := hint.OneLine(known.Err.Error()); detail != st.Reason {
				st.Detail = detail
			}
		}
		if st.Err == nil {
			continue
		}
		reason, advice := ui.ExplainFile(d.destination(), st.Key, st.Err)
		if detail := hint.OneLine(st.Err.Error()); detail != reason {
			st.Detail = detail
		}
		st.Reason, st.Hint = reason, advice
	}
	return all
}

// isWaiting reports whether a change is made by itself as soon as S3 can be reached. A rename under
// way has a reason of its own.
func isWaiting(st outbox.Status) bool {
	switch st.State {
	case outbox.Sealed, outbox.Uploading:
		return true
	case outbox.Removing:
		return st.Err != nil || st.Reason == ""
	}
	return false
}

// reason returns why a file is not delivered, in words; "" if nothing has failed.
func (d *mountDaemon) reason(st outbox.Status) string {
	return d.words([]outbox.Status{st})[0].Reason
}

// notify adds the state of a file to the desktop notifications.
func (d *mountDaemon) notify(st outbox.Status) { d.notices.add(d.words([]outbox.Status{st})[0]) }

// pending returns what is not delivered yet, in words.
func (d *mountDaemon) pending() []outbox.Status { return d.words(d.deliveries.Status()) }

// unresolved returns what a person should look at although nothing of it waits, in words.
func (d *mountDaemon) unresolved(path string) []outbox.Status {
	return d.words(d.deliveries.Unresolved(path))
}

// pendingAt is pending, for a file or directory.
func (d *mountDaemon) pendingAt(path string) []outbox.Status {
	return d.words(d.deliveries.StatusAt(path))
}

func (d *mountDaemon) fileState(found cache.Confirmed) *control.FileState {
	return &control.FileState{State: found.Is, At: found.At, Words: d.errorText(found.Err)}
}

// confirm asks S3 what it holds at path.
func (d *mountDaemon) confirm(ctx context.Context, path string) *control.FileState {
	ctx, cancel := context.WithTimeout(ctx, control.ConfirmTimeout)
	defer cancel()
	found := d.cache.Confirm(ctx, path)
	if known := d.bucket.Contact(); errors.Is(found.Err, context.DeadlineExceeded) &&
		known.Err != nil {
		found.Err = known.Err // why there was none, if that was told meanwhile
	}
	return d.fileState(found)
}

// stateAt returns the state of a single file or directory.
func (d *mountDaemon) stateAt(ctx context.Context, ask control.FileRequest) control.State {
	path := string(ask.Path)
	for {
		owed, file := d.pendingAt(path), (*control.FileState)(nil)
		if len(owed) == 0 {
			owed = []outbox.Status{}
			if ask.Waiting {
				file = &control.FileState{State: cache.Unknown}
			} else if file = d.confirm(ctx, path); file.State == cache.Waiting {
				continue // since just now
			}
		}
		st := d.state()
		st.Path, st.File, st.Pending, st.Unresolved = path, file, owed, d.unresolved(path)
		return st
	}
}

// serveFiles answers the commands about files.
func (d *mountDaemon) serveFiles(mux *http.ServeMux) {
	serveJSON(mux, "/file", d.stateAt)
	serveJSON(mux, "/wait", d.wait)
	serveJSON(mux, "/retry", d.retry)
	serveJSON(mux, "/deliver", d.deliverFiles)
	serveJSON(mux, "/limit", d.limits.limit)
	serveJSON(mux, "/pause", d.pause)
	serveJSON(mux, "/handover", d.handOver)
	serveJSON(mux, "/stay", func(_ context.Context, ask control.CancelUnmountRequest) struct{} {
		d.unmounts.cancel(ask.ID)
		return struct{}{}
	})
	serveJSON(mux, "/outcomes",
		func(_ context.Context, ask control.OutcomesRequest) []control.FileState {
			paths := make([]string, len(ask.Paths))
			for i, p := range ask.Paths {
				paths[i] = string(p)
			}
			all := make([]control.FileState, len(paths))
			for i, found := range d.deliveries.Outcomes(paths) {
				all[i] = *d.fileState(found)
			}
			return all
		})
}

// serveJSON answers requests for what by calling do.
func serveJSON[Q, A any](mux *http.ServeMux, what string, do func(context.Context, Q) A) {
	mux.HandleFunc("POST "+what, func(w http.ResponseWriter, r *http.Request) {
		var ask Q
		if err := json.NewDecoder(r.Body).Decode(&ask); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(do(r.Context(), ask)) // the client may be gone
	})
}

// wait answers POST /wait.
func (d *mountDaemon) wait(ctx context.Context, ask control.FileRequest) control.FileAnswer {
	path := string(ask.Path)
	waiting := ctx
	if ask.Timeout > 0 {
		var cancel context.CancelFunc
		waiting, cancel = context.WithTimeout(ctx, ask.Timeout)
		defer cancel()
	}
	var a control.FileAnswer
	for a.File == nil || a.File.State == cache.Waiting { // since just now
		err := d.deliveries.Wait(waiting, path)
		var left *outbox.LeftError
		switch {
		case errors.As(err, &left):
			a.Left = d.words(left.Left)
		case errors.Is(err, context.DeadlineExceeded):
			a.Left = control.Undelivered(d.pendingAt(path))
		case err != nil:
			a.Error = d.errorText(err).Reason
		}
		if len(a.Left) > 0 || a.Error != "" {
			break
		}
		a.File = d.confirm(ctx, path)
	}
	a.Unresolved = d.unresolved(path)
	return a
}

// retry answers POST /retry.
func (d *mountDaemon) retry(ctx context.Context, ask control.FileRequest) control.FileAnswer {
	path := string(ask.Path)
	if p := d.suspension(); p != nil {
		return control.FileAnswer{Left: d.pendingAt(path), Error: p.Reason + "; " + p.Hint}
	}
	if d.bucket.Contact().Offline { // else nothing is tried until S3 is found to be back
		asking, cancel := context.WithTimeout(ctx, connectionTimeout)
		d.bucket.Ask(asking)
		cancel()
	}
	a := control.FileAnswer{Left: d.pendingAt(path)}
	a.Files = d.deliveries.Retry(path)
	if a.Files == 0 && len(a.Left) == 0 {
		a.File = d.confirm(ctx, path)
	}
	return a
}

// deliverFiles answers POST /deliver.
func (d *mountDaemon) deliverFiles(ctx context.Context,
	ask control.FileRequest) control.FileAnswer {
	path := string(ask.Path)
	a := control.FileAnswer{Left: d.pendingAt(path)}
	var err error
	if a.Files, err = d.deliveries.Deliver(path); err != nil {
		a.Error = d.errorText(err).Reason
	}
	if a.Files == 0 && len(a.Left) == 0 {
		a.File = d.confirm(ctx, path)
	}
	return a
}
