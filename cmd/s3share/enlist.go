package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/google/renameio/v2"
	"github.com/pelletier/go-toml/v2"

	"github.com/s3share/s3share/s3backend/access"
)

// table is what the config file is to say about an exchange.
type table struct {
	Bucket   string   `toml:"bucket"`
	Endpoint string   `toml:"endpoint-url"`
	Region   string   `toml:"region"`
	Owner    string   `toml:"owner"`
	Profile  string   `toml:"profile"`
	Payer    bool     `toml:"requester-pays"`
	Folders  []string `toml:"folders"`
}

func newTable(i access.Invitation, profile string) table {
	t := table{Bucket: i.Bucket, Endpoint: i.Endpoint, Region: i.Region, Owner: i.Owner, Profile: profile, Payer: i.RequesterPays}
	if !slices.Equal(i.Folders, access.DefaultFolders()) {
		t.Folders = i.Folders
	}
	return t
}

// lines are the table as the file has it. JSON's strings are TOML's.
func (t table) lines() string {
	var b strings.Builder
	for _, key := range []struct{ name, value string }{
		{"bucket", t.Bucket}, {"endpoint-url", t.Endpoint}, {"region", t.Region}, {"owner", t.Owner}, {"profile", t.Profile},
	} {
		if key.value != "" {
			fmt.Fprintf(&b, "%s = %s\n", key.name, tomlString(key.value))
		}
	}
	if t.Payer {
		fmt.Fprintf(&b, "%s = true\n", payerSetting)
	}
	if len(t.Folders) > 0 {
		list := make([]string, len(t.Folders))
		for i, f := range t.Folders {
			list[i] = tomlString(f)
		}
		fmt.Fprintf(&b, "folders = [%s]\n", strings.Join(list, ", "))
	}
	return b.String()
}

// tomlString quotes s in the escapes that TOML and JSON have in common.
func tomlString(s string) string {
	text, err := json.Marshal(s)
	if err != nil {
		panic(err) // a string cannot fail
	}
	return string(text)
}

// errOtherExchange says that a name is taken.
var errOtherExchange = errors.New("an exchange of that name is there already, and it is another")

// enlist adds a table to the config file, at its end, and leaves all else in it as
// it is. name is the bucket's if there is none. An exchange of that name that is the
// same one stays as it is.
func enlist(config, name string, t table) (file, used string, err error) {
	if name == "" {
		name = t.Bucket
	}
	file, asked, err := configPath(config)
	if err == nil && !asked {
		err = checkConfig(file)
	}
	if err != nil {
		return "", "", err
	}
	if real, err := filepath.EvalSymlinks(file); err == nil {
		file = real // the link stays, and what it leads to is changed
	}
	old, err := os.ReadFile(file)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return file, name, rootCause(err)
	}
	if there, err := sameExchange(file, old, name, t); there || err != nil {
		return file, name, err
	}
	text := slices.Clone(old)
	if len(text) > 0 {
		text = append(bytes.TrimRight(text, "\n"), "\n\n"...)
	}
	text = append(text, "[exchange."+tomlKey(name)+"]\n"...)
	text = append(text, t.lines()...)
	if err := proveAdded(file, old, text, name); err != nil {
		return file, name, err
	}
	return file, name, replaceFile(file, text)
}

// sameExchange tells whether the file has the exchange already.
func sameExchange(file string, text []byte, name string, t table) (bool, error) {
	var doc struct {
		Exchange map[string]table `toml:"exchange"`
	}
	if err := toml.Unmarshal(text, &doc); err != nil {
		return false, configError(file, err)
	}
	is, ok := doc.Exchange[name]
	switch {
	case !ok:
		return false, nil
	case is.Bucket != t.Bucket || is.Endpoint != t.Endpoint || is.Owner != "" && t.Owner != "" && is.Owner != t.Owner:
		return false, advise(fmt.Errorf("%w: [exchange.%s] of %s", errOtherExchange, tomlKey(name), file), "give this one another name with --name")
	}
	return true, nil
}

// proveAdded reads what is to be written: all that was there has to be there, and
// the new exchange.
func proveAdded(file string, old, text []byte, name string) error {
	var before, after map[string]any
	err := errors.Join(toml.Unmarshal(old, &before), toml.Unmarshal(text, &after))
	if err == nil {
		exchanges, _ := after["exchange"].(map[string]any)
		if _, ok := exchanges[name]; ok {
			delete(exchanges, name)
			if _, had := before["exchange"]; !had && len(exchanges) == 0 {
				delete(after, "exchange")
			}
			if fmt.Sprint(before) == fmt.Sprint(after) {
				return nil
			}
		}
	}
	return advise(fmt.Errorf("cannot add to %s: its exchanges are written in another way than in tables", file),
		fmt.Sprintf("add [exchange.%s] by hand, or name another file with --config", tomlKey(name)))
}

var bareKey = regexp.MustCompile(`^[A-Za-z0-9_-]+$`)

// tomlKey writes a name as a key.
func tomlKey(name string) string {
	if bareKey.MatchString(name) {
		return name
	}
	return tomlString(name)
}

// replaceFile puts text in the place of file, all or nothing.
func replaceFile(file string, text []byte) error {
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		return err
	}
	return renameio.WriteFile(file, text, 0o600, renameio.WithExistingPermissions())
}

// mountEnlisted mounts an exchange of the config file on dir, which is made if it
// is not there, in the background.
func mountEnlisted(config, name, dir string) error {
	if err := os.Mkdir(dir, 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("cannot make %s: %w", dir, rootCause(err))
	}
	args := []string{"mount", name, dir}
	if config != "" {
		args = []string{"mount", "--config", config, name, dir}
	}
	return background(args, notOfMounts(os.Environ()))
}

// notOfMounts is env without what would stand before the config file, and was meant
// for another exchange.
func notOfMounts(env []string) []string {
	return slices.DeleteFunc(env, func(v string) bool {
		name, _, _ := strings.Cut(v, "=")
		return slices.Contains([]string{"S3SHARE_BUCKET", "S3SHARE_ENDPOINT_URL", "S3SHARE_REGION", "S3SHARE_OWNER", "S3SHARE_FOLDER"}, name)
	})
}
