package main

import (
	"context"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"
)

// untilSignal returns a context that the first signal to end cancels. Second is
// called at each further one. stop gives the signals back.
func untilSignal(second func()) (ctx context.Context, cancel, stop func()) {
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

// untilSignalOnce is untilSignal for what needs no care: the second signal ends
// the process.
func untilSignalOnce() (ctx context.Context, stop func()) {
	ctx, _, stop = untilSignal(func() { os.Exit(exitFailed) })
	return ctx, stop
}

// whenClosed calls f once r ends.
func whenClosed(r io.Reader, f func()) {
	go func() {
		_, _ = io.Copy(io.Discard, r)
		f()
	}()
}

// outliveReaders keeps this process from ending when whoever read its standard output
// or error is gone. Programs that it starts get the signal as usual, which Ignore
// would take from them.
func outliveReaders() { signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE) }

func after(d time.Duration) <-chan time.Time { return time.After(d) }

// deadPatience is how long a live mount may take to show that it lives.
const deadPatience = 3 * time.Second
