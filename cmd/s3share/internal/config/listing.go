package config

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/pelletier/go-toml/v2"

	"github.com/s3share/s3share/cmd/s3share/internal/hint"
)

// Listed is an exchange of the config file.
type Listed struct {
	Name    string
	Bucket  string // "" if its table names none
	Default bool   // it is what is mounted when nothing is named
}

// List returns the exchanges of the config file, sorted by name, and where the file is.
func List(config string) (all []Listed, file string, err error) {
	file, text, entries, err := readEntries(config)
	if err != nil || len(text) == 0 {
		return nil, file, err
	}
	c, err := readFile(file, text)
	if err != nil {
		return nil, file, err
	}
	chosen, err := c.choose(file)
	if err != nil {
		chosen = ""
	}
	for _, name := range c.names() {
		all = append(all, Listed{name, entries[name].Bucket, name == chosen})
	}
	return all, file, nil
}

// Value is a setting as it applies, as the config file would have it.
type Value struct {
	Key, Value string
	From       string // "" for the config file, else "default" or "environment"
}

// Values returns all settings of an exchange, by the config file and the environment.
func (c Sources) Values() ([]Value, error) {
	s, err := c.Settings()
	if err != nil {
		return nil, err
	}
	usual := reflect.ValueOf(*Defaults())
	now := reflect.ValueOf(*s)
	var all []Value
	for _, st := range settingTable {
		key := st.name
		if key == FolderSetting {
			key = "folders"
		}
		i := slices.IndexFunc(reflect.VisibleFields(now.Type()),
			func(f reflect.StructField) bool { return f.Tag.Get("toml") == key })
		v := Value{Key: key, Value: tomlValue(now.Field(i).Interface())}
		switch {
		case len(c.layers[0][st.name]) > 0:
			v.From = "environment"
		case reflect.DeepEqual(now.Field(i).Interface(), usual.Field(i).Interface()):
			v.From = "default"
		}
		all = append(all, v)
	}
	return all, nil
}

// tomlValue writes the value of a setting as TOML.
func tomlValue(v any) string {
	switch v := v.(type) {
	case string:
		return tomlString(v)
	case []string:
		list := make([]string, len(v))
		for i, s := range v {
			list[i] = tomlString(s)
		}
		return "[" + strings.Join(list, ", ") + "]"
	case byteSize:
		return tomlString(sizeText(int64(v)))
	case byteRate:
		if v == 0 {
			return tomlString("none")
		}
		return tomlString(sizeText(int64(v)))
	case modeBits:
		return fmt.Sprintf("\"%03o\"", uint32(v))
	}
	return fmt.Sprint(v)
}

// sizeText writes a number of bytes as parseSize reads it, in the unit of which it is the smallest
// whole number.
func sizeText(n int64) string {
	count, unit := n, ""
	for i, letter := range []string{"K", "M", "G", "T"} {
		for _, of := range []struct {
			size int64
			unit string
		}{{1 << (10 * (i + 1)), letter + "iB"}, {int64(math.Pow10(3 * (i + 1))), letter + "B"}} {
			if n%of.size == 0 && n > 0 && n/of.size < count {
				count, unit = n/of.size, of.unit
			}
		}
	}
	return strconv.FormatInt(count, 10) + unit
}

// Removal is the removal of an exchange from the config file.
type Removal struct {
	File, Name string
	Lines      string // what is removed
	text, rest []byte
}

// PlanRemoval finds out what is removed with an exchange: its table, and the key that makes it the
// default. All else in the file stays as it is.
func PlanRemoval(config, name string) (r Removal, err error) {
	file, text, entries, err := readEntries(config)
	if err != nil {
		return r, err
	}
	if _, there := entries[name]; !there {
		var names []string
		for n := range entries {
			names = append(names, n)
		}
		slices.Sort(names)
		return r, unknownExchange(file, name, names)
	}
	r = Removal{File: file, Name: name, text: text}
	r.divide()
	return r, r.verify()
}

// divide parts the text into what is removed and the rest. The table ends before the comments
// that are above the next one.
func (r *Removal) divide() {
	var removed, held []byte
	inside, top := false, true
	for line := range bytes.Lines(r.text) {
		trimmed := bytes.TrimSpace(line)
		var doc map[string]any
		if err := toml.Unmarshal(line, &doc); err != nil {
			doc = nil
		}
		if bytes.HasPrefix(trimmed, []byte("[")) && doc != nil {
			exchanges, _ := doc["exchange"].(map[string]any)
			_, inside = exchanges[r.Name]
			top = false
			if !inside {
				r.rest = append(r.rest, held...)
			}
			held = nil
		}
		isDefault := top && doc[defaultKey] == r.Name
		switch {
		case inside && (len(trimmed) == 0 || trimmed[0] == '#'):
			held = append(held, line...)
		case inside || isDefault:
			removed = append(append(removed, held...), line...)
			held = nil
		default:
			r.rest = append(r.rest, line...)
		}
	}
	r.rest = append(r.rest, held...)
	r.Lines = string(removed)
}

// verify reads what is to be written: all but the exchange has to be there.
func (r *Removal) verify() error {
	var before, after map[string]any
	err := errors.Join(toml.Unmarshal(r.text, &before), toml.Unmarshal(r.rest, &after))
	if err == nil {
		exchanges, _ := before["exchange"].(map[string]any)
		delete(exchanges, r.Name)
		if before[defaultKey] == r.Name {
			delete(before, defaultKey)
		}
		for _, doc := range []map[string]any{before, after} {
			if left, is := doc["exchange"].(map[string]any); is && len(left) == 0 {
				delete(doc, "exchange")
			}
		}
		if fmt.Sprint(before) == fmt.Sprint(after) {
			return nil
		}
	}
	return hint.With(
		fmt.Errorf("cannot remove [exchange.%s] from %s: it is not written as a table of its own",
			TOMLKey(r.Name), r.File), "remove it by hand")
}

// Apply writes the config file without the exchange.
func (r *Removal) Apply() error { return replaceFile(r.File, r.rest) }
