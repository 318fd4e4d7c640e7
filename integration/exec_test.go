package integration

import (
	"context"
	"fmt"
	"os/exec"
	"testing"
)

// programsThatExec are what a Python program does with its files f: it has written to each,
// and execve(2) closes all.
var programsThatExec = map[string]struct{ then, want string }{
	"becomes another program": {`os.execvp("true", ["true"])`, "all of it"},
	"starts a program":        {`subprocess.run(["true"], close_fds=False)`, "all of it"},
	"starts programs and writes on": {`
children = [subprocess.Popen(["true"], close_fds=False) for i in range(8)]
for x in f: x.write(b", and more")
for x in f: x.flush()
for c in children: c.wait()`, "all of it, and more"},
}

// TestExecveClosesFilesAndGoesOn has execve(2) close files: the kernel then waits for each
// close while it holds a lock, for which some of /proc waits too.
func TestExecveClosesFilesAndGoesOn(t *testing.T) {
	t.Parallel()
	needTools(t, "python3")
	for name, c := range programsThatExec {
		for _, files := range []int{1, 2, 5} {
			for _, options := range [][]string{nil, {"-o", "sync"}} {
				t.Run(fmt.Sprintf("%s, %d files, %q", name, files, options), func(t *testing.T) {
					t.Parallel()
					x := newExchange(t, "full")
					m := x.mount(client, options...)
					var keys, paths []string
					for i := range files {
						keys = append(keys, fmt.Sprint(delivery, "file", i))
						paths = append(paths, m.path(keys[i]))
					}
					ctx, cancel := context.WithTimeout(t.Context(), patience)
					defer cancel()
					args := append([]string{"-c", `
import os, subprocess, sys
f = [open(name, "wb") for name in sys.argv[1:]]
for x in f: x.write(b"all of it")
for x in f: x.flush()
` + c.then}, paths...)
					if out, err := exec.CommandContext(ctx, "python3",
						args...).CombinedOutput(); err != nil {
						t.Fatalf("the program: %v\n%s", err, out)
					}
					for _, key := range keys {
						x.awaitObject(key, []byte(c.want))
					}
				})
			}
		}
	}
}
