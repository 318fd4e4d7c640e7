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
	"github.com/s3share/s3share/s3backend"
)

// defaultExchange is mounted when nothing says which.
const defaultExchange = "default"

// configHint shows the least that a config file needs.
const configHint = `write [exchange.default] and bucket = "NAME" into it, or say --bucket`

// Path is where the config file is looked for; asked tells that somebody
// named it, so that it has to be there.
func Path(flag string) (file string, asked bool, err error) {
	if flag == "" {
		flag = os.Getenv(configVariable)
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
		return hint.With(fmt.Errorf("the config file %w", err),
			"name the one that is meant with --config, or set HOME to your own home")
	}
	return err
}

// readConfig lays the exchange's table of the config file over s. With no name it
// takes the one that `default = "NAME"` names, else the one called default, else
// the only one.
func readConfig(file, name string, s *Settings) error {
	data, err := os.ReadFile(file)
	switch {
	case errors.Is(err, fs.ErrNotExist) && strings.HasPrefix(name, "s3://"):
		return unknownExchange(file, name, nil)
	case errors.Is(err, fs.ErrNotExist) && name != "":
		return hint.With(fmt.Errorf("unknown exchange %q: there is no config file %s", name, file),
			fmt.Sprintf("write [exchange.%s] and bucket = \"NAME\" into it, or say --bucket",
				TOMLKey(name)))
	case errors.Is(err, fs.ErrNotExist):
		return hint.With(fmt.Errorf("there is no config file %s", file), configHint)
	case err != nil:
		return fmt.Errorf("cannot read the config file %s: %w", file, hint.WithoutPath(err))
	}
	all, err := readFile(file, data)
	if err != nil {
		return err
	}
	if name == "" {
		if name, err = all.choose(file); err != nil {
			return err
		}
	} else if !slices.Contains(all.names(), name) {
		return unknownExchange(file, name, all.names())
	}
	doc := struct {
		Exchange map[string]*Settings `toml:"exchange"`
	}{Exchange: map[string]*Settings{name: s}}
	folders := s.Folders
	s.Folders = nil
	if err := toml.NewDecoder(bytes.NewReader(data)).EnableUnmarshalerInterface().
		Decode(&doc); err != nil {
		return configError(file, data, err)
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

// contents are what a config file says.
type contents struct {
	Default  string               `toml:"default"`
	Exchange map[string]*Settings `toml:"exchange"`

	defaultRow int // the line of the key default
}

// names are those of the exchanges, sorted.
func (c *contents) names() []string { return slices.Sorted(maps.Keys(c.Exchange)) }

// readFile reads all of a config file, so that a mistake is found in whichever exchange it is.
func readFile(file string, data []byte) (*contents, error) {
	var c contents
	dec := toml.NewDecoder(bytes.NewReader(data)).DisallowUnknownFields().
		EnableUnmarshalerInterface()
	if err := dec.Decode(&c); err != nil {
		return nil, configError(file, data, err)
	}
	for _, name := range c.names() {
		for _, of := range c.Exchange[name].check() {
			if of.err != nil {
				return nil, fmt.Errorf("%s: %w",
					atLine(file, findLine(data, name, of.key, "")), of.err)
			}
		}
	}
	if c.Default != "" {
		c.defaultRow = findLine(data, "", defaultKey, "")
	}
	return &c, nil
}

// checkedKey is what is wrong with a key's value.
type checkedKey struct {
	key string
	err error
}

// check checks the values that the decoder takes in any form.
func (s *Settings) check() (all []checkedKey) {
	for _, folder := range s.Folders {
		all = append(all, checkedKey{"folders", CheckFolder(folder)})
	}
	if s.Owner != "" {
		all = append(all, checkedKey{"owner", prefixed("owner", checkOwner(s.Owner))})
	}
	if s.Bucket != "" {
		all = append(all, checkedKey{"bucket", CheckBucket(s.Bucket)})
	}
	if s.Endpoint != "" {
		all = append(all, checkedKey{"endpoint-url", s3backend.CheckEndpointURL(s.Endpoint)})
	}
	if s.Thumbnails != "" {
		all = append(all,
			checkedKey{"thumbnails", prefixed("thumbnails", checkThumbnails(s.Thumbnails))})
	}
	_, err := privatename.New(s.Private)
	all = append(all, checkedKey{"private", err})
	for key, size := range map[string]byteSize{"cache-size": s.CacheSize, "memory": s.Memory,
		"stage-size": s.StageSize} {
		if size < 0 { // a number is not parsed as a size
			err := fmt.Errorf(
				"%s: %d is no size; write it like \"512MiB\", or as a number of bytes", key, size)
			all = append(all, checkedKey{key, err})
		}
	}
	for key, rate := range map[string]byteRate{"limit-upload": s.Upload,
		"limit-download": s.Download} {
		all = append(all, checkedKey{key, prefixed(key, checkRate(int64(rate)))})
	}
	for _, text := range s.LimitTimes {
		_, err := parseLimitTime(text)
		all = append(all, checkedKey{"limit-times", prefixed("limit-times", err)})
	}
	return all
}

// prefixed is err after the key that it is about.
func prefixed(key string, err error) error {
	if err != nil {
		return fmt.Errorf("%s: %w", key, err)
	}
	return nil
}

// unknownExchange is the error for a name that no exchange has.
func unknownExchange(file, name string, names []string) error {
	if bucket, is := strings.CutPrefix(name, "s3://"); is {
		bucket, _, _ = strings.Cut(bucket, "/")
		return hint.Usage("name the bucket with --bucket "+bucket,
			"%q is the address of a bucket, not the name of an exchange", name)
	}
	return hint.With(fmt.Errorf("unknown exchange %q", name),
		hint.DidYouMean(name, names, fmt.Sprintf("%s has %s", file, orNone(names))))
}

// choose picks the exchange that is meant when nothing names one.
func (c *contents) choose(file string) (string, error) {
	names := c.names()
	switch {
	case slices.Contains(names, c.Default):
		return c.Default, nil
	case c.Default != "":
		return "",
			hint.With(fmt.Errorf("%s: default names the exchange %q, which the file does not have",
				atLine(file, c.defaultRow), c.Default),
				hint.DidYouMean(c.Default, names, "it has "+orNone(names)))
	case slices.Contains(names, defaultExchange):
		return defaultExchange, nil
	case len(names) == 1:
		return names[0], nil
	case len(names) == 0:
		return "", hint.With(fmt.Errorf("%s has no exchange", file), configHint)
	}
	return "",
		hint.Usage(fmt.Sprintf("name one: %s; or write default = \"NAME\" at the top of the file",
			strings.Join(names, ", ")),
			"%s has several exchanges, and none of them is named", file)
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

// isConfigKey reports whether an exchange's table may have the key.
func isConfigKey(key string) bool { return slices.Contains(configKeys(), key) }

func orNone(names []string) string {
	if len(names) == 0 {
		return "none"
	}
	return strings.Join(names, ", ")
}
