package hint

import (
	"context"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"
)

// UntilSignal returns a context that the first signal to end cancels. Second is
// called at each further one. stop gives the signals back.
func UntilSignal(second func()) (ctx context.Context, cancel, stop func()) {
	ctx, cancelCtx := context.WithCancel(context.Background())
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	done := make(chan struct{})
	go func() {
		for {
			select {
			case <-signals:
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

// UntilSignalOnce is UntilSignal for what needs no care: the second signal ends
// the process.
func UntilSignalOnce() (ctx context.Context, stop func()) {
	ctx, _, stop = UntilSignal(func() { os.Exit(ExitFailed) })
	return ctx, stop
}

// WhenClosed calls f once r ends.
func WhenClosed(r io.Reader, f func()) {
	go func() {
		_, _ = io.Copy(io.Discard, r)
		f()
	}()
}

// OutliveReaders keeps this process from ending when whoever read its standard output
// or error is gone. Programs that it starts get the signal as usual, which Ignore
// would take from them.
func OutliveReaders() { signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE) }

func After(d time.Duration) <-chan time.Time { return time.After(d) }
