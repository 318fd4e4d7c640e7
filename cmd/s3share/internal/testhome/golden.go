package testhome

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/mattn/go-runewidth"
)

// CheckScreen compares a text with testdata/screens/name.txt, and with what docs/screens.md shows
// under that name; update writes it there. No line may be wider than width. The test runs in
// a directory below internal.
func CheckScreen(t *testing.T, update bool, name, got string, width int) {
	t.Helper()
	for line := range strings.SplitSeq(got, "\n") {
		if n := runewidth.StringWidth(line); n > width {
			t.Errorf("%s: a line has %d columns, of %d: %s", name, n, width, line)
		}
	}
	file := filepath.Join("testdata", "screens", name+".txt")
	const docs = "../../../../docs/screens.md"
	page, err := os.ReadFile(docs)
	if err != nil {
		t.Fatal(err)
	}
	block := regexp.MustCompile(`(?s)(<!-- ` + regexp.QuoteMeta(name) + ` -->\n+` +
		"```text\n)(.*?)(```\n)")
	shown := block.FindSubmatch(page)
	CheckGolden(t, update, file, got)
	switch {
	case shown == nil:
	case update:
		page = block.ReplaceAll(page, []byte("${1}"+strings.ReplaceAll(got, "$", "$$")+"${3}"))
		if err := os.WriteFile(docs, page, 0o644); err != nil {
			t.Fatal(err)
		}
	case string(shown[2]) != got:
		t.Errorf("docs/screens.md shows of %s\n%s\nand it is\n%s", name, shown[2], got)
	}
}

// CheckGolden compares a text with the file that has it; update writes the file.
func CheckGolden(t *testing.T, update bool, file, got string) {
	t.Helper()
	if update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("got\n%s\nwant, from %s,\n%s", got, file, want)
	}
}
