package main

import (
	"context"
	"os"
	"strings"
	"testing"
)

// shell is a contender that is a shell script and mounts nothing.
func shell(script string) *contender {
	return &contender{name: "sh", binary: inPath("sh"),
		args: func(*mount) []string { return []string{"-c", script} }}
}

// TestStartFails starts what does not mount: the reason is told, and neither the
// process nor a file of it is left.
func TestStartFails(t *testing.T) {
	canceled, cancel := context.WithCancel(t.Context())
	cancel()
	for _, tt := range []struct {
		script string
		ctx    context.Context
		want   string
	}{
		{"echo no such bucket >&2; exit 1", t.Context(), "did not mount: no such bucket"},
		{"exec sleep 600", canceled, "did not mount: context canceled"},
		{"sleep 600 & wait", canceled, "did not mount: context canceled"},
	} {
		work := t.TempDir()
		m, err := prepareMount(shell(tt.script),
			&server{url: "http://127.0.0.1:1"}, &workload{}, work)
		if err != nil {
			t.Fatal(err)
		}
		if err := m.start(tt.ctx); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("start %q = %v, want %q", tt.script, err, tt.want)
		}
		if err := m.close(); err != nil {
			t.Errorf("close of %q: %v", tt.script, err)
		}
		if left, err := os.ReadDir(work); err != nil || len(left) > 0 {
			t.Errorf("start %q left %v, %v", tt.script, left, err)
		}
	}
	if _, err := prepareMount(&contender{name: "none", binary: inPath("no-such-program-here")},
		&server{}, &workload{}, t.TempDir()); err == nil {
		t.Error("a mount of a program that is not there succeeded")
	}
}

// TestEnvironment keeps the caller's credentials from the contenders.
func TestEnvironment(t *testing.T) {
	t.Setenv("AWS_SESSION_TOKEN", "secret")
	t.Setenv("AWS_PROFILE", "mine")
	t.Setenv("RCLONE_S3_ENDPOINT", "elsewhere")
	t.Setenv("BENCH_KEPT", "yes")
	env := strings.Join(environment(), "\n")
	for _, v := range []string{"secret", "mine", "elsewhere"} {
		if strings.Contains(env, "="+v) {
			t.Errorf("%q is in the contenders' environment", v)
		}
	}
	if !strings.Contains(env, "BENCH_KEPT=yes") ||
		!strings.Contains(env, "AWS_ACCESS_KEY_ID=bench") {
		t.Errorf("environment = %s", env)
	}
}
