// Command s3share mounts an exchange, the S3 bucket through which two parties
// pass each other files, as a folder.
//
// There is one command a file here, and what several share: the flags of an owner, of a
// transfer and of a timeout. How things are done is in the packages below internal, of which
// each imports only those before it:
//
//	hint      an error, what to do about it, and its exit code
//	service   units of systemd that mount exchanges
//	mounts    what the kernel shows of mounts, and lets us do with them
//	config    what can be said about a mount: flags, environment, config file
//	statedir  the lock, the owner and the leftovers in a state directory
//	control   what commands and daemons say to each other, and who is to be asked
//	ui        what people see: sentences, tables, bars
//	watch     what changes in an exchange, told once
//	daemon    the process behind a mount
//	doctor    the check of an exchange
//	demo      an exchange between two accounts on this machine
package main

import (
	"fmt"
	"io"
	"os"

	"github.com/s3share/s3share/cmd/s3share/internal/daemon"
	"github.com/s3share/s3share/cmd/s3share/internal/hint"
	"github.com/s3share/s3share/cmd/s3share/internal/watch"
	"github.com/s3share/s3share/fs/arrival"
)

// version is what git describes, set by make with -X main.version.
var version string

func main() {
	if arrival.IsHelper(os.Args) {
		os.Exit(arrival.RunHelper())
	}
	if watch.IsTeller(os.Args) {
		os.Exit(watch.RunTeller())
	}
	hint.Version = version
	daemon.KeepMemory()
	args, fake := forMountHelper(os.Args[0], os.Args[1:])
	if fake {
		return
	}
	os.Exit(run(args))
}

// run carries out one command line and returns the exit code.
func run(args []string) int {
	return runTo(os.Stdout, os.Stderr, args)
}

// runTo is run with another place for what is printed. A command that could not print all of its
// answer has failed: what was written to a full disk would look like a shorter answer.
func runTo(out, errs io.Writer, args []string) int {
	root := newRoot(out, errs)
	root.SetArgs(withExec(args))
	err := root.Execute()
	if failed := hint.WriteError(root.OutOrStdout()); err == nil && failed != nil {
		err = fmt.Errorf("cannot print all of the answer: %w", hint.WithoutPath(failed))
	}
	return hint.PrintError(errs, err)
}
