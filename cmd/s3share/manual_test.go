package main

import (
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/s3share/s3share/cmd/s3share/internal/manual"
	"github.com/s3share/s3share/cmd/s3share/internal/testhome"
)

// TestManual looks for each command and each of its flags in its page, and for what mandoc has to
// say against the pages.
func TestManual(t *testing.T) {
	pages := manual.Pages(newRoot(io.Discard, io.Discard), "1.2.3", time.Unix(0, 0))
	var look func(cmd *cobra.Command)
	look = func(cmd *cobra.Command) {
		if cmd.Hidden || cmd.Name() == "help" {
			return
		}
		name := strings.ReplaceAll(cmd.CommandPath(), " ", "-") + ".1"
		page, ok := pages[name]
		if !ok {
			t.Errorf("there is no page %s", name)
		}
		has := func(what, line string) {
			t.Helper()
			if !strings.Contains(page, strings.NewReplacer("-", `\-`, "'", `\(aq`).Replace(line)) {
				t.Errorf("%s has no line about %s", name, what)
			}
		}
		has("the command", cmd.Short)
		cmd.Flags().VisitAll(func(f *pflag.Flag) {
			if f.Hidden {
				return
			}
			has("--"+f.Name, `\fB--`+f.Name+`\fR`)
			if f.Shorthand != "" {
				has("-"+f.Shorthand, `\fB-`+f.Shorthand+`\fR, `)
			}
		})
		for _, c := range cmd.Commands() {
			look(c)
		}
	}
	look(newRoot(io.Discard, io.Discard))
	golden := pages["s3share-service-install.1"]
	goldenText(t, "manual", golden)

	_, err := exec.LookPath("mandoc")
	testhome.Need(t, "mandoc", err == nil, "mandoc is not in PATH")
	dir := t.TempDir()
	if err := manual.Write(dir, pages); err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(filepath.Join(dir, "man1", "*.1"))
	if err != nil || len(files) != len(pages)-1 {
		t.Fatalf("there are %d files of %d pages: %v", len(files), len(pages)-1, err)
	}
	cmd := exec.CommandContext(t.Context(),
		"mandoc", append([]string{"-T", "lint", "-W", "warning"}, files...)...)
	cmd.Env = append(os.Environ(), "LC_ALL=C.UTF-8")
	if out, err := cmd.CombinedOutput(); err != nil || len(out) > 0 {
		t.Errorf("mandoc: %v\n%s", err, out)
	}
}
