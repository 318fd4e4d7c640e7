package config

import (
	"bytes"
	"cmp"
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

	"github.com/s3share/s3share/cmd/s3share/internal/hint"
	"github.com/s3share/s3share/s3backend/access"
)

// Entry is what the config file is to say about an exchange.
type Entry struct {
	Bucket   string   `toml:"bucket"`
	Endpoint string   `toml:"endpoint-url"`
	Region   string   `toml:"region"`
	Owner    string   `toml:"owner"`
	Profile  string   `toml:"profile"`
	Payer    bool     `toml:"requester-pays"`
	Folders  []string `toml:"folders"`
}

// NewEntry returns the entry for an invitation, with the AWS profile to use. Default folders
// are left out.
func NewEntry(i access.Invitation, profile string) Entry {
	t := Entry{Bucket: i.Bucket, Endpoint: i.Endpoint, Region: i.Region, Owner: i.Owner,
		Profile: profile, Payer: i.RequesterPays}
	if !slices.Equal(i.Folders, access.DefaultFolders()) {
		t.Folders = i.Folders
	}
	return t
}

// keyValue is a key of a table, and its value as the file has it, "" for none.
type keyValue struct{ key, value string }

// keyValues are what the table says, in the order in which the file has it. JSON's strings
// are TOML's.
func (t Entry) keyValues() []keyValue {
	quoted := func(v string) string {
		if v == "" {
			return ""
		}
		return tomlString(v)
	}
	payer, folders := "", ""
	if t.Payer {
		payer = "true"
	}
	if len(t.Folders) > 0 {
		list := make([]string, len(t.Folders))
		for i, f := range t.Folders {
			list[i] = tomlString(f)
		}
		folders = "[" + strings.Join(list, ", ") + "]"
	}
	return []keyValue{
		{"bucket", quoted(t.Bucket)}, {"endpoint-url", quoted(t.Endpoint)}, {"region",
			quoted(t.Region)}, {"owner", quoted(t.Owner)},
		{"profile", quoted(t.Profile)}, {PayerSetting, payer}, {"folders", folders},
	}
}

// lines are the table as the file has it.
func (t Entry) lines() string {
	var b strings.Builder
	for _, e := range t.keyValues() {
		if e.value != "" {
			fmt.Fprintf(&b, "%s = %s\n", e.key, e.value)
		}
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
var errOtherExchange = errors.New("the name is taken by another exchange")

// exchangeEntry is what the config file says of an exchange.
type exchangeEntry struct {
	File    string
	text    []byte
	Name    string   // of the exchange
	there   bool     // it has it
	Owner   string   // of it, as the file has it
	Changes []change // to what it says, if it has it
}

// change is one to an exchange of the config file.
type change struct {
	key     string
	was, is string // as the file has them, "" for nothing
}

func (c change) String() string {
	return fmt.Sprintf("%s: %s (now %s)", c.key, cmp.Or(c.is, "nothing"), cmp.Or(c.was, "nothing"))
}

// FindExchange finds out what the config file says of an exchange. name is the bucket's if
// there is none.
func FindExchange(config, name string, t Entry) (l exchangeEntry, err error) {
	l.Name = cmp.Or(name, t.Bucket)
	var entries map[string]Entry
	if l.File, l.text, entries, err = readEntries(config); err != nil {
		return l, err
	}
	is, there := entries[l.Name]
	if there && (is.Bucket != t.Bucket || is.Endpoint != t.Endpoint ||
		is.Owner != "" && t.Owner != "" && is.Owner != t.Owner) {
		return l, hint.With(fmt.Errorf("%w: [exchange.%s] of %s", errOtherExchange, TOMLKey(l.Name),
			l.File), "give this one another name with --name")
	}
	if l.there = there; there {
		l.Owner, l.Changes = is.Owner, is.changes(t)
	}
	return l, nil
}

// FoldersOf returns the folders that the config file has for the exchange of a bucket, nil
// where it names none. name is the bucket's if there is none.
func FoldersOf(config, name, bucket string) ([]string, error) {
	_, _, entries, err := readEntries(config)
	if t := entries[cmp.Or(name, bucket)]; t.Bucket == bucket {
		return t.Folders, err
	}
	return nil, err
}

// readEntries returns the exchanges of the config file, its text, and where it is: what a
// link leads to is changed, and the link stays. A file that is not there has none.
func readEntries(config string) (file string, text []byte, entries map[string]Entry, err error) {
	if file, _, err = CheckedPath(config); err != nil {
		return "", nil, nil, err
	}
	if real, err := filepath.EvalSymlinks(file); err == nil {
		file = real
	}
	if text, err = os.ReadFile(file); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return file, nil, nil, fmt.Errorf("cannot read the config file %s: %w",
			file, hint.WithoutPath(err))
	}
	var doc struct {
		Exchange map[string]Entry `toml:"exchange"`
	}
	if err := toml.Unmarshal(text, &doc); err != nil {
		return file, text, nil, configError(file, text, err)
	}
	return file, text, doc.Exchange, nil
}

// changes are what becomes another in the table. What t does not know stays, but for the
// folders, of which there is a default.
func (t Entry) changes(to Entry) (all []change) {
	was := t.keyValues()
	for i, e := range to.keyValues() {
		if e.value != was[i].value && (e.value != "" ||
			e.key == "folders" && !slices.Equal(t.Folders, access.DefaultFolders())) {
			all = append(all, change{e.key, was[i].value, e.value})
		}
	}
	return all
}

// AddExchange writes a table into the config file, at its end, and leaves all else in it as
// it is. An exchange of that name that is the same one gets its changes alone.
func AddExchange(config, name string, t Entry) (l exchangeEntry, err error) {
	if l, err = FindExchange(config, name, t); err != nil || l.there && len(l.Changes) == 0 {
		return l, err
	}
	var text []byte
	if l.there {
		text = withChanges(l.text, l.Name, l.Changes)
		err = verifyChanged(l, text)
	} else {
		if text = slices.Clone(l.text); len(text) > 0 {
			text = append(bytes.TrimRight(text, "\n"), "\n\n"...)
		}
		text = append(text, "[exchange."+TOMLKey(l.Name)+"]\n"...)
		text = append(text, t.lines()...)
		err = verifyAdded(l.File, l.text, text, l.Name)
	}
	if err == nil {
		err = os.MkdirAll(filepath.Dir(l.File), 0o700)
	}
	if err == nil {
		_, _, err = CheckedPath(config) // the directories were made after it was checked
	}
	if err != nil {
		return l, err
	}
	return l, replaceFile(l.File, text)
}

// withChanges is the text of a config file with changes to an exchange, whose table has its
// header, and each key, on a line of its own.
func withChanges(text []byte, name string, changes []change) []byte {
	var out []byte
	inside := false
	for line := range bytes.Lines(text) {
		var doc map[string]any
		begun := bytes.HasPrefix(bytes.TrimSpace(line), []byte("["))
		if err := toml.Unmarshal(line, &doc); err != nil {
			doc = nil
		}
		if begun && doc != nil {
			exchanges, _ := doc["exchange"].(map[string]any)
			of, is := exchanges[name].(map[string]any)
			inside = is && len(of) == 0
		}
		if i := slices.IndexFunc(changes,
			func(c change) bool { _, is := doc[c.key]; return is }); inside && !begun && i >= 0 {
			continue // it comes below the header
		}
		out = append(out, line...)
		if !inside || !begun {
			continue
		}
		if !bytes.HasSuffix(line, []byte("\n")) {
			out = append(out, '\n')
		}
		for _, c := range changes {
			if c.is != "" {
				out = fmt.Appendf(out, "%s = %s\n", c.key, c.is)
			}
		}
	}
	return out
}

// verifyChanged reads what is to be written: all that was there has to be there, but for
// the changes.
func verifyChanged(l exchangeEntry, text []byte) error {
	var before, after map[string]any
	err := errors.Join(toml.Unmarshal(l.text, &before), toml.Unmarshal(text, &after))
	if err == nil {
		exchanges, _ := before["exchange"].(map[string]any)
		of, _ := exchanges[l.Name].(map[string]any)
		for _, c := range l.Changes {
			var value map[string]any
			if c.is == "" {
				delete(of, c.key)
			} else if err = toml.Unmarshal([]byte("v = "+c.is), &value); err == nil {
				of[c.key] = value["v"]
			}
		}
		if err == nil && fmt.Sprint(before) == fmt.Sprint(after) {
			return nil
		}
	}
	return hint.With(
		fmt.Errorf(
			"cannot change [exchange.%s] of %s: its keys are not each on a line of their own",
			TOMLKey(l.Name), l.File),
		"change it by hand, or give this exchange another name with --name")
}

// verifyAdded reads what is to be written: all that was there has to be there, and
// the new exchange.
func verifyAdded(file string, old, text []byte, name string) error {
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
	return hint.With(fmt.Errorf("cannot add to %s: its exchanges are not written as tables", file),
		fmt.Sprintf("add [exchange.%s] by hand, or name another file with --config", TOMLKey(name)))
}

var bareKey = regexp.MustCompile(`^[A-Za-z0-9_-]+$`)

// TOMLKey writes a name as a key.
func TOMLKey(name string) string {
	if bareKey.MatchString(name) {
		return name
	}
	return tomlString(name)
}

// replaceFile puts text in the place of file, all or nothing.
func replaceFile(file string, text []byte) error {
	return renameio.WriteFile(file, text, 0o600, renameio.WithExistingPermissions())
}
