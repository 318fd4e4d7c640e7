package config

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/pelletier/go-toml/v2"

	"github.com/s3share/s3share/cache/privatedir"
	"github.com/s3share/s3share/cache/privatename"
	"github.com/s3share/s3share/cmd/s3share/internal/hint"
	"github.com/s3share/s3share/cmd/s3share/internal/mounts"
)

// defaultExchange is mounted when nothing says which.
const defaultExchange = "default"

// configHint shows the least that a config file needs.
const configHint = `write [exchange.default] and bucket = "NAME" into it, or say --bucket`

// Path is where the config file is looked for; asked tells that somebody
// named it, so that it has to be there.
func Path(flag string) (file string, asked bool, err error) {
	if flag == "" {
		flag = os.Getenv("S3SHARE_CONFIG")
	}
	if flag != "" {
		file, err = mounts.AbsPath(flag)
		return file, true, err
	}
	dir, err := os.UserConfigDir()
	if err != nil {
		return "", false, fmt.Errorf("cannot find the config file: %w", err)
	}
	return filepath.Join(dir, "s3share", "config.toml"), false, nil
}

// CheckedPath is Path for a file that is read or written: one that nobody named has
// to be in a place that no other user can change, whether it is there or not.
func CheckedPath(flag string) (file string, asked bool, err error) {
	file, asked, err = Path(flag)
	if err == nil && !asked {
		err = checkConfig(file)
	}
	return file, asked, err
}

// checkConfig refuses the config file that nobody named if it is another user's, or
// they can change it: it says where our credentials go. That is so where a program
// that became another user still has the home of the first.
func checkConfig(file string) error {
	err := privatedir.CheckFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	var unsafe *privatedir.UnsafeError
	if errors.As(err, &unsafe) {
		return hint.With(fmt.Errorf("the config file %w", err), "name the one that is meant with --config, or set HOME to your own home")
	}
	return err
}

// readConfig lays the exchange's table of the config file over s. With no name it
// takes the one that `default = "NAME"` names, else the one called default, else
// the only one.
func readConfig(file, name string, s *Settings) error {
	data, err := os.ReadFile(file)
	switch {
	case errors.Is(err, fs.ErrNotExist) && name != "":
		return hint.With(fmt.Errorf("unknown exchange %q: there is no config file %s", name, file),
			fmt.Sprintf("write [exchange.%s] and bucket = \"NAME\" into it", name))
	case errors.Is(err, fs.ErrNotExist):
		return hint.With(fmt.Errorf("there is no config file %s", file), configHint)
	case err != nil:
		return fmt.Errorf("cannot read the config file: %w", err)
	}
	named, err := outline(file, data)
	if err != nil {
		return err
	}
	if name == "" {
		if name, err = named.choose(file); err != nil {
			return err
		}
	}
	// Every table is read, for its typos; the one that is asked for lands in s.
	doc := struct {
		Default  string               `toml:"default"`
		Exchange map[string]*Settings `toml:"exchange"`
	}{Exchange: map[string]*Settings{name: s}}
	folders := s.Folders
	s.Folders = nil
	dec := toml.NewDecoder(bytes.NewReader(data)).DisallowUnknownFields().EnableUnmarshalerInterface()
	if err := dec.Decode(&doc); err != nil {
		return configError(file, err)
	}
	if !slices.Contains(named.exchanges, name) {
		return hint.With(fmt.Errorf("unknown exchange %q", name), fmt.Sprintf("%s has %s", file, orNone(named.exchanges)))
	}
	for exchange, t := range doc.Exchange {
		var err error
		for _, folder := range t.Folders {
			err = errors.Join(err, CheckFolder(folder))
		}
		if t.Owner != "" {
			err = errors.Join(err, checkOwner(t.Owner))
		}
		_, badName := privatename.New(t.Private)
		if err = errors.Join(err, badName, t.checkSizes()); err != nil {
			return fmt.Errorf("cannot read %s: exchange %q: %w", file, exchange, err)
		}
	}
	s.Exchange = name
	if len(s.Folders) == 0 {
		s.Folders = folders
	}
	for _, p := range []*string{&s.StateDir, &s.CacheDir, &s.LogFile} {
		if *p == "" {
			continue
		}
		if *p, err = mounts.AbsPath(*p); err != nil {
			return err
		}
	}
	return nil
}

// checkSizes refuses negative sizes: the config file may have them as numbers, which
// byteSize does not parse.
func (s *Settings) checkSizes() error {
	for _, size := range []byteSize{s.CacheSize, s.Memory, s.StageSize} {
		if size < 0 {
			return fmt.Errorf("%d is no size; write it like \"512MiB\", or as a number of bytes", size)
		}
	}
	return nil
}

// named is what a config file gives names to.
type named struct {
	byDefault string   // of the key default, "" if there is none
	exchanges []string // sorted
}

func outline(file string, data []byte) (named, error) {
	var doc struct {
		Default  string         `toml:"default"`
		Exchange map[string]any `toml:"exchange"`
	}
	if err := toml.Unmarshal(data, &doc); err != nil {
		return named{}, configError(file, err)
	}
	return named{doc.Default, slices.Sorted(maps.Keys(doc.Exchange))}, nil
}

// choose picks the exchange that is meant when nothing names one.
func (n named) choose(file string) (string, error) {
	switch {
	case n.byDefault != "":
		return n.byDefault, nil
	case slices.Contains(n.exchanges, defaultExchange):
		return defaultExchange, nil
	case len(n.exchanges) == 1:
		return n.exchanges[0], nil
	case len(n.exchanges) == 0:
		return "", hint.With(fmt.Errorf("%s has no exchange", file), configHint)
	}
	return "", hint.Usage(fmt.Sprintf("name one: %s; or write default = \"NAME\" at the top of %s", strings.Join(n.exchanges, ", "), file),
		"which exchange is meant?")
}

// configError says where in the file the mistake is.
func configError(file string, err error) error {
	var (
		strict *toml.StrictMissingError
		decode *toml.DecodeError
	)
	if errors.As(err, &strict) && len(strict.Errors) > 0 {
		e := strict.Errors[0]
		row, _ := e.Position()
		return hint.With(fmt.Errorf("%s:%d: unknown key %q", file, row, strings.Join(e.Key(), ".")),
			"known are "+strings.Join(configKeys(), ", "))
	}
	if errors.As(err, &decode) {
		row, column := decode.Position()
		where := ""
		if key := decode.Key(); len(key) > 0 {
			where = fmt.Sprintf(" (key %q)", strings.Join(key, "."))
		}
		text := strings.TrimPrefix(decode.Error(), "toml: ")
		text, _, _ = strings.Cut(text, " into struct field ") // what follows names our types
		return fmt.Errorf("%s:%d:%d: %s%s", file, row, column, text, where)
	}
	return fmt.Errorf("cannot read %s: %w", file, err)
}

// configKeys are the keys of an exchange's table.
func configKeys() []string {
	var keys []string
	for _, st := range settingTable {
		if st.name == FolderSetting {
			keys = append(keys, "folders")
			continue
		}
		keys = append(keys, st.name)
	}
	return keys
}

func orNone(names []string) string {
	if len(names) == 0 {
		return "none"
	}
	return strings.Join(names, ", ")
}
