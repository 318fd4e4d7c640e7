package main

import (
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/s3share/s3share/cmd/s3share/internal/hint"
	"github.com/s3share/s3share/cmd/s3share/internal/testhome"
)

// wrongInvocation is a command line that cannot be carried out, with what makes it wrong.
type wrongInvocation struct {
	line   string // the arguments, with spaces between them; '' is an empty one
	code   int
	env    string // a variable, "" for none
	config string // the config file, "" for none
}

const (
	failed = hint.ExitFailed
	usage  = hint.ExitUsage
)

// aTeam is a config file with one exchange, and moreIn has one more line in it.
const aTeam = "[exchange.team]\nbucket = \"team-exchange\"\n"

func moreIn(line string) string { return aTeam + line + "\n" }

// wrongInvocations are of every command. What they have before them: the directories empty,
// full (with the file full/file) and below, and the files file, policy.json (no policy) and
// text.
var wrongInvocations = []wrongInvocation{
	// The command itself.
	{line: "mout", code: usage},
	{line: "frobnicate", code: usage},
	{line: "--verbos", code: usage},
	{line: "help mout", code: usage},
	{line: "completion tcsh", code: usage},
	{line: "completion bsh", code: usage},
	{line: "version now", code: usage},
	// Flags.
	{line: "mount --bukket b x", code: usage},
	{line: "mount --allow-other empty", code: usage},
	{line: "mount --cache_size 1G empty", code: usage},
	{line: "mount -q empty", code: usage},
	{line: "mount empty --bucket", code: usage},
	{line: "init team-exchange --dry-run=maybe", code: usage},
	{line: "mount --read-only=perhaps --bucket b empty", code: usage},
	{line: "init team-exchange --cleint 444455556666", code: usage},
	{line: "put --recursive file Delivery", code: usage},
	// Settings on the command line.
	{line: "mount --bucket team-exchange --memory lots empty", code: usage},
	{line: "mount --bucket team-exchange --cache-size -1G empty", code: usage},
	{line: "mount --bucket team-exchange --stage-size 10X empty", code: usage},
	{line: "mount --bucket team-exchange --limit-upload fast empty", code: usage},
	{line: "put q3.csv Delivery --limit-upload 5", code: usage},
	{line: "put q3.csv Delivery --limit-times 8-18:5M", code: usage},
	{line: "mount team empty", config: moreIn("limit-times = \"08:00-18:00 5M\""), code: failed},
	{line: "mount team empty", config: moreIn("limit-times = [\"Mo-Fr 08:00-18:00 5M\"]"), code: failed},
	{line: "limit 5/s", code: usage},
	{line: "limit fast team", code: usage},
	{line: "mount --bucket team-exchange --uid ann empty", code: usage},
	{line: "mount --bucket team-exchange --umask 999 empty", code: usage},
	{line: "mount --bucket team-exchange --umask 777 empty", code: usage},
	{line: "mount --bucket team-exchange --folder a/b empty", code: usage},
	{line: "mount --bucket team-exchange --folder '' empty", code: usage},
	{line: "mount --bucket team-exchange --private [a empty", code: usage},
	{line: "mount --bucket team-exchange --private * empty", code: usage},
	{line: "mount --bucket team-exchange --owner 1111_2222_3333_4444_é empty", code: usage},
	{line: "mount --bucket s3://team-exchange/Delivery empty", code: usage},
	{line: "mount --bucket team-exchange/Delivery empty", code: usage},
	{line: "mount --bucket team*exchange empty", code: usage},
	{line: "mount --bucket '' empty", code: usage},
	{line: "mount --bucket team-exchange --endpoint-url 127.0.0.1:9000 empty", code: usage},
	{line: "mount --bucket team-exchange --endpoint-url https:// empty", code: usage},
	{line: "mount --bucket team-exchange --endpoint-url ftp://example.com empty", code: usage},
	{line: "mount --bucket team-exchange --endpoint-url https://ann:secret@example.com empty", code: usage},
	// Mount options.
	{line: "mount --bucket team-exchange -o compress=1 empty", code: usage},
	{line: "mount --bucket team-exchange -o regoin=eu-west-1 empty", code: usage},
	{line: "mount --bucket team-exchange -o cache_size empty", code: usage},
	{line: "mount --bucket team-exchange -o alow_other empty", code: usage},
	{line: "mount --bucket team-exchange -o allow_root empty", code: usage},
	{line: "mount --bucket team-exchange -o suid empty", code: usage},
	{line: "mount --bucket team-exchange -o auto_unmount empty", code: usage},
	{line: "mount --bucket team-exchange -o umask=9 empty", code: usage},
	// Environment variables.
	{line: "mount --bucket team-exchange empty", env: "S3SHARE_REGOIN=eu-west-1", code: usage},
	{line: "mount --bucket team-exchange empty", env: "S3SHARE_CACHESIZE=1G", code: usage},
	{line: "mount --bucket team-exchange empty", env: "S3SHARE_CACHE_SIZE=big", code: usage},
	{line: "mount --bucket team-exchange empty", env: "S3SHARE_READ_ONLY=yes", code: usage},
	{line: "mount --bucket team-exchange empty", env: "S3SHARE_BUCKET=a/b", code: usage},
	{line: "init team-exchange --client 444455556666", env: "S3SHARE_PROFIL=team", code: usage},
	// Directories.
	{line: "mount", code: usage},
	{line: "mount team empty more", code: usage},
	{line: "mount --bucket team-exchange absent", code: failed},
	{line: "mount --bucket team-exchange absent/below", code: failed},
	{line: "mount --bucket team-exchange file", code: failed},
	{line: "mount --bucket team-exchange full", code: failed},
	{line: "mount --bucket team-exchange /proc", code: failed},
	{line: "mount --bucket team-exchange --state-dir empty/state empty", code: usage},
	{line: "mount --bucket team-exchange --state-dir file empty", code: failed},
	{line: "unmount", code: usage},
	{line: "unmount empty full", code: usage},
	{line: "unmount empty", code: failed},
	{line: "unmount absent", code: failed},
	{line: "unmount /proc", code: failed},
	{line: "unmount empty --timeout 5", code: usage},
	{line: "unmount empty --timeout -5s", code: usage},
	// The config file.
	{line: "mount empty", code: failed},
	{line: "mount team empty", code: failed},
	{line: "mount s3://team-exchange empty", code: usage},
	{line: "mount --config absent.toml empty", code: failed},
	{line: "mount --config full empty", code: failed},
	{line: "mount taem empty", config: aTeam, code: failed},
	{line: "mount empty", config: "\n", code: failed},
	{line: "mount empty", config: aTeam + "[exchange.other]\nbucket = \"b\"\n", code: usage},
	{line: "mount empty", config: "default = \"taem\"\n" + aTeam, code: failed},
	{line: "mount empty", config: "defualt = \"team\"\n" + aTeam, code: failed},
	{line: "mount empty", config: "bucket = \"team-exchange\"\n", code: failed},
	{line: "mount empty", config: "[exchange]\nbucket = \"team-exchange\"\n", code: failed},
	{line: "mount empty", config: "[exchanges.team]\nbucket = \"team-exchange\"\n", code: failed},
	{line: "mount empty", config: "[exchange.team]\nbucket = team-exchange\n", code: failed},
	{line: "mount empty", config: "[exchange.team]\nregion = \"eu-west-1\"\n", code: usage},
	{line: "mount empty", config: "[exchange.team\n", code: failed},
	{line: "mount empty", config: moreIn("owner = 111122223333"), code: failed},
	{line: "mount empty", config: moreIn("owner = \"no body\""), code: failed},
	{line: "mount empty", config: moreIn("regoin = \"eu-west-1\""), code: failed},
	{line: "mount empty", config: moreIn("colour = \"red\""), code: failed},
	{line: "mount empty", config: moreIn("folders = \"Delivery\""), code: failed},
	{line: "mount empty", config: moreIn("folders = [\"a/b\"]"), code: failed},
	{line: "mount empty", config: moreIn("read-only = \"yes\""), code: failed},
	{line: "mount empty", config: moreIn("sync = yes"), code: failed},
	{line: "mount empty", config: moreIn("memory = 96MiB"), code: failed},
	{line: "mount empty", config: moreIn("memory = -1"), code: failed},
	{line: "mount empty", config: moreIn("uid = \"1000\""), code: failed},
	{line: "mount empty", config: moreIn("umask = 27"), code: failed},
	{line: "mount empty", config: moreIn("umask = 0o1027"), code: failed},
	{line: "mount empty", config: moreIn("umask = \"9999\""), code: failed},
	{line: "mount empty", config: moreIn("bucket = \"again\""), code: failed},
	{line: "mount empty", config: moreIn("private = [\"tmp/*\"]"), code: failed},
	// init.
	{line: "init", code: usage},
	{line: "init team-exchange", code: usage},
	{line: "init '' --client 444455556666", code: usage},
	{line: "init s3://team-exchange --client 444455556666", code: usage},
	{line: "init Team_Exchange! --client 444455556666", code: usage},
	{line: "init ab --client 444455556666", code: usage},
	{line: "init arn:aws:s3:eu-west-1:111122223333:accesspoint/team --client 444455556666", code: usage},
	{line: "init team-exchange empty more --client 444455556666", code: usage},
	{line: "init team-exchange --client 4444-5555", code: usage},
	{line: "init team-exchange --client arn:aws:iam::444455556666:group/x", code: usage},
	{line: "init team-exchange --client arn:aws:iam::444455556666:role/*", code: usage},
	{line: "init team-exchange --client 444455556666 --grant all", code: usage},
	{line: "init team-exchange --client 444455556666 --grant artcile", code: usage},
	{line: "init team-exchange --client 444455556666 --ownership enforce", code: usage},
	{line: "init team-exchange --client 444455556666 --kms alias/team", code: usage},
	{line: "init team-exchange --client 444455556666 --folder In", code: usage},
	{line: "init team-exchange --client 444455556666 --folder In --folder In", code: usage},
	{line: "init team-exchange --client 444455556666 --terraform --cloudformation", code: usage},
	{line: "init team-exchange --client 444455556666 --json --terraform", code: usage},
	{line: "init team-exchange --remove 444455556666 --client 777788889999", code: usage},
	{line: "init team-exchange --remove 444455556666 --grant full", code: usage},
	{line: "init team-exchange --remove 4444", code: usage},
	{line: "init team-exchange --remove 444455556666 empty", code: usage},
	{line: "init team-exchange --remove 444455556666 --until 2099-01-31", code: usage},
	{line: "init team-exchange --client 444455556666 --until 31.1.2099", code: usage},
	{line: "init team-exchange --client 444455556666 --until 2099-02-30", code: usage},
	{line: "init team-exchange --client 444455556666 --until 2020-01-31", code: usage},
	{line: "init team-exchange --client user --endpoint-url http://127.0.0.1:1 --until 2099-01-31", code: usage},
	{line: "init team-exchange --client 444455556666 --keep 90", code: usage},
	{line: "init team-exchange --client 444455556666 --keep 0d", code: usage},
	{line: "init team-exchange --client 444455556666 --keep 3months", code: usage},
	{line: "init team-exchange --client user --endpoint-url http://127.0.0.1:1 --keep 90d", code: usage},
	{line: "policy team-exchange --iam --until 2099-01-31", code: usage},
	// join.
	{line: "join", code: usage},
	{line: "join https://example.com", code: usage},
	{line: "join team-exchange", code: usage},
	{line: "join s3share:team-exchange,owner=111122223333", code: usage},
	{line: "join s3share:team-exchange,owner=111122223333,check=1", code: usage},
	{line: "join s3share:team-exchange,owner=111122223333,region=eu-central-1,check=87523a31 empty more", code: usage},
	// policy.
	{line: "policy", code: usage},
	{line: "policy team-exchange", code: usage},
	{line: "policy team* --client 444455556666", code: usage},
	{line: "policy team-exchange --client 4444-5555", code: usage},
	{line: "policy team-exchange --client 444455556666 --kms " + teamKey, code: usage},
	{line: "policy --check policy.json --iam", code: usage},
	{line: "policy --check absent.json", code: failed},
	{line: "policy --check full", code: failed},
	{line: "policy --check text", code: failed},
	{line: "policy --check policy.json", code: failed},
	{line: "policy --check list.json", code: failed},
	// Commands about what is mounted.
	{line: "status empty full", code: usage},
	{line: "status empty", code: failed},
	{line: "status --json --watch", code: usage},
	{line: "wait empty", code: failed},
	{line: "wait --timeout soon", code: usage},
	{line: "wait empty full", code: usage},
	{line: "why", code: usage},
	{line: "why empty/file", code: failed},
	{line: "retry empty", code: failed},
	{line: "deliver", code: usage},
	{line: "deliver file", code: failed},
	{line: "login taem", code: failed},
	{line: "login empty", code: failed},
	{line: "login a b", code: usage},
	// Commands about an exchange that is not mounted.
	{line: "recover", code: failed},
	{line: "recover taem", config: aTeam, code: failed},
	{line: "recover --bucket team-exchange --timeout 5", code: usage},
	{line: "doctor taem", config: aTeam, code: failed},
	{line: "doctor a b", code: usage},
	{line: "repair taem", config: aTeam, code: failed},
	{line: "repair a b", code: usage},
	{line: "put", code: usage},
	{line: "put file", code: usage},
	{line: "put absent Delivery", config: aTeam, code: failed},
	{line: "put file Delivery -e taem", config: aTeam, code: failed},
	{line: "put file Deliveries", config: aTeam, code: usage},
	{line: "put file ''", config: aTeam, code: usage},
	{line: "put file ..", config: aTeam, code: usage},
	{line: "put file Delivery/..", config: aTeam, code: usage},
	{line: "get", code: usage},
	{line: "get Submissions", code: usage},
	{line: "get Submissions file", config: aTeam, code: failed},
	{line: "get Submissions empty -e taem", config: aTeam, code: failed},
	{line: "send", code: usage},
	{line: "send ''", config: aTeam, code: usage},
	{line: "send absent", config: aTeam, code: failed},
	{line: "send file -e taem", config: aTeam, code: failed},
	{line: "send file --name a/b", config: aTeam, code: usage},
	{line: "send file --name q3.received", config: aTeam, code: usage},
	{line: "send file --into Deliveries", config: aTeam, code: usage},
	{line: "send file --into ..", config: aTeam, code: usage},
	{line: "versions Delivery", config: aTeam, code: usage},
	{line: "versions Delivery/below/", config: aTeam, code: usage},
	{line: "restore Delivery", config: aTeam, code: usage},
	{line: "receipt Delivery", config: aTeam, code: usage},
	{line: "verify Delivery --expect 2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae", config: aTeam, code: usage},
	{line: "receive a b", config: aTeam, code: usage},
	{line: "receive ..", config: aTeam, code: usage},
	{line: "receive --interval 10ms", config: aTeam, code: usage},
	{line: "receive --from Delivery/below", config: aTeam, code: usage},
	{line: "receive -e taem", config: aTeam, code: failed},
	{line: "sent a b", config: aTeam, code: usage},
	{line: "sent -e taem", config: aTeam, code: failed},
	{line: "demo empty more", code: usage},
}

// TestWrongInvocations carries each of them out: the cause and what to do are one sentence,
// perhaps with a hint, the exit code is the one expected, and nothing is left behind. What
// they print is in testdata/wrong.txt.
func TestWrongInvocations(t *testing.T) {
	var all strings.Builder
	for _, w := range wrongInvocations {
		dir := testhome.Home(t)
		for name, text := range map[string]string{
			"full/file": "", "below/full/file": "", "file": "", "text": "policy", "policy.json": `{"Version": "2012-10-17"}`, "list.json": "[]", "empty/x": "",
		} {
			testhome.Write(t, dir, name, text)
		}
		if err := os.Remove(filepath.Join(dir, "empty", "x")); err != nil {
			t.Fatal(err)
		}
		if w.config != "" {
			testhome.Write(t, dir, ".config/s3share/config.toml", w.config)
		}
		args := strings.Fields(w.line)
		for i, a := range args {
			if a == "''" {
				args[i] = ""
			}
		}
		env := []string{"XDG_RUNTIME_DIR=" + filepath.Join(dir, "empty")}
		if w.env != "" {
			env = append(env, w.env)
		}
		before := filesBelow(t, dir)
		out, code := s3share(t, dir, env, args...)
		if after := filesBelow(t, dir); !slices.Equal(after, before) {
			t.Errorf("s3share %s leaves %q, and there was %q", w.line, after, before)
		}
		lines := strings.Split(strings.TrimSuffix(out, "\n"), "\n")
		sentence := strings.HasPrefix(lines[0], "s3share: ") &&
			(len(lines) == 1 || len(lines) == 2 && strings.HasPrefix(lines[1], "s3share: hint: "))
		if code != w.code || !sentence || strings.Contains(out, "operation error") {
			t.Errorf("s3share %s ends with %d, want %d, and says\n%s", w.line, code, w.code, out)
		}
		if w.config != "" {
			all.WriteString("config.toml:\n    " +
				strings.ReplaceAll(strings.TrimSuffix(w.config, "\n"), "\n", "\n    ") + "\n")
		}
		if w.env != "" {
			all.WriteString(w.env + " ")
		}
		out = strings.ReplaceAll(out, "$HOME/.config/s3share/", "")
		all.WriteString("$ s3share " + w.line + "\n" + otherMounts.ReplaceAllString(out, "") +
			"exit status " + strconv.Itoa(code) + "\n\n")
	}
	goldenText(t, "wrong", all.String())
}

// filesBelow are all files and directories below one, with their sizes.
func filesBelow(t *testing.T, dir string) (all []string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := e.Info()
		if err == nil {
			all = append(all, strings.TrimPrefix(path, dir)+" "+info.Mode().String()+
				" "+strconv.FormatInt(info.Size(), 10))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}
