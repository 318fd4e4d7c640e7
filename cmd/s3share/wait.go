package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/s3share/s3share/cache/outbox"
	"github.com/s3share/s3share/cmd/s3share/internal/control"
	"github.com/s3share/s3share/cmd/s3share/internal/hint"
	"github.com/s3share/s3share/cmd/s3share/internal/ui"
)

func newWait() *cobra.Command {
	var timeout time.Duration
	cmd := &cobra.Command{
		Use:   "wait [FILE|DIR]",
		Short: "Wait until S3 has confirmed a file, or all below a folder",
		Long: `Wait until S3 has confirmed FILE, or all that was written below DIR: then the
other party can read it. The exit status is 1 if something cannot be delivered by
waiting, if a file became a conflict copy because both parties have changed it, or if S3
refuses to delete a file; each is listed with its reason. It is also 1 if the file does
not exist, or if S3 cannot be asked whether it is delivered. Without an argument, wait
for all mounts of this user, even if one of them cannot deliver something.
` + exitCodes,
		Args: argRange(0, 1, ""),
		RunE: func(cmd *cobra.Command, args []string) error {
			progress := newWaitProgress(cmd.OutOrStdout(), cmd.ErrOrStderr(), timeout)
			return askEach(args, "/wait", timeout, progress.begin, progress.say)
		},
	}
	addTimeout(cmd.Flags(), &timeout, "")
	return cmd
}

// waitProgress shows how far the mounts have come that are waited for, and says at the end what
// was delivered.
type waitProgress struct {
	bar     *ui.Progress
	out     io.Writer
	timeout time.Duration // 0 for none

	mu       sync.Mutex // guards the fields below
	tally    control.Tally
	finished map[string]bool // by the mountpoint: no more is to be counted there
}

func newWaitProgress(out, errs io.Writer, timeout time.Duration) *waitProgress {
	return &waitProgress{bar: ui.NewProgress(errs), out: out, timeout: timeout}
}

// say lists what is not delivered at p by its daemon's answer, and returns the error for it.
func (w *waitProgress) say(p control.Target, a control.FileAnswer) error {
	if p.Client != nil {
		w.add(p, a.Left, true)
	}
	ui.PrintUndelivered(w.bar.Above(), a.Left)
	ui.PrintUnresolved(w.bar.Above(), a.Unresolved)
	switch {
	case len(a.Left) > 0 && p.Client == nil:
		return hint.With(fmt.Errorf("not all of %s is delivered: %s", p, p.State.DaemonText()),
			p.State.Advice())
	case len(a.Left) > 0:
		return hint.With(errors.New(ui.UndeliveredText(p.String(), a.Left, w.timeout)),
			ui.UndeliveredHint(a.Left, ""))
	case len(a.Unresolved) > 0:
		return hint.With(fmt.Errorf("%s is delivered, but %s", p, ui.UnresolvedText(a.Unresolved)),
			ui.UnresolvedHint(a.Unresolved))
	case p.Client == nil && p.Path == "": // nothing waits there
		return nil
	}
	return a.File.Problem("wait for", p)
}

// waitInterval lies between two looks.
const waitInterval = 300 * time.Millisecond

// begin looks at what waits, and goes on until end is called.
func (w *waitProgress) begin(ctx context.Context, places []control.Target) (end func()) {
	ctx, cancel := context.WithCancel(ctx)
	w.finished = map[string]bool{}
	w.look(ctx, places)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		tick := time.NewTicker(waitInterval)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				w.look(ctx, places)
			case <-ctx.Done():
				return
			}
		}
	}()
	return func() {
		cancel()
		<-ended
		w.bar.End()
		w.mu.Lock()
		defer w.mu.Unlock()
		e := w.tally.Event()
		ui.PrintDelivered(w.out, e.Done, e.DoneBytes, w.tally.Took())
	}
}

func (w *waitProgress) look(ctx context.Context, places []control.Target) {
	for _, p := range places {
		if p.Client == nil {
			continue
		}
		if st, err := p.Client.Waiting(ctx, p.Path); err == nil {
			w.add(p, st.Pending, false)
		}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.bar.Show(w.tally.Event())
}

func (w *waitProgress) add(p control.Target, all []outbox.Status, last bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if name := p.String(); !w.finished[name] {
		w.tally.Add(name, all)
		w.finished[name] = last
	}
}
