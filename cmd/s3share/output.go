package main

import (
	"encoding/json"
	"io"
)

// writeJSON writes v as indented JSON.
func writeJSON(out io.Writer, v any) error {
	enc := json.NewEncoder(out)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	return enc.Encode(v)
}

// printed writes what a function returned, unless it failed.
func printed(out io.Writer) func(string, error) error {
	return func(text string, err error) error {
		if err != nil {
			return err
		}
		_, err = io.WriteString(out, text)
		return err
	}
}
