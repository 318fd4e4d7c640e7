package main

import (
	"os"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/s3share/s3share/cmd/s3share/internal/hint"
	"github.com/s3share/s3share/cmd/s3share/internal/statedir"
	"github.com/s3share/s3share/cmd/s3share/internal/testhome"
)

func TestHelp(t *testing.T) {
	for _, tt := range []struct {
		name string
		args []string
	}{
		{"help", []string{"--help"}},
		{"help-mount", []string{"mount", "--help"}},
		{"help-init", []string{"init", "--help"}},
		{"help-join", []string{"join", "--help"}},
		{"help-policy", []string{"policy", "--help"}},
		{"help-unmount", []string{"unmount", "--help"}},
		{"help-status", []string{"status", "--help"}},
		{"help-limit", []string{"limit", "--help"}},
		{"help-pause", []string{"pause", "--help"}},
		{"help-resume", []string{"resume", "--help"}},
		{"help-login", []string{"login", "--help"}},
		{"help-recover", []string{"recover", "--help"}},
		{"help-wait", []string{"wait", "--help"}},
		{"help-why", []string{"why", "--help"}},
		{"help-retry", []string{"retry", "--help"}},
		{"help-deliver", []string{"deliver", "--help"}},
		{"help-send", []string{"send", "--help"}},
		{"help-receive", []string{"receive", "--help"}},
		{"help-sent", []string{"sent", "--help"}},
		{"help-doctor", []string{"doctor", "--help"}},
		{"help-repair", []string{"repair", "--help"}},
		{"help-watch", []string{"watch", "--help"}},
		{"help-log", []string{"log", "--help"}},
		{"help-receipt", []string{"receipt", "--help"}},
		{"help-versions", []string{"versions", "--help"}},
		{"help-restore", []string{"restore", "--help"}},
		{"help-verify", []string{"verify", "--help"}},
		{"log-empty", []string{"log", "--bucket", "b"}},
		{"log-json-csv", []string{"log", "--json", "--csv"}},
		{"log-since", []string{"log", "--bucket", "b", "--since", "yesterday"}},
		{"log-name", []string{"log", "--bucket", "b", "--name", "[a"}},
		{"log-other-folder", []string{"log", "--bucket", "b", "Delivry/x"}},
		{"verify-empty", []string{"verify", "--bucket", "b"}},
		{"help-config", []string{"config", "--help"}},
		{"help-config-remove", []string{"config", "remove", "--help"}},
		{"help-service", []string{"service", "--help"}},
		{"help-service-install", []string{"service", "install", "--help"}},
		{"help-demo", []string{"demo", "--help"}},
	} {
		t.Run(tt.name, func(t *testing.T) { golden(t, tt.name, testhome.Home(t), nil, tt.args...) })
	}
}

func TestMisuse(t *testing.T) {
	for _, tt := range []struct {
		name string
		args []string
	}{
		{"unknown-command", []string{"mout", "x"}},
		{"init-no-bucket", []string{"init"}},
		{"init-no-client", []string{"init", "b", "--endpoint-url", "http://127.0.0.1:1"}},
		{"init-bad-grant", []string{"init", "team-exchange", "--client", "444455556666", "--grant", "all"}},
		{"join-nothing", []string{"join"}},
		{"join-other", []string{"join", "https://example.com"}},
		{"join-cut", []string{"join", "s3share:team-exchange,owner=111122223333,check=1"}},
		{"policy-no-bucket", []string{"policy"}},
		{"policy-no-client", []string{"policy", "b"}},
		{"policy-bad-client", []string{"policy", "b", "--client", "4444-5555"}},
		{"init-bad-key", []string{"init", "team-exchange", "--client", "4444-5555-6666", "--kms", "alias/team"}},
		{"policy-one-folder", []string{"policy", "b", "--client", "444455556666", "--folder", "In"}},
		{"unknown-flag", []string{"mount", "--bukket", "b", "x"}},
		{"no-directory", []string{"mount"}},
		{"too-many", []string{"unmount", "a", "b"}},
		{"bad-size", []string{"mount", "--bucket", "b", "--memory", "lots", "x"}},
		{"bad-umask", []string{"mount", "--bucket", "b", "-o", "umask=999", "x"}},
		{"bad-folder", []string{"mount", "--bucket", "b", "--folder", "a/b", "x"}},
		{"bad-private", []string{"mount", "--bucket", "b", "--private", "[a", "x"}},
		{"bad-private-slash", []string{"mount", "--bucket", "b", "-o", "private=tmp/*", "x"}},
		{"bad-private-off", []string{"mount", "--bucket", "b", "--private", "!*.prat", "x"}},
		{"bad-private-all", []string{"mount", "--bucket", "b", "--private", "*", "x"}},
		{"watch-no-command", []string{"watch", "Submissions", "--exec"}},
		{"watch-json-exec", []string{"watch", "--json", "--exec", "true"}},
		{"watch-command-missing", []string{"watch", "--bucket", "b", "--exec", "no-such-program", "--its-flag"}},
		{"watch-interval", []string{"watch", "--bucket", "b", "--interval", "10ms"}},
		{"watch-other-folder", []string{"watch", "--bucket", "b", "Submission"}},
		{"watch-two-folders", []string{"watch", "--bucket", "b", "Submissions", "Delivery", "--exec", "true"}},
		{"status-json-watch", []string{"status", "--json", "--watch"}},
		{"timeout-no-unit", []string{"wait", "--timeout", "5"}},
		{"timeout-negative", []string{"unmount", "--timeout", "-5s", "x"}},
		{"why-what", []string{"why"}},
		{"bad-option", []string{"mount", "--bucket", "b", "-o", "ro,compress=1", "x"}},
		{"allow-root", []string{"mount", "--bucket", "b", "-o", "allow_root", "x"}},
		{"unknown-service", []string{"service", "instal"}},
		{"suid", []string{"mount", "--bucket", "b", "-o", "suid", "x"}},
	} {
		t.Run(tt.name, func(t *testing.T) { golden(t, tt.name, testhome.Home(t), nil, tt.args...) })
	}
}

// TestBadMountpoint mounts where it cannot be done.
func TestBadMountpoint(t *testing.T) {
	for _, tt := range []struct {
		name string
		args []string
	}{
		{"mountpoint-missing", []string{"mount", "--bucket", "b", "absent"}},
		{"mountpoint-parent-missing", []string{"mount", "--bucket", "b", "absent/below"}},
		{"mountpoint-file", []string{"mount", "--bucket", "b", "file"}},
		{"mountpoint-full", []string{"mount", "--bucket", "b", "full"}},
		{"mountpoint-mounted", []string{"mount", "--bucket", "b", "/proc"}},
		{"state-inside", []string{"mount", "--bucket", "b", "--state-dir", "empty/state", "empty"}},
		{"unmount-nothing", []string{"unmount", "empty"}},
		{"unmount-missing", []string{"unmount", "absent/below"}},
		{"unmount-other", []string{"unmount", "/proc"}},
		{"wait-nothing", []string{"wait", "empty"}},
		{"why-nothing", []string{"why", "empty/file"}},
		{"login-nothing", []string{"login", "empty"}},
		{"login-unknown", []string{"login", "taem"}},
		{"status-nothing", []string{"status", "empty"}},
		{"recover-nothing", []string{"recover", "--bucket", "b"}},
		{"recover-mounted", []string{"recover", "--bucket", "b", "--state-dir", "used"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := testhome.Home(t)
			testhome.Write(t, dir, "file", "")
			testhome.Write(t, dir, "full/file", "")
			for _, name := range []string{"empty", "used"} {
				if err := os.Mkdir(filepath.Join(dir, name), 0o755); err != nil {
					t.Fatal(err)
				}
			}
			lock, err := statedir.Lock(filepath.Join(dir, "used"),
				statedir.LockInfo{Dir: "/mnt/team"})
			if err != nil {
				t.Fatal(err)
			}
			defer lock.Close()
			golden(t, tt.name, dir, nil, tt.args...)
		})
	}
}

// TestBadConfig reads config files with a mistake, each named by file and line.
func TestBadConfig(t *testing.T) {
	const team = "[exchange.team]\nbucket = \"b\"\n"
	for _, tt := range []struct {
		name, file string
		args       []string
	}{
		{"config-missing", "", []string{"mount", "x"}},
		{"config-missing-named", "", []string{"mount", "team", "x"}},
		{"config-missing-asked", "", []string{"mount", "--config", "my.toml", "x"}},
		{"config-empty", "\n", []string{"mount", "x"}},
		{"config-unknown-exchange", team, []string{"mount", "taem", "x"}},
		{"config-which", team + "[exchange.other]\nbucket = \"o\"\n", []string{"mount", "x"}},
		{"config-typo", team + "\n[exchange.other]\nbuckett = \"o\"\n", []string{"mount", "team", "x"}},
		{"config-typo-top", "defualt = \"team\"\n" + team, []string{"mount", "x"}},
		{"config-syntax", team + "region = eu\n", []string{"mount", "x"}},
		{"config-type", team + "read-only = \"yes\"\n", []string{"mount", "x"}},
		{"config-size", team + "memory = \"lots\"\n", []string{"mount", "x"}},
		{"config-folder", team + "folders = [\"a/b\"]\n", []string{"mount", "x"}},
		{"config-private", team + "private = [\"*.bak\", \"!*.prat\"]\n", []string{"mount", "x"}},
		{"config-no-bucket", "[exchange.team]\nregion = \"eu-west-1\"\n", []string{"mount", "x"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := testhome.Home(t)
			if tt.file != "" {
				testhome.Write(t, dir, ".config/s3share/config.toml", tt.file)
			}
			golden(t, tt.name, dir, nil, tt.args...)
		})
	}
}

func TestBadEnvironment(t *testing.T) {
	golden(t, "environment-size", testhome.Home(t), []string{"S3SHARE_CACHE_SIZE=big"},
		"mount", "--bucket", "b", "x")
}

// TestLeavesNothing fails a mount at the very last check before the kernel's, the
// bucket's, and looks for what it has left.
func TestLeavesNothing(t *testing.T) {
	_, err := os.Stat("/dev/fuse")
	testhome.Need(t, "fuse", err == nil, "no /dev/fuse")
	dir := testhome.Home(t)
	if err := os.Mkdir(filepath.Join(dir, "mnt"), 0o755); err != nil {
		t.Fatal(err)
	}
	env := []string{"AWS_ACCESS_KEY_ID=k", "AWS_SECRET_ACCESS_KEY=s"}
	golden(t, "endpoint-down", dir, env, "mount", "--bucket", "b", "--region", "us-east-1",
		"--endpoint-url", "http://127.0.0.1:1", "mnt")
	golden(t, "endpoint-plain", dir, env, "mount", "--bucket", "b", "--endpoint-url",
		"http://192.0.2.1", "mnt")
	golden(t, "no-credentials", dir, nil, "mount", "--bucket", "b", "--endpoint-url",
		"http://127.0.0.1:1", "mnt")
	golden(t, "no-profile", dir, nil, "mount", "--bucket", "b", "--profile", "nobody", "mnt")
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if e.Name() != "mnt" {
			t.Errorf("a mount that failed left %s", e.Name())
		}
	}
}

func TestVersion(t *testing.T) {
	out, code := s3share(t, testhome.Home(t), nil, "version")
	if !regexp.MustCompile(`^s3share \S+ \(go\S+, \w+/\w+\)\n$`).MatchString(out) ||
		code != hint.ExitOK {
		t.Errorf("s3share version printed %q and ended with %d", out, code)
	}
}
