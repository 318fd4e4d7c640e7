package config

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/pelletier/go-toml/v2"

	"github.com/s3share/s3share/cmd/s3share/internal/hint"
)

// configError returns the error for a mistake in the config file: the line, the cause in words, and
// what to write there instead. err is the decoder's.
func configError(file string, text []byte, err error) error {
	var (
		strict *toml.StrictMissingError
		decode *toml.DecodeError
		value  *valueError
	)
	switch {
	case errors.As(err, &strict) && len(strict.Errors) > 0:
		row, _ := strict.Errors[0].Position()
		return unknownKey(atLine(file, row), strict.Errors[0].Key())
	case errors.As(err, &decode):
		row, _ := decode.Position()
		return badLine(atLine(file, row), lineOf(text, row), decode)
	case errors.As(err, &value):
		row := findLine(text, "", value.key, value.value)
		return fmt.Errorf("%s: %w", atLine(file, row), value.err)
	}
	return fmt.Errorf("cannot read %s: %w", file, err)
}

// valueError is that of a value which the decoder does not say the place of.
type valueError struct {
	key, value string // as the file has them
	err        error
}

func (e *valueError) Error() string { return e.err.Error() }
func (e *valueError) Unwrap() error { return e.err }

// atLine names a line of a file; 0 is for none in particular.
func atLine(file string, row int) string {
	if row == 0 {
		return file
	}
	return file + ":" + strconv.Itoa(row)
}

// lineOf returns a line of a text, counted from 1.
func lineOf(text []byte, row int) string {
	lines := bytes.Split(text, []byte("\n"))
	if row < 1 || row > len(lines) {
		return ""
	}
	return string(lines[row-1])
}

// The keys outside of an exchange's table.
const (
	defaultKey  = "default"
	exchangeKey = "exchange"
)

// unknownKey is the error for a key that no setting has.
func unknownKey(at string, key toml.Key) error {
	err := fmt.Errorf("%s: unknown key %q", at, strings.Join(key, "."))
	switch {
	case len(key) == 0:
		return err
	case key[0] == exchangeKey:
		known := configKeys()
		return hint.With(err,
			hint.DidYouMean(key[len(key)-1], known, "known are "+strings.Join(known, ", ")))
	case len(key) > 1: // a table of another name
		return hint.With(err, "an exchange begins with [exchange."+TOMLKey(key[1])+"]")
	case isConfigKey(key[0]):
		return hint.With(err, "it belongs below a line [exchange.NAME]")
	}
	return hint.With(err, hint.DidYouMean(key[0], []string{defaultKey, exchangeKey},
		"known here are default = \"NAME\" and [exchange.NAME]"))
}

// badLine is the error for a line that the decoder cannot read, or for a value of the wrong
// kind in it.
func badLine(at, line string, decode *toml.DecodeError) error {
	key, value, found := assignment(line)
	text := strings.TrimPrefix(decode.Error(), "toml: ")
	of := decode.Key()
	switch {
	case len(of) == 2 && of[0] == exchangeKey && isConfigKey(of[1]):
		return hint.With(fmt.Errorf("%s: %s belongs to no exchange", at, key),
			"the line above it has to be [exchange.NAME], with a name for the exchange")
	case len(of) > 0 && of[len(of)-1] == exchangeKey:
		return hint.With(fmt.Errorf("%s: exchange is a table, not a value", at),
			"write [exchange.NAME], and its keys below it")
	case found && len(of) > 0 && strings.HasPrefix(text, "cannot decode"):
		return wrongKind(at, key, value)
	case found && len(of) == 0 && lacksQuotes(value):
		return wrongKind(at, key, value)
	case len(of) > 0 && !strings.Contains(text, of[len(of)-1]):
		text = of[len(of)-1] + ": " + text
	case len(of) == 0:
		text = "it cannot be read as TOML: " + text
	}
	return fmt.Errorf("%s: %s", at, text)
}

// assignment takes a line apart that has a key and a value.
func assignment(line string) (key, value string, found bool) {
	key, value, found = strings.Cut(line, "=")
	value, _, _ = strings.Cut(value, " #")
	key, value = strings.TrimSpace(key), strings.TrimSpace(value)
	return key, value, found && key != "" && value != ""
}

// lacksQuotes reports whether a value is a word that TOML takes once it is quoted.
func lacksQuotes(value string) bool {
	var v map[string]any
	return !strings.ContainsAny(value, `"'[]{}`) && toml.Unmarshal([]byte("v = "+value), &v) != nil
}

// wrongKind is the error for a value that is not of the kind that its key has.
func wrongKind(at, key, value string) error {
	kind, quotes := "text in quotes", tomlString(strings.Trim(value, `"'`))
	advice := "quote it: " + key + " = " + quotes
	bare := strings.Trim(value, `"'`)
	switch st, _ := findSetting(strings.TrimSuffix(key, "s")); {
	case listSettings[key] != nil:
		kind, advice = "a list", "write "+key+" = ["+quotes+"]"
	case listSettings[st.name] != nil && (key == "folders" || key == st.name):
		kind, advice = "a list", "write "+key+" = ["+quotes+"]"
	case !isConfigKey(key):
	default:
		switch st, _ := findSetting(key); st.arg {
		case "":
			kind, advice = "true or false, without quotes", "write "+
				key+" = true or "+key+" = false"
		case "UID", "GID":
			kind, advice = "a number", "write it like "+key+" = 1000"
			if _, err := strconv.ParseUint(bare, 10, 32); err == nil {
				advice = "write it without quotes: " + key + " = " + bare
			}
		case "SIZE":
			if _, err := parseSize(bare); err != nil {
				advice = "write it like " + key + " = \"512MiB\""
			}
			kind = "a size in quotes, or a number of bytes"
		case "RATE":
			if _, err := parseRate(bare); err != nil {
				advice = "write it like " + key + " = \"5M\""
			}
			kind = "a rate in quotes, or a number of bytes a second"
		}
	}
	return hint.With(fmt.Errorf("%s: %s has to be %s, not %s", at, key, kind, value), advice)
}

// findLine returns the number of the line that has a key of an exchange, 0 if none is found:
// where the exchange is written in another way than one key a line. An empty exchange or
// value means any.
func findLine(text []byte, exchange, key, value string) int {
	at := map[string]any(nil) // the tables of the last header
	row := 0
	for line := range bytes.Lines(text) {
		row++
		var doc map[string]any
		if toml.Unmarshal(line, &doc) != nil || len(doc) == 0 {
			continue
		}
		if bytes.HasPrefix(bytes.TrimSpace(line), []byte("[")) {
			at, _ = doc[exchangeKey].(map[string]any)
			continue
		}
		_, inside := at[exchange]
		_, has := doc[key]
		_, v, _ := assignment(string(line))
		if has && (inside || exchange == "") && (value == "" || v == value) {
			return row
		}
	}
	return 0
}
