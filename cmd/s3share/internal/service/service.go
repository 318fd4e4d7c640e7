// Package service installs and removes user units of systemd, each of which mounts one
// exchange when its user logs in.
//
// The unit is a template, whose instance is the exchange's name. The package of a distribution
// has it in a directory of systemd; else [Plan] writes it. What is special about one exchange,
// such as its folder, is in a drop-in. Only [Manager] speaks to systemd, by systemctl --user.
package service

import (
	"bytes"
	_ "embed"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/coreos/go-systemd/v22/unit"
	"github.com/google/renameio/v2"

	"github.com/s3share/s3share/cmd/s3share/internal/hint"
)

//go:embed s3share@.service
var template string

const (
	templateName = "s3share@.service"
	// packagedProgram is the program that the template runs, as a package installs it.
	packagedProgram = "/usr/bin/s3share"
	dropInName      = "mount.conf"
)

// packagedTemplate is where a package puts the template. Tests change it.
var packagedTemplate = "/usr/lib/systemd/user/" + templateName

// UnitName returns the name of the unit for an exchange.
func UnitName(exchange string) string {
	return "s3share@" + unit.UnitNameEscape(exchange) + ".service"
}

// Unit is what a unit for one exchange is made of.
type Unit struct {
	Exchange string
	Dir      string            // the mountpoint, absolute
	Program  string            // the path of s3share
	Env      map[string]string // variables that the program needs
}

// A File is one that a unit consists of.
type File struct{ Path, Text string }

// Files returns the files for u below a user's directory for units: the drop-in, and the template
// unless that of the package runs the same program.
func (u Unit) Files(units string) []File {
	var files []File
	if _, err := os.Stat(packagedTemplate); err != nil || u.Program != packagedProgram {
		files = append(files, File{filepath.Join(units, templateName),
			strings.ReplaceAll(template, packagedProgram, word(u.Program))})
	}
	return append(files, File{dropIn(units, u.Exchange), u.dropIn()})
}

func dropIn(units, exchange string) string {
	return filepath.Join(units, UnitName(exchange)+".d", dropInName)
}

func (u Unit) dropIn() string {
	var b strings.Builder
	fmt.Fprintf(&b, "# By s3share service install.\n[Service]\nEnvironment=%s\n",
		word("MOUNTPOINT="+u.Dir))
	for _, name := range slices.Sorted(maps.Keys(u.Env)) {
		fmt.Fprintf(&b, "Environment=%s\n", word(name+"="+u.Env[name]))
	}
	return b.String()
}

// word quotes a word for a unit's file: percent signs begin specifiers, and the rest is as in C.
// Source: systemd.unit(5), systemd.syntax(7).
func word(s string) string {
	s = strings.ReplaceAll(s, "%", "%%")
	if !strings.ContainsAny(s, " \t\n\"'\\$") {
		return s
	}
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`).Replace(s) + `"`
}

// UnitsDir returns the directory of a user's own units.
func UnitsDir() (string, error) {
	dir, err := os.UserConfigDir()
	if err != nil {
		return "", fmt.Errorf("cannot find the directory for units of systemd: %w", err)
	}
	return filepath.Join(dir, "systemd", "user"), nil
}

// Write writes files that are not as they have to be.
func Write(files []File) error {
	for _, f := range files {
		if old, err := os.ReadFile(f.Path); err == nil && string(old) == f.Text {
			continue
		}
		if err := os.MkdirAll(filepath.Dir(f.Path), 0o755); err != nil { // #nosec G301 -- as systemctl makes it
			return fmt.Errorf("cannot make %s: %w", filepath.Dir(f.Path), hint.WithoutPath(err))
		}
		if err := renameio.WriteFile(f.Path, []byte(f.Text), 0o644); err != nil {
			return fmt.Errorf("cannot write %s: %w", f.Path, hint.WithoutPath(err))
		}
	}
	return nil
}

// Installed returns the exchanges that have a drop-in of ours, sorted, with their folders.
func Installed(units string) (all []Unit, err error) {
	dirs, err := os.ReadDir(units)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	for _, dir := range dirs {
		name, ours := strings.CutPrefix(dir.Name(), "s3share@")
		name, isDropIn := strings.CutSuffix(name, ".service.d")
		if !ours || !isDropIn {
			continue
		}
		path := filepath.Join(units, dir.Name(), dropInName)
		text, err := os.ReadFile(path)
		if err != nil {
			continue // of others
		}
		u := Unit{Exchange: unit.UnitNameUnescape(name)}
		options, err := unit.DeserializeOptions(bytes.NewReader(text))
		if err != nil {
			return nil, fmt.Errorf("cannot read %s: %w", path, err)
		}
		for _, o := range options {
			if v, is := strings.CutPrefix(unquote(o.Value), "MOUNTPOINT="); is &&
				o.Name == "Environment" {
				u.Dir = v
			}
		}
		all = append(all, u)
	}
	slices.SortFunc(all, func(a, b Unit) int { return strings.Compare(a.Exchange, b.Exchange) })
	return all, nil
}

// unquote undoes word.
func unquote(s string) string {
	if len(s) >= 2 && s[0] == '"' && s[len(s)-1] == '"' {
		s = strings.NewReplacer(`\\`, `\`, `\"`, `"`, `\n`, "\n").Replace(s[1 : len(s)-1])
	}
	return strings.ReplaceAll(s, "%%", "%")
}

// Remove removes what [Write] has written for an exchange: the drop-in, and the template if no
// other exchange needs it.
func Remove(units, exchange string) error {
	file := dropIn(units, exchange)
	if err := os.Remove(file); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	_ = os.Remove(filepath.Dir(file)) // others may have put a drop-in there
	if rest, err := Installed(units); err != nil || len(rest) > 0 {
		return err
	}
	if err := os.Remove(filepath.Join(units, templateName)); err != nil &&
		!errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}
