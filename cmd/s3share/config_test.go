package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/s3share/s3share/cmd/s3share/internal/testhome"
)

// ownIDs are the lines of the user and the group, padded.
var ownIDs = regexp.MustCompile(`(?m)^(uid|gid) = \d+ +`)

// TestConfig lists, shows and removes exchanges. What is not removed stays as it was written.
func TestConfig(t *testing.T) {
	dir := testhome.Home(t)
	const file = ".config/s3share/config.toml"
	var all strings.Builder
	runs := func(env []string, args ...string) {
		t.Helper()
		out, code := s3share(t, dir, env, args...)
		all.WriteString("$ s3share " + strings.Join(args, " ") +
			"\n" + ownIDs.ReplaceAllString(out, "$1 = N "))
		if code != 0 {
			all.WriteString("exit status " + string(rune('0'+code)) + "\n")
		}
		all.WriteString("\n")
	}
	runs(nil, "config", "list")
	runs(nil, "config", "show")
	runs(nil, "config", "remove", "team", "--yes")
	runs(nil, "config", "lst")
	testhome.Write(t, dir, file, `# mine
default = "team" # for now

# the first one
[exchange.team]
bucket = "team-exchange"  # theirs
folders = [
  "In",
  "Out",
]
memory = "64MiB"
umask = "027"
# of team, too

# the second one
[exchange."50% off"]
bucket = "off"
cache-size = 1000
`)
	testhome.Write(t, dir, "inline.toml",
		"exchange = { a = { bucket = \"a\" }, b = { bucket = \"b\" } }\n")
	runs(nil, "config", "list")
	runs([]string{"S3SHARE_PROFILE=ann", "S3SHARE_STATE_DIR=/s"}, "config", "show")
	runs(nil, "config", "show", "50% off")
	runs(nil, "config", "show", "taem")
	runs(nil, "config", "remove", "taem")
	runs(nil, "config", "remove", "team")
	runs(nil, "config", "list", "--config", "inline.toml")
	runs(nil, "config", "remove", "a", "--yes", "--config", "inline.toml")
	testhome.Write(t, dir, ".config/systemd/user/s3share@team.service.d/mount.conf",
		"[Service]\nEnvironment=MOUNTPOINT=/t\n")
	runs(nil, "config", "remove", "team", "--yes")
	_ = os.RemoveAll(filepath.Join(dir, ".config/systemd"))
	runs(nil, "config", "remove", "team", "--yes")
	text, err := os.ReadFile(filepath.Join(dir, file))
	if err != nil {
		t.Fatal(err)
	}
	all.WriteString("the file then:\n" + string(text) + "\n")
	runs(nil, "config", "remove", "50% off", "--yes")
	if text, err = os.ReadFile(filepath.Join(dir, file)); err != nil {
		t.Fatal(err)
	}
	all.WriteString("the file then:\n" + string(text))
	goldenText(t, "config", all.String())
}
