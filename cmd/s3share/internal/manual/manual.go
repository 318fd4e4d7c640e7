// Package manual writes a manual page for each command, from what the command's --help knows.
package manual

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// Pages returns the pages of root and of all commands below it that people see, by the names of
// their files. version and date are in the pages' last lines.
func Pages(root *cobra.Command, version string, date time.Time) map[string]string {
	pages := map[string]string{}
	var add func(*cobra.Command)
	add = func(cmd *cobra.Command) {
		pages[pageName(cmd)+".1"] = page(cmd, version, date)
		for _, c := range visible(cmd) {
			add(c)
		}
	}
	add(root)
	// By mount(8) the program has this name.
	pages["mount.s3share.8"] = ".so man1/s3share-mount.1\n"
	return pages
}

// Write writes pages into dir/man1 and dir/man8.
func Write(dir string, pages map[string]string) error {
	for name, text := range pages {
		section := filepath.Join(dir, "man"+strings.TrimPrefix(filepath.Ext(name), "."))
		if err := os.MkdirAll(section, 0o755); err != nil { // #nosec G301 -- everybody reads manuals
			return err
		}
		if err := os.WriteFile(filepath.Join(section, name), []byte(text), 0o644); err != nil { // #nosec G306 -- as above
			return err
		}
	}
	return nil
}

// pageName is the name of a command's page: s3share-service-install for s3share service install.
func pageName(cmd *cobra.Command) string {
	return strings.ReplaceAll(cmd.CommandPath(), " ", "-")
}

func visible(cmd *cobra.Command) []*cobra.Command {
	return slices.DeleteFunc(slices.Clone(cmd.Commands()),
		func(c *cobra.Command) bool { return !c.IsAvailableCommand() || c.Name() == "help" })
}

func page(cmd *cobra.Command, version string, date time.Time) string {
	var b strings.Builder
	name := pageName(cmd)
	fmt.Fprintf(&b, ".TH %s 1 %s \"s3share %s\" \"Commands of s3share\"\n",
		strings.ToUpper(escape(name)), date.UTC().Format(time.DateOnly), escape(version))
	fmt.Fprintf(&b, ".SH NAME\n%s \\- %s\n", escape(name), escape(cmd.Short))
	use := strings.Fields(cmd.UseLine())
	if cmd.HasSubCommands() {
		use = append(strings.Fields(cmd.CommandPath()), "COMMAND", "[flags]")
	}
	words := len(strings.Fields(cmd.CommandPath()))
	fmt.Fprintf(&b, ".SH SYNOPSIS\n\\fB%s\\fR %s\n", escape(strings.Join(use[:words], " ")),
		escape(strings.Join(use[words:], " ")))
	b.WriteString(".SH DESCRIPTION\n")
	b.WriteString(text(cmd.Long))
	if below := visible(cmd); len(below) > 0 {
		b.WriteString(".SH COMMANDS\n")
		for _, c := range below {
			fmt.Fprintf(&b, ".TP\n\\fB%s\\fR\n%s\n", escape(c.CommandPath()), escape(c.Short))
		}
	}
	b.WriteString(options(cmd))
	if cmd.Example != "" {
		b.WriteString(".SH EXAMPLES\n")
		b.WriteString(text(cmd.Example))
	}
	b.WriteString(seeAlso(cmd))
	return b.String()
}

// options lists the flags of a command.
func options(cmd *cobra.Command) string {
	cmd.InitDefaultHelpFlag()
	cmd.InitDefaultVersionFlag()
	var b strings.Builder
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		if f.Hidden {
			return
		}
		arg, usage := pflag.UnquoteUsage(f)
		b.WriteString(".TP\n")
		if f.Shorthand != "" {
			fmt.Fprintf(&b, "\\fB\\-%s\\fR, ", f.Shorthand)
		}
		fmt.Fprintf(&b, "\\fB\\-\\-%s\\fR", escape(f.Name))
		if arg != "" {
			fmt.Fprintf(&b, " \\fI%s\\fR", escape(arg))
		}
		fmt.Fprintf(&b, "\n%s\n", escape(usage))
	})
	if b.Len() == 0 {
		return ""
	}
	return ".SH OPTIONS\n" + b.String()
}

func seeAlso(cmd *cobra.Command) string {
	var others []string
	if cmd.HasParent() {
		others = append(others, pageName(cmd.Parent()))
		for _, c := range visible(cmd.Parent()) {
			if c != cmd {
				others = append(others, pageName(c))
			}
		}
	}
	for _, c := range visible(cmd) {
		others = append(others, pageName(c))
	}
	slices.Sort(others)
	var b strings.Builder
	b.WriteString(".SH SEE ALSO\n")
	for i, name := range others {
		comma := ","
		if i == len(others)-1 {
			comma = ""
		}
		fmt.Fprintf(&b, ".BR %s (1)%s\n", escape(name), comma)
	}
	return b.String()
}

// text is what --help prints, in roff: lines that are indented stay as they are.
func text(s string) string {
	var b strings.Builder
	shown, paragraph := false, true
	for line := range strings.Lines(strings.TrimRight(s, "\n") + "\n") {
		line = strings.TrimRight(line, "\n")
		indented := strings.HasPrefix(line, "  ") || strings.HasPrefix(line, "\t")
		switch {
		case line == "":
			paragraph = true
			continue
		case indented && !shown:
			if b.Len() > 0 {
				b.WriteString(".PP\n")
			}
			b.WriteString(".RS 4\n.nf\n")
		case !indented && shown:
			b.WriteString(".fi\n.RE\n.PP\n")
		case indented && paragraph:
			b.WriteString("\n")
		case paragraph && b.Len() > 0:
			b.WriteString(".PP\n")
		}
		shown, paragraph = indented, false
		if indented {
			line = strings.TrimPrefix(strings.TrimPrefix(strings.TrimPrefix(line, "\t"), "  "),
				"  ")
		}
		b.WriteString(escape(line) + "\n")
	}
	if shown {
		b.WriteString(".fi\n.RE\n")
	}
	return b.String()
}

// escape has roff print s as it is. Source: groff_char(7), groff(7).
func escape(s string) string {
	s = strings.NewReplacer(`\`, `\e`, "-", `\-`, "~", `\(ti`, "^", `\(ha`, "`",
		`\(ga`, "'", `\(aq`, "…", "...").Replace(s)
	if strings.HasPrefix(s, ".") {
		s = `\&` + s
	}
	return s
}
