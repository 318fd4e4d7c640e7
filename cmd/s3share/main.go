// Command s3share mounts an exchange, the S3 bucket through which two parties
// pass each other files, as a folder.
//
// [settings] are gathered from the config file, the environment and the command
// line. mount runs itself again in the background as a [mountDaemon], which holds the
// state directory's lock, the bucket, the cache and the kernel's mount, and passes
// on to the waiting parent whether it serves or why it does not. A running daemon
// answers on a socket named after its mountpoint: unmount and status speak to it
// there. What goes wrong is told in one sentence and a hint, all in tell.go.
package main

import (
	"os"

	"github.com/s3share/s3share/cmd/s3share/internal/hint"
)

// version is what git describes, set by make with -X main.version.
var version string

func main() {
	hint.Version = version
	keepMemory()
	os.Exit(run(os.Args[1:]))
}

// run carries out one command line and returns the exit code.
func run(args []string) int {
	root := newRoot(os.Stdout, os.Stderr)
	root.SetArgs(args)
	return hint.Tell(os.Stderr, root.Execute())
}
