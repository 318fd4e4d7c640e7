package hint

import (
	"context"
	"io"
	"os"
	"os/signal"
	"syscall"
)

// SignalContextFunc returns a context that the first SIGINT, SIGTERM or SIGHUP cancels. Each
// further one calls second, from another goroutine. If hangup is not nil, SIGHUP calls that
// instead, from the same goroutine. cancel ends the context as a signal does. stop ends it too,
// and restores the default action of the signals; the caller calls it once.
func SignalContextFunc(second, hangup func()) (ctx context.Context, cancel, stop func()) {
	ctx, cancelCtx := context.WithCancel(context.Background())
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	done := make(chan struct{})
	go func() {
		for {
			select {
			case s := <-signals:
				if s == syscall.SIGHUP && hangup != nil {
					hangup()
					continue
				}
				if ctx.Err() != nil {
					second()
				}
				cancelCtx()
			case <-done:
				return
			}
		}
	}()
	return ctx, cancelCtx, func() {
		signal.Stop(signals)
		close(done)
		cancelCtx()
	}
}

// SignalContext is [SignalContextFunc] for commands that may end at any time: the second
// signal ends the process with ExitFailed.
func SignalContext() (ctx context.Context, stop func()) {
	ctx, _, stop = SignalContextFunc(func() { os.Exit(ExitFailed) }, nil)
	return ctx, stop
}

// OnEOF reads r to its end in a goroutine, and then calls f.
func OnEOF(r io.Reader, f func()) {
	go func() {
		_, _ = io.Copy(io.Discard, r)
		f()
	}()
}

// SurviveSIGPIPE keeps this process running when the reader of its standard output or error
// is gone: writes then return EPIPE. It catches the signal and does not ignore it, since
// the programs that this process starts would inherit that.
func SurviveSIGPIPE() { signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE) }
