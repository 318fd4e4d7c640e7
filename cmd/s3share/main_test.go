package main

import (
	"bytes"
	"errors"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/s3share/s3share/cmd/s3share/internal/testhome"
	"github.com/s3share/s3share/cmd/s3share/internal/watch"
)

var update = flag.Bool("update", false, "write what is printed to testdata")

// asProgram makes the test binary be s3share, so that tests run it as users do.
const asProgram = "S3SHARE_TEST_AS_PROGRAM"

func TestMain(m *testing.M) {
	if watch.IsTeller(os.Args) {
		os.Exit(watch.RunTeller())
	}
	if os.Getenv(asProgram) != "" {
		os.Exit(run(os.Args[1:]))
	}
	os.Exit(m.Run())
}

// s3share runs the program in dir, which is its home as well, with nothing else in
// its environment but env. It returns all it printed, the home written as $HOME,
// and its exit code.
func s3share(t *testing.T, dir string, env []string, args ...string) (string, int) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), self, args...)
	cmd.Dir = dir
	cmd.Env = append([]string{
		asProgram + "=1", "HOME=" + dir, "PATH=" + os.Getenv("PATH"), "TMPDIR=" + dir,
		"AWS_EC2_METADATA_DISABLED=true", "GORACE=atexit_sleep_ms=0",
	}, env...)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	err = cmd.Run()
	var failed *exec.ExitError
	if err != nil && !errors.As(err, &failed) {
		t.Fatal(err)
	}
	return strings.ReplaceAll(out.String(), dir, "$HOME"), cmd.ProcessState.ExitCode()
}

// otherMounts is a hint that depends on what this machine has mounted.
var otherMounts = regexp.MustCompile(`s3share: hint: mounted are .*\n`)

// ourPID is the process of a test that holds something.
var ourPID = regexp.MustCompile(`\(pid \d+`)

// golden compares what args print, and their exit code, with testdata/name.txt.
func golden(t *testing.T, name, dir string, env []string, args ...string) {
	t.Helper()
	out, code := s3share(t, dir, env, args...)
	got := "$ s3share " + strings.Join(args, " ") + "\n" + out + "exit status " +
		strconv.Itoa(code) + "\n"
	got = strings.ReplaceAll(got, dir, "$HOME")
	got = otherMounts.ReplaceAllString(got, "")
	got = ourPID.ReplaceAllString(got, "(pid N")
	goldenText(t, name, got)
}

// goldenText compares a text with testdata/name.txt.
func goldenText(t *testing.T, name, got string) {
	t.Helper()
	testhome.CheckGolden(t, *update, filepath.Join("testdata", name+".txt"), got)
}
