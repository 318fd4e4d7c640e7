package main

import (
	"regexp"
	"strings"
	"testing"

	"github.com/s3share/s3share/cmd/s3share/internal/testhome"
)

// ourMounts are lines that depend on what this machine has mounted.
var ourMounts = regexp.MustCompile(`(?m)^/.*\n`)

// TestCompletions asks for the words that a shell offers. The last line is cobra's directive:
// 4 is no files, 16 directories alone, 6 no files and no space after the word.
func TestCompletions(t *testing.T) {
	dir := testhome.Home(t)
	testhome.Write(t, dir, ".config/s3share/config.toml",
		aTeam+"[exchange.other]\nbucket = \"b\"\n")
	testhome.Write(t, dir, "my.toml", "[exchange.mine]\nbucket = \"b\"\n")
	testhome.Write(t, dir, ".aws/config",
		"[default]\nregion = eu-west-1\n[profile team]\n[sso-session corp]\n")
	testhome.Write(t, dir, ".aws/credentials", "[ team ]\naws_access_key_id = A\n[ann]\n")
	testhome.Write(t, dir, ".config/systemd/user/s3share@team.service.d/mount.conf",
		"[Service]\nEnvironment=MOUNTPOINT=/t\n")
	var all strings.Builder
	for _, line := range []string{
		"mount ''", "mount t", "mount team ''", "mount --config my.toml ''", "mount x", "recover ''", "doctor o", "put -e ''", "get -e t", "receive ''", "send -e t", "sent ''",
		"mount --profile ''", "init b --profile t", "init b --grant ''", "policy b --grant d", "init b --ownership ''", "init b ''",
		"mount -o a", "mount -o ro,re", "mount -o ''", "mo", "completion ''", "service ''", "service install t", "service install team ''", "service remove ''", "config ''", "config show ''", "config remove t", "version ''",
		"watch x", "watch -e t", "log ''", "log t", "receipt x", "receipt -e t", "verify x", "verify -e t", "versions x", "versions -e t", "restore x", "restore -e t", "sent -e t", "receive -e t",
		"mount -o thumb", "verify --ex", "watch --ex", "log --",
	} {
		args := []string{"__completeNoDesc"}
		for a := range strings.FieldsSeq(line) {
			args = append(args, strings.ReplaceAll(a, "''", ""))
		}
		out, _ := s3share(t, dir, nil, args...)
		out, _, _ = strings.Cut(out, "Completion ended")
		all.WriteString("$ s3share " + line +
			"<TAB>\n" + ourMounts.ReplaceAllString(out, "") + "\n")
	}
	goldenText(t, "completions", all.String())
}
