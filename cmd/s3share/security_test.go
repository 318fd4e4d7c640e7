package main

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// testsOf are the tests and fuzz targets of the repository, by name, with their files.
func testsOf(t *testing.T, root string) map[string]string {
	t.Helper()
	declared := regexp.MustCompile(`(?m)^func ((?:Test|Fuzz)\w*)\(`)
	all := map[string]string{}
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, "_test.go") {
			return err
		}
		text, err := os.ReadFile(path)
		for _, found := range declared.FindAllSubmatch(text, -1) {
			all[string(found[1])] = path
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// TestEveryThreatHasItsTest reads SECURITY.md: each threat names tests, and each is there.
func TestEveryThreatHasItsTest(t *testing.T) {
	text, err := os.ReadFile("../../SECURITY.md")
	if err != nil {
		t.Fatal(err)
	}
	tests := testsOf(t, "../..")
	_, threats, ok := strings.Cut(string(text), "\n## Threats\n")
	if !ok {
		t.Fatal("there is no list of threats")
	}
	name := regexp.MustCompile("`((?:Test|Fuzz)\\w+)`")
	rows := 0
	for line := range strings.Lines(threats) {
		columns := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), "|")
		if len(columns) != 3 || strings.HasSuffix(strings.TrimSpace(line), "shown by |") ||
			strings.HasPrefix(line, "|---") {
			if strings.Contains(line, "`Test") {
				t.Errorf("this is no threat: %s", line)
			}
			continue
		}
		rows++
		named := name.FindAllStringSubmatch(columns[2], -1)
		if len(named) == 0 {
			t.Errorf("nothing shows: %s", line)
		}
		for _, n := range named {
			if tests[n[1]] == "" {
				t.Errorf("there is no %s", n[1])
			}
		}
	}
	if rows < 20 {
		t.Errorf("only %d threats are found", rows)
	}
}

// TestEveryFuzzTargetHasItsCorpus: what was tried once is tried at every test.
func TestEveryFuzzTargetHasItsCorpus(t *testing.T) {
	for name, path := range testsOf(t, "../..") {
		if !strings.HasPrefix(name, "Fuzz") {
			continue
		}
		if kept, err := os.ReadDir(filepath.Join(filepath.Dir(path), "testdata",
			"fuzz", name)); err != nil || len(kept) == 0 {
			t.Errorf("%s of %s has no corpus: %v", name, path, err)
		}
	}
}
