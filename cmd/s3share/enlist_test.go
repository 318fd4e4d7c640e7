package main

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

var team = table{Bucket: "team-exchange", Region: "eu-central-1", Owner: "111122223333", Profile: "team"}

// TestEnlist adds an exchange to config files of all kinds, and mount finds it.
func TestEnlist(t *testing.T) {
	for _, tt := range []struct {
		name, before string
		as           string // its name
		table        table
	}{
		{"no file", "", "", team},
		{"comments and no last line end", "# mine\n[exchange.other] # theirs\nbucket = \"b\"", "", team},
		{"a default", "default = \"other\"\n[exchange.other]\nbucket = \"b\"\n\n\n", "team", team},
		{"a name with dots", "", "team.exchange", team},
		{"folders", "", "", table{Bucket: "b", Folders: []string{"In", `Out "2"`}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := inHome(t, tt.before)
			file, name, err := enlist("", tt.as, tt.table)
			if err != nil {
				t.Fatal(err)
			}
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if !strings.HasPrefix(string(text), strings.TrimRight(tt.before, "\n")) {
				t.Errorf("what was there is not there any more:\n%s", text)
			}
			s, err := said{exchange: name}.resolve()
			if err != nil {
				t.Fatalf("%v in\n%s", err, text)
			}
			folders := tt.table.Folders
			if folders == nil {
				folders = defaults().Folders
			}
			if s.Bucket != tt.table.Bucket || s.Region != tt.table.Region || s.Owner != tt.table.Owner || s.Profile != tt.table.Profile ||
				strings.Join(s.Folders, "/") != strings.Join(folders, "/") {
				t.Errorf("mount reads %+v from\n%s", s, text)
			}
			if _, _, err := enlist("", tt.as, tt.table); err != nil {
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

func TestEnlistRefuses(t *testing.T) {
	for _, tt := range []struct{ name, before, words string }{
		{"another exchange", "[exchange.team]\nbucket = \"b\"\n", "another"},
		{"another owner", "[exchange.team]\nbucket = \"team-exchange\"\nowner = \"999999999999\"\n", "another"},
		{"an inline table", "exchange = { other = { bucket = \"b\" } }\n", "by hand"},
		{"no TOML", "[exchange\n", "config.toml:1"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			inHome(t, tt.before)
			file, _, err := enlist("", "team", team)
			if err == nil {
				t.Fatal("it was added")
			}
			_, hint := verdict(err)
			if !strings.Contains(err.Error()+hint, tt.words) {
				t.Errorf("%v (%s), want %q in it", err, hint, tt.words)
			}
			if text, err := os.ReadFile(file); err != nil || string(text) != tt.before {
				t.Errorf("the file has become %q, %v", text, err)
			}
		})
	}
}

// TestEnlistKeepsTheLink: the config file may be a link into a place that is backed
// up, and may be shared.
func TestEnlistKeepsTheLink(t *testing.T) {
	dir := inHome(t, "")
	write(t, dir, "dotfiles/config.toml", "# mine\n")
	write(t, dir, ".config/s3share/x", "")
	link := filepath.Join(dir, ".config/s3share/config.toml")
	if err := errors.Join(os.Symlink(filepath.Join(dir, "dotfiles/config.toml"), link), os.Chmod(filepath.Join(dir, "dotfiles/config.toml"), 0o640)); err != nil {
		t.Fatal(err)
	}
	if _, _, err := enlist("", "", team); err != nil {
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
