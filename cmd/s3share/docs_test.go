package main

import (
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"
)

var (
	docLink    = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	docHeading = regexp.MustCompile(`(?m)^#+ +(.+)$`)
	docCode    = regexp.MustCompile("(?ms)^```.*?^```$")
	codePath   = regexp.MustCompile("`((?:cmd|fs|cache|s3backend|integration|docs)/[a-z0-9_/.]+)`")
)

// anchor returns the fragment that names a heading, as hosts of Markdown make it.
func anchor(heading string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == ' ':
			return '-'
		case r == '-' || r == '_' || unicode.IsLetter(r) || unicode.IsDigit(r):
			return unicode.ToLower(r)
		}
		return -1
	}, strings.TrimSpace(heading))
}

// TestSetUpScreens: docs/screens.md shows what init and join print, which fits 80 columns but for
// what is to be copied.
func TestSetUpScreens(t *testing.T) {
	const docs = "../../docs/screens.md"
	for name, of := range map[string]string{"init": "init-new", "join": "join"} {
		text, err := os.ReadFile(filepath.Join("testdata", of+".txt"))
		if err != nil {
			t.Fatal(err)
		}
		_, text, _ = bytes.Cut(text, []byte("\n")) // the command
		text, _, _ = bytes.Cut(text, []byte("exit status "))
		text = bytes.ReplaceAll(text, []byte("$HOME"), []byte("/home/ann"))
		for line := range strings.Lines(string(text)) {
			if n := utf8.RuneCountInString(strings.TrimRight(line, "\n")); n > 80 &&
				!strings.HasPrefix(line, "    s3share join ") {
				t.Errorf("%s has a line of %d columns: %s", name, n, line)
			}
		}
		page, err := os.ReadFile(docs)
		if err != nil {
			t.Fatal(err)
		}
		block := regexp.MustCompile(`(?s)(<!-- ` + name + ` -->\n+` + "```text\n)(.*?)(```\n)")
		shown := block.FindSubmatch(page)
		switch {
		case shown == nil:
			t.Errorf("docs/screens.md does not show %s", name)
		case *update:
			if err := os.WriteFile(docs, block.ReplaceAll(page,
				append(append([]byte("${1}"), text...), "${3}"...)), 0o644); err != nil {
				t.Fatal(err)
			}
		case !bytes.Equal(shown[2], text):
			t.Errorf("docs/screens.md shows of %s\n%s\nand it is\n%s", name, shown[2], text)
		}
	}
}

// TestDocLinks follows each link within the documents, to a file and to a heading in it, and
// each path of the repository that they name. The README has to link every page.
func TestDocLinks(t *testing.T) {
	root := filepath.Join("..", "..")
	pages, err := fs.Glob(os.DirFS(root), "docs/*.md")
	if err != nil || len(pages) == 0 {
		t.Fatalf("no pages in docs: %v", err)
	}
	readme, err := os.ReadFile(filepath.Join(root, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, page := range pages {
		if !strings.Contains(string(readme), "("+page+")") {
			t.Errorf("README.md has no link to %s", page)
		}
	}
	pages = append(pages, "README.md", "CONTRIBUTING.md", "SECURITY.md")
	headings := map[string]map[string]bool{}
	anchorsOf := func(path string) map[string]bool {
		if headings[path] == nil {
			text, _ := os.ReadFile(filepath.Join(root, path))
			headings[path] = map[string]bool{}
			for _, m := range docHeading.FindAllSubmatch(docCode.ReplaceAll(text, nil), -1) {
				headings[path][anchor(string(m[1]))] = true
			}
		}
		return headings[path]
	}
	for _, page := range pages {
		b, err := os.ReadFile(filepath.Join(root, page))
		if err != nil {
			t.Fatal(err)
		}
		text := string(docCode.ReplaceAll(b, nil))
		for _, m := range docLink.FindAllStringSubmatch(text, -1) {
			if strings.Contains(m[1], "://") {
				continue
			}
			file, fragment, _ := strings.Cut(m[1], "#")
			target := page
			if file != "" {
				target = filepath.Join(filepath.Dir(page), file)
			}
			if _, err := os.Stat(filepath.Join(root, target)); err != nil {
				t.Errorf("%s links to %s, which does not exist", page, m[1])
			} else if fragment != "" && !anchorsOf(target)[fragment] {
				t.Errorf("%s links to %s, and %s has no such heading", page, m[1], target)
			}
		}
		for _, m := range codePath.FindAllStringSubmatch(text, -1) {
			if _, err := os.Stat(filepath.Join(root, m[1])); err != nil {
				t.Errorf("%s names %s, which does not exist", page, m[1])
			}
		}
	}
}

// TestComparisonIsAsMeasured compares the figures of docs/comparison.md with those of the
// benchmarks.
func TestComparisonIsAsMeasured(t *testing.T) {
	read := func(name string) string {
		text, err := os.ReadFile(filepath.Join("..", "..", "docs", name))
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	section := func(page, heading string) string {
		_, text, _ := strings.Cut(page, "\n"+heading)
		text, _, _ = strings.Cut(text, "\n## ")
		return text
	}
	page := read("comparison.md")
	measured := section(read("benchmarks.md"), "## far ")
	rows := regexp.MustCompile(`(?m)^\| [a-z0-9_]+ \| [0-9.]+ \|.*$`).FindAllString(section(page,
		"## Speed of mounts\n"), -1)
	if len(rows) < 10 {
		t.Fatalf("only %d rows of speeds are found", len(rows))
	}
	for _, row := range rows {
		if !strings.Contains(measured, "\n"+row) {
			t.Errorf("docs/comparison.md has another row than docs/benchmarks.md: %s", row)
		}
	}
	moved := section(read("benchmarks-put-get.md"), "## far ")
	rows = regexp.MustCompile(`(?m)^\| (?:put|get) .*$`).FindAllString(section(page,
		"## put and get\n"), -1)
	if len(rows) != 4 {
		t.Fatalf("%d rows of put and get are found, want 4", len(rows))
	}
	for _, row := range rows {
		cells := strings.Split(strings.Trim(row, "| "), " | ")
		for i, program := range []string{"s3share", "rclone", "rclone:tuned"} {
			if want := "| " + cells[0] + " | " + program + " | " +
				cells[1+i] + " |"; !strings.Contains(moved, want) {
				t.Errorf("docs/benchmarks-put-get.md has no row that begins with %s", want)
			}
		}
	}
}
