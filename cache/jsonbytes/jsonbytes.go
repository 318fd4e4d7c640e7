// Package jsonbytes writes strings that need not be valid UTF-8, as file names and S3
// keys need not, to JSON and reads them back without loss.
//
// encoding/json replaces each byte that is not UTF-8 by U+FFFD, so that two names may
// become one, and neither is found again. A [String] writes such a byte b as the lone
// surrogate U+DC00+b: "caf\xe9" is "caf\udce9". A string that is valid UTF-8 is written
// as by encoding/json. Python reads and writes lone surrogates the same way
// (PEP 383, "surrogateescape"): its os.fsencode returns the bytes of the name.
package jsonbytes

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// String is a string of any bytes.
type String string

// MarshalJSON implements json.Marshaler.
func (s String) MarshalJSON() ([]byte, error) {
	if utf8.ValidString(string(s)) {
		return json.Marshal(string(s))
	}
	b := []byte{'"'}
	for rest := string(s); rest != ""; {
		valid := validPrefix(rest)
		text, err := json.Marshal(rest[:valid])
		if err != nil {
			return nil, err
		}
		b = append(b, text[1:len(text)-1]...)
		if rest = rest[valid:]; rest != "" {
			b = fmt.Appendf(b, `\udc%02x`, rest[0])
			rest = rest[1:]
		}
	}
	return append(b, '"'), nil
}

// validPrefix returns how many bytes of s are valid UTF-8 from its beginning on.
func validPrefix(s string) int {
	for i := 0; i < len(s); {
		r, n := utf8.DecodeRuneInString(s[i:])
		if r == utf8.RuneError && n == 1 {
			return i
		}
		i += n
	}
	return len(s)
}

// UnmarshalJSON implements json.Unmarshaler.
func (s *String) UnmarshalJSON(b []byte) error {
	if len(b) < 2 || b[0] != '"' {
		return json.Unmarshal(b, (*string)(s)) // null, or an error that says what it is
	}
	text := b[1 : len(b)-1]
	if bytes.IndexByte(text, '\\') < 0 && utf8.Valid(text) { // as nearly all names are
		*s = String(text)
		return nil
	}
	var out strings.Builder
	for {
		at := loneByte(text)
		var valid string
		if err := json.Unmarshal(slices.Concat([]byte{'"'}, text[:at], []byte{'"'}),
			&valid); err != nil {
			return err
		}
		out.WriteString(valid)
		if at == len(text) {
			break
		}
		code, err := strconv.ParseUint(string(text[at+4:at+6]), 16, 8)
		if err != nil {
			return err
		}
		out.WriteByte(byte(code))
		text = text[at+6:]
	}
	*s = String(out.String())
	return nil
}

// loneByte returns where the first escape in text is that stands for a byte, len(text)
// for none. One behind a high surrogate is half of a character instead.
func loneByte(text []byte) int {
	pair := false
	for i := 0; i < len(text); {
		switch {
		case text[i] != '\\':
			pair = false
			i++
		case i+6 <= len(text) && text[i+1] == 'u':
			code, err := strconv.ParseUint(string(text[i+2:i+6]), 16, 16)
			if err == nil && !pair && code >= 0xdc80 && code <= 0xdcff {
				return i
			}
			pair = err == nil && code >= 0xd800 && code < 0xdc00
			i += 6
		default:
			pair = false
			i += 2
		}
	}
	return len(text)
}
