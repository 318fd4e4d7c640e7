package config

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/s3share/s3share/cmd/s3share/internal/hint"
	"github.com/s3share/s3share/cmd/s3share/internal/testhome"
)

var team = Entry{Bucket: "team-exchange", Region: "eu-central-1",
	Owner: "111122223333", Profile: "team"}

// TestAddExchange adds an exchange to config files of all kinds, and mount finds it.
func TestAddExchange(t *testing.T) {
	for _, tt := range []struct {
		name, before string
		as           string // its name
		table        Entry
	}{
		{"no file", "", "", team},
		{"comments and no last line end", "# mine\n[exchange.other] # theirs\nbucket = \"b\"", "", team},
		{"a default", "default = \"other\"\n[exchange.other]\nbucket = \"b\"\n\n\n", "team", team},
		{"a name with dots", "", "team.exchange", team},
		{"folders", "", "", Entry{Bucket: "b", Folders: []string{"In", `Out "2"`}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := inHome(t, tt.before)
			l, err := AddExchange("", tt.as, tt.table)
			if err != nil {
				t.Fatal(err)
			}
			file, name := l.File, l.Name
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if !strings.HasPrefix(string(text), strings.TrimRight(tt.before, "\n")) {
				t.Errorf("what was there is not there any more:\n%s", text)
			}
			s, err := CommandLine{Exchange: name}.Resolve()
			if err != nil {
				t.Fatalf("%v in\n%s", err, text)
			}
			folders := tt.table.Folders
			if folders == nil {
				folders = Defaults().Folders
			}
			if s.Bucket != tt.table.Bucket || s.Region != tt.table.Region ||
				s.Owner != tt.table.Owner || s.Profile != tt.table.Profile ||
				strings.Join(s.Folders, "/") != strings.Join(folders, "/") {
				t.Errorf("mount reads %+v from\n%s", s, text)
			}
			if _, err := AddExchange("", tt.as, tt.table); err != nil {
				t.Errorf("the second time: %v", err)
			}
			if again, err := os.ReadFile(file); err != nil || string(again) != string(text) {
				t.Errorf("the second time it is\n%s, %v", again, err)
			}
			left, err := os.ReadDir(filepath.Join(dir, ".config/s3share"))
			if err != nil || len(left) != 1 {
				t.Errorf("beside the file is %v, %v", left, err)
			}
		})
	}
}

func TestAddExchangeRefuses(t *testing.T) {
	for _, tt := range []struct{ name, before, words string }{
		{"another exchange", "[exchange.team]\nbucket = \"b\"\n", "another"},
		{"another owner", "[exchange.team]\nbucket = \"team-exchange\"\nowner = \"999999999999\"\n", "another"},
		{"an inline table", "exchange = { other = { bucket = \"b\" } }\n", "by hand"},
		{"folders on several lines", "[exchange.team]\nbucket = \"team-exchange\"\nfolders = [\n  \"In\",\n  \"Out\"\n]\n", "by hand"},
		{"keys with dots", "[exchange]\nteam.bucket = \"team-exchange\"\n", "by hand"},
		{"no TOML", "[exchange\n", "config.toml:1"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			inHome(t, tt.before)
			l, err := AddExchange("", "team", team)
			file := l.File
			if err == nil {
				t.Fatal("it was added")
			}
			_, hint := hint.ExitCode(err)
			if !strings.Contains(err.Error()+hint, tt.words) {
				t.Errorf("%v (%s), want %q in it", err, hint, tt.words)
			}
			if text, err := os.ReadFile(file); err != nil || string(text) != tt.before {
				t.Errorf("the file has become %q, %v", text, err)
			}
		})
	}
}

// TestAddExchangeChanges changes an exchange that is there: what becomes another is told, and
// nothing else is touched.
func TestAddExchangeChanges(t *testing.T) {
	const before = "# mine\n[exchange.team-2]\nbucket = \"b\"\n\n [ exchange.\"team\" ] # ours\nbucket = \"team-exchange\"\nttl = \"5s\" # kept\n" +
		"folders = [\"In\", \"Out\"]\nprofile = \"old\"\n[exchange.team.sub]\nprofile = \"x\"\n[exchange.z]\nprofile = \"y\""
	inHome(t, before)
	l, err := AddExchange("", "team", team)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{`region: "eu-central-1" (now nothing)`, `owner: "111122223333" (now nothing)`,
		`profile: "team" (now "old")`, `folders: nothing (now ["In", "Out"])`}
	if got := fmt.Sprint(l.Changes); got != fmt.Sprint(want) {
		t.Errorf("the changes are %s, want %s", got, want)
	}
	text, err := os.ReadFile(l.File)
	if err != nil {
		t.Fatal(err)
	}
	after := strings.NewReplacer("\"team\" ] # ours\n",
		"\"team\" ] # ours\nregion = \"eu-central-1\"\nowner = \"111122223333\"\nprofile = \"team\"\n",
		"folders = [\"In\", \"Out\"]\nprofile = \"old\"\n", "").Replace(before)
	if string(text) != after {
		t.Errorf("the file is\n%s\nwant\n%s", text, after)
	}
	if l, err := AddExchange("", "team", team); err != nil || len(l.Changes) > 0 {
		t.Errorf("the second time: %v, %v", l.Changes, err)
	}
}

// TestAddExchangeKeepsTheLink: the config file may be a link into a place that is backed
// up, and may be shared.
func TestAddExchangeKeepsTheLink(t *testing.T) {
	dir := inHome(t, "")
	testhome.Write(t, dir, "dotfiles/config.toml", "# mine\n")
	testhome.Write(t, dir, ".config/s3share/x", "")
	link := filepath.Join(dir, ".config/s3share/config.toml")
	if err := errors.Join(os.Symlink(filepath.Join(dir, "dotfiles/config.toml"), link),
		os.Chmod(filepath.Join(dir, "dotfiles/config.toml"), 0o640)); err != nil {
		t.Fatal(err)
	}
	if _, err := AddExchange("", "", team); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Lstat(link); err != nil || info.Mode()&os.ModeSymlink == 0 {
		t.Errorf("the link is gone: %v, %v", info, err)
	}
	info, err := os.Stat(link)
	if err != nil || info.Mode().Perm() != 0o640 || info.Size() < 50 {
		t.Errorf("the file is %v, %v", info, err)
	}
}
