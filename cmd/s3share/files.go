package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/spf13/cobra"

	"github.com/s3share/s3share/cache/outbox"
)

// The commands about single files: each names a file, a folder or a mountpoint,
// and the daemon of the mount around it answers.

// fileRequest is what they ask.
type fileRequest struct {
	Path    string        `json:"path"` // below the mountpoint; "" for all
	Timeout time.Duration `json:"timeout,omitempty"`
}

// fileAnswer is what became of it.
type fileAnswer struct {
	Files int             `json:"files"`          // how many it was done to
	Left  []outbox.Status `json:"left,omitempty"` // what waiting does not deliver, or did not
	// Beside is what was delivered beside the other party's version.
	Beside []outbox.Status `json:"beside,omitempty"`
	Error  string          `json:"error,omitempty"` // why it ended otherwise
}

func newWait() *cobra.Command {
	var timeout time.Duration
	cmd := &cobra.Command{
		Use:   "wait [FILE|DIR]",
		Short: "Wait until S3 has confirmed a file, or all below a folder",
		Long: `Wait until S3 has confirmed FILE, or all that was written below DIR: then the
other party can read it. What cannot be delivered by waiting is listed with its
reason, and so is what went beside the other party's version because both have
changed it: then the exit status is 1. Without an argument, wait for every mount
of this user.
` + exitCodes,
		Args: takes(0, 1, ""),
		RunE: func(cmd *cobra.Command, args []string) error {
			return askEach(args, "/wait", timeout, func(where string, a fileAnswer) error {
				sayLeft(cmd.ErrOrStderr(), a.Left)
				sayBeside(cmd.ErrOrStderr(), a.Beside)
				switch {
				case len(a.Left) > 0 && timeout > 0 && hasMoving(a.Left):
					return fmt.Errorf("not all of %s was delivered in %s", where, timeout)
				case len(a.Left) > 0:
					return fmt.Errorf("not all of %s is delivered", where)
				case len(a.Beside) > 0:
					return advise(fmt.Errorf("%s is delivered, but %s", where, besideText(a.Beside)), besideHint)
				}
				return nil
			})
		},
	}
	cmd.Flags().DurationVar(&timeout, "timeout", 0, "the `TIME` to wait, like 90s or 5m (default: as long as it takes)")
	return cmd
}

func newRetry() *cobra.Command {
	return &cobra.Command{
		Use:   "retry [FILE|DIR]",
		Short: "Try again now what is blocked or waits",
		Long: `Try now to deliver FILE, or all below DIR, that is blocked or waits for its next
attempt; without an argument, on every mount of this user.
` + exitCodes,
		Args: takes(0, 1, ""),
		RunE: func(cmd *cobra.Command, args []string) error {
			return askEach(args, "/retry", 0, func(where string, a fileAnswer) error {
				if a.Files == 0 {
					fmt.Fprintf(cmd.OutOrStdout(), "%s: nothing is blocked or waits\n", where)
					return nil
				}
				fmt.Fprintf(cmd.OutOrStdout(), "%s: trying %s again\n", where, count(a.Files, "file"))
				return nil
			})
		},
	}
}

func newDeliver() *cobra.Command {
	return &cobra.Command{
		Use:   "deliver FILE|DIR",
		Short: "Deliver an interrupted file as it is",
		Long: `Deliver FILE, or every such file below DIR, that was not sent because the program
that wrote it was ended by a signal, was still writing when s3share ended, or was told
that a write failed. It is sent as it is; to write it again resolves it as well.
` + exitCodes,
		Args: takes(1, 1, "a file or a folder"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return askEach(args, "/deliver", 0, func(where string, a fileAnswer) error {
				if a.Files == 0 {
					return fmt.Errorf("nothing at %s is interrupted", where)
				}
				fmt.Fprintf(cmd.OutOrStdout(), "%s: delivering %s\n", where, count(a.Files, "file"))
				return nil
			})
		},
	}
}

func newWhy() *cobra.Command {
	return &cobra.Command{
		Use:   "why FILE",
		Short: "Tell why a file is not delivered, and what to do",
		Long: `Tell where FILE is on its way, why it is not delivered, S3's own code and the
id of the request that it refused, and what can be done about it.
` + exitCodes,
		Args: takes(1, 1, "a file"),
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx, stop := untilSignalOnce()
			defer stop()
			p, err := placeOf(ctx, args[0])
			if err != nil {
				return fmt.Errorf("cannot tell of %s: %w", args[0], err)
			}
			return sayWhy(cmd.OutOrStdout(), p)
		},
	}
}

// sayWhy tells of each file at p that is owed.
func sayWhy(out io.Writer, p place) error {
	rows := p.state.rows()
	if len(rows) == 0 {
		if err := p.exists(); err != nil {
			return err
		}
		_, err := fmt.Fprintf(out, "%s: nothing is owed, it is delivered\n", p)
		return err
	}
	for _, o := range rows {
		fmt.Fprintf(out, "%s: %s\n", shown(o), stateText(o))
		fmt.Fprintf(out, "  because: %s\n", reasonText(o))
		if o.Code != "" {
			fmt.Fprintf(out, "  S3 says: %s (request %s)\n", oneLine(o.Code), oneLine(o.RequestID))
		}
		if do := remedy(o, p.state); do != "" {
			fmt.Fprintf(out, "  to do:   %s\n", oneLine(do))
		}
	}
	return nil
}

// askEach asks the daemon of the mount that args names a file of, or every daemon
// of this user, and has each answer said.
func askEach(args []string, what string, timeout time.Duration, say func(where string, a fileAnswer) error) error {
	ctx, stop := untilSignalOnce()
	defer stop()
	places, err := placesOf(ctx, args)
	if err == nil && len(args) > 0 {
		err = places[0].exists() // nobody should take a typo for a delivery
	}
	if err != nil && len(args) > 0 {
		return fmt.Errorf("cannot %s %s: %w", doing[what], args[0], err)
	}
	if err != nil {
		return err
	}
	if len(places) == 0 {
		return errNothingMounted
	}
	var all []error
	for _, p := range places {
		a, err := p.link.ask(ctx, what, fileRequest{Path: p.path, Timeout: timeout})
		switch {
		case ctx.Err() != nil:
			return errInterrupted
		case err == nil && a.Error != "":
			err = errors.New(a.Error)
		case err == nil:
			err = say(p.String(), a)
		}
		all = append(all, err)
	}
	return errors.Join(all...)
}

// doing says what a request is for.
var doing = map[string]string{"/wait": "wait for", "/retry": "retry", "/deliver": "deliver"}

// errNothingMounted says that there is nobody to ask.
var errNothingMounted = advise(errors.New("nothing is mounted"), "s3share recover delivers what an earlier mount has left")

// ask sends a request about files.
func (l *daemonLink) ask(ctx context.Context, what string, ask fileRequest) (fileAnswer, error) {
	var a fileAnswer
	err := l.post(ctx, what, ask, &a)
	return a, err
}

// serveFiles answers the commands about files.
func (d *mountDaemon) serveFiles(mux *http.ServeMux) {
	handle := func(what string, do func(context.Context, fileRequest) fileAnswer) {
		mux.HandleFunc("POST "+what, func(w http.ResponseWriter, r *http.Request) {
			var ask fileRequest
			if err := json.NewDecoder(r.Body).Decode(&ask); err != nil {
				http.Error(w, err.Error(), http.StatusBadRequest)
				return
			}
			w.Header().Set("Content-Type", "application/json")
			_ = json.NewEncoder(w).Encode(do(r.Context(), ask)) // whoever asked may be gone
		})
	}
	handle("/wait", d.wait)
	handle("/retry", func(_ context.Context, ask fileRequest) fileAnswer {
		return fileAnswer{Files: d.cache.Retry(ask.Path)}
	})
	handle("/deliver", func(_ context.Context, ask fileRequest) fileAnswer {
		n, err := d.cache.Deliver(ask.Path)
		a := fileAnswer{Files: n}
		if err != nil {
			a.Error = err.Error()
		}
		return a
	})
}

// wait answers POST /wait.
func (d *mountDaemon) wait(ctx context.Context, ask fileRequest) fileAnswer {
	if ask.Timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, ask.Timeout)
		defer cancel()
	}
	err := d.cache.Wait(ctx, ask.Path)
	a := fileAnswer{Beside: d.cache.Conflicts(ask.Path)}
	var left *outbox.LeftError
	switch {
	case errors.As(err, &left):
		a.Left = left.Left
	case errors.Is(err, context.DeadlineExceeded):
		for _, st := range undelivered(d.cache.Status()) {
			if ask.Path == "" || within(st.Path, ask.Path) {
				a.Left = append(a.Left, st)
			}
		}
	case err != nil:
		a.Error = err.Error()
	}
	for _, st := range d.cache.Status() {
		if st.State == outbox.Local && st.Path == ask.Path { // whoever waits for this very file waits in vain
			a.Left = append(a.Left, st)
		}
	}
	return a
}
