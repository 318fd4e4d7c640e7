// Package integration proves the built binary: it runs s3share as a process of
// its own on real mounts, against a real server with two accounts and object
// ACLs that bite.
//
// An [exchange] is a bucket of its own with a policy; [exchange.mount] shows it to
// one party. A test writes through one party's mount, waits for an event (a
// state, an object, a name), never for a time, and looks at the result through
// the other's mount and with a plain SDK client. When it ends, the mounts are
// undone, which waits for delivery, and the bucket's owner has to be able to
// read every object that they made.
//
// S3SHARE_BIN and LOCALBUCKET_BIN name built programs, to save building them.
// S3SHARE_TEST_S3 holds the line that a running server printed, as localbucket
// and rgw.sh do, to test against that one. S3SHARE_NEED lists what must not be
// missing: fuse, s3, or the name of a tool; what is missing else skips tests.
package integration

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// patience bounds every wait for an event. It only has to be longer than a slow
// machine takes.
var patience = soaking(time.Minute, 5*time.Minute)

// testPatience is how long a mount may live: then its daemon is killed, which
// frees every program that waits for it. It is for mounts that are stuck: a slow machine
// must not come near it.
var testPatience = soaking(6*time.Minute, 30*time.Minute)

// The programs under test.
var (
	s3shareBin     string
	localbucketBin string
	builds         string // where programs are built; gone with the tests
)

func TestMain(m *testing.M) {
	if socket := os.Getenv(fakeDaemon); socket != "" {
		fmt.Fprintln(os.Stderr, answerAsDaemon(socket))
		os.Exit(1)
	}
	if dir := os.Getenv(watchAs); dir != "" {
		fmt.Fprintln(os.Stderr, sayEvents(dir))
		os.Exit(1)
	}
	// Most of a test is waiting, so that more of them run than there are processors.
	if err := flag.Set("test.parallel", "8"); err != nil {
		panic(err)
	}
	flag.Parse()
	code, err := run(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

func run(m *testing.M) (code int, err error) {
	dir, err := os.MkdirTemp("", "s3share-test-")
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	builds = dir
	if s3shareBin, err = program(dir, "S3SHARE_BIN", "..", "./cmd/s3share"); err != nil {
		return 0, err
	}
	if localbucketBin, err = program(dir, "LOCALBUCKET_BIN", "localbucket", "."); err != nil {
		return 0, err
	}
	stop, err := startServer()
	if err != nil {
		return 0, err
	}
	code = m.Run()
	err = stop()
	if stopAWS != nil {
		err = errors.Join(err, stopAWS())
	}
	return code, err
}

// program is the path that the variable names, or of what is built from pkg.
func program(dir, variable, module, pkg string) (string, error) {
	if path := os.Getenv(variable); path != "" {
		return filepath.Abs(path)
	}
	path := filepath.Join(dir, strings.ToLower(strings.TrimSuffix(variable, "_BIN")))
	cmd := exec.Command("go", "build", "-trimpath", "-o", path, pkg)
	cmd.Dir = module
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build %s in %s: %w\n%s", pkg, module, err, out)
	}
	return path, nil
}

// missing skips the test, or fails it if what is missing is needed.
func missing(t *testing.T, what, why string) {
	t.Helper()
	if slices.Contains(strings.Split(os.Getenv("S3SHARE_NEED"), ","), what) {
		t.Fatalf("%s is needed: %s", what, why)
	}
	t.Skipf("no %s: %s", what, why)
}

// needTools skips the test unless the programs are here.
func needTools(t *testing.T, names ...string) {
	t.Helper()
	for _, name := range names {
		if _, err := exec.LookPath(name); err != nil {
			missing(t, name, "it is not in PATH")
		}
	}
}

// await calls happened until it is true, and fails the test if that takes longer
// than patience. what completes "waited for".
func await(t *testing.T, what string, happened func() bool) {
	t.Helper()
	deadline := time.Now().Add(patience)
	for !happened() {
		if time.Now().After(deadline) {
			t.Fatalf("waited %s for %s", patience, what)
		}
		if t.Context().Err() != nil {
			t.Fatalf("the test ended while it waited for %s", what)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// shell runs a script with bash, and fails the test if it fails. It returns its
// output. Arguments are $1, $2 and so on.
func shell(t *testing.T, script string, args ...string) string {
	t.Helper()
	out, err := tryShell(t, script, args...)
	if err != nil {
		t.Fatalf("%s\n%v: %v\n%s", script, args, err, out)
	}
	return out
}

func tryShell(t *testing.T, script string, args ...string) (string, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), testPatience)
	defer cancel()
	cmd := exec.CommandContext(ctx, "bash",
		append([]string{"-euo", "pipefail", "-c", script, "bash"}, args...)...)
	cmd.Dir = t.TempDir()
	cmd.WaitDelay = 5 * time.Second
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	err := cmd.Run()
	return strings.TrimSpace(out.String()), err
}
