// Localbucket is an S3 server for demonstrations and tests: a bucket on
// loopback with an owner, a client and a third party, in which policies,
// object ownership and object ACLs have the effect they have on AWS.
//
//	localbucket [flags]         serve until standard input ends
//	localbucket setup [flags]   make the bucket on another server
//
// It prints one line of JSON when the bucket is ready.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	err := run(ctx, os.Args[1:])
	stop()
	switch {
	case err == nil:
	case errors.Is(err, flag.ErrHelp):
	case errors.Is(err, errUsage):
		fmt.Fprintln(os.Stderr, "localbucket:", err)
		os.Exit(2)
	default:
		fmt.Fprintln(os.Stderr, "localbucket:", err)
		os.Exit(1)
	}
}

// errUsage marks what the caller got wrong on the command line.
var errUsage = errors.New("bad usage")

func run(ctx context.Context, args []string) error {
	// The line is all that may appear on standard output; the server's
	// libraries write there too.
	out := os.Stdout
	os.Stdout = os.Stderr
	if len(args) > 0 && args[0] == "setup" {
		return setup(ctx, args[1:], out)
	}
	return serve(ctx, args, os.Stdin, out)
}

// parse parses flags that take no arguments after them.
func parse(fs *flag.FlagSet, args []string) error {
	if err := fs.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return err
		}
		return fmt.Errorf("%w: %w", errUsage, err)
	}
	if fs.NArg() > 0 {
		return fmt.Errorf("%w: unexpected argument %q", errUsage, fs.Arg(0))
	}
	return nil
}
