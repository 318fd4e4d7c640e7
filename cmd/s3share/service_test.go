package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/s3share/s3share/cmd/s3share/internal/service"
	"github.com/s3share/s3share/cmd/s3share/internal/testhome"
)

// fakeSystemctl writes down how it is called, knows the state of a unit that the file state has,
// and fails as the file fails says.
const fakeSystemctl = `#!/bin/sh
echo "systemctl $*" >>"$HOME/calls"
case "$2" in
show) cat "$HOME/state.$4" 2>/dev/null || printf 'UnitFileState=\nActiveState=inactive\nResult=success\nStatusText=\n' ;;
start) printf 'UnitFileState=enabled\nActiveState=active\nResult=success\nStatusText=\n' >"$HOME/state.$3" ;;
esac
if grep -qx "$2" "$HOME/fails" 2>/dev/null; then echo "it said no" >&2; exit 1; fi
`

// TestService installs a unit, shows it and removes it, as systemd is told and as people are.
func TestService(t *testing.T) {
	dir := testhome.Home(t)
	testhome.Write(t, dir, "bin/systemctl", fakeSystemctl)
	if err := os.Chmod(filepath.Join(dir, "bin/systemctl"), 0o755); err != nil {
		t.Fatal(err)
	}
	testhome.Write(t, dir, ".config/s3share/config.toml",
		aTeam+"[exchange.\"50% off\"]\nbucket = \"b\"\n")
	testhome.Write(t, dir, "my.toml", "[exchange.mine]\nbucket = \"b\"\n")
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	path := "PATH=" + filepath.Join(dir, "bin") + ":" + os.Getenv("PATH")
	var all strings.Builder
	say := func(format string) { all.WriteString("# " + format + "\n") }
	runs := func(args ...string) {
		t.Helper()
		env := []string{path}
		if args[0] == "env" {
			env, args = append(env, args[1], args[2]), args[3:]
		}
		out, code := s3share(t, dir, env, args...)
		all.WriteString("$ s3share " + strings.Join(args, " ") + "\n" + out)
		if code != 0 {
			all.WriteString("exit status " + string(rune('0'+code)) + "\n")
		}
		if calls, err := os.ReadFile(filepath.Join(dir, "calls")); err == nil {
			all.WriteString("calls:\n" + string(calls))
			_ = os.Remove(filepath.Join(dir, "calls"))
		}
		all.WriteString("\n")
	}
	say("nothing is changed")
	runs("service", "install", "team", "--dry-run")
	runs("service", "status")
	say("install, show, remove")
	runs("service", "install", "team", "my folder")
	runs("service", "status", "team")
	runs("service", "install", "team")
	say("another one, with what the environment says")
	runs("env", "S3SHARE_CONFIG="+filepath.Join(dir, "my.toml"), "AWS_PROFILE=ann",
		"service", "install", "mine")
	_ = os.Remove(filepath.Join(dir, "state.s3share@team.service"))
	runs("service", "status")
	say("a name that a unit's cannot have, and a start that fails")
	testhome.Write(t, dir, "fails", "start\n")
	runs("service", "install", "50% off")
	for _, f := range []string{"s3share@team.service.d/mount.conf",
		"s3share@mine.service.d/mount.conf", `s3share@50\x25\x20off.service.d/mount.conf`} {
		text, err := os.ReadFile(filepath.Join(dir, ".config/systemd/user", f))
		if err != nil {
			t.Error(err)
		}
		all.WriteString(f + ":\n" + string(text) + "\n")
	}
	runs("service", "remove", "mine")
	runs("service", "remove", "50% off")
	runs("service", "remove", "team")
	runs("service", "remove", "team")
	left, _ := filepath.Glob(filepath.Join(dir, ".config/systemd/user/*"))
	if len(left) > 0 {
		t.Errorf("removing leaves %q", left)
	}
	say("no systemd")
	testhome.Write(t, dir, "fails", "show-environment\n")
	runs("service", "install", "team")
	path = "PATH=/nowhere"
	runs("service", "install", "team")
	goldenText(t, "service",
		strings.ReplaceAll(strings.ReplaceAll(all.String(), self, "/opt/s3share"), dir, "$HOME"))
}

// TestServiceUnit has systemd read the unit, with and without a drop-in.
func TestServiceUnit(t *testing.T) {
	_, err := exec.LookPath("systemd-analyze")
	testhome.Need(t, "systemd-analyze", err == nil, "systemd-analyze is not in PATH")
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	u := service.Unit{Exchange: "team", Dir: "/tmp/50% \"off\"",
		Program: self, Env: map[string]string{"AWS_PROFILE": "ann"}}
	if err := service.Write(u.Files(dir)); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), "systemd-analyze", "--user", "--man=no",
		"verify", service.UnitName(u.Exchange))
	cmd.Env = append(os.Environ(), "SYSTEMD_UNIT_PATH="+dir+":", "XDG_RUNTIME_DIR="+t.TempDir())
	out, err := cmd.CombinedOutput()
	if err != nil || strings.Contains(string(out), "s3share") {
		t.Errorf("systemd-analyze verify: %v\n%s", err, out)
	}
	if all, err := service.Installed(dir); err != nil || len(all) != 1 || all[0].Dir != u.Dir ||
		all[0].Exchange != "team" {
		t.Errorf("installed are %+v, %v, want %+v", all, err, u)
	}
}
