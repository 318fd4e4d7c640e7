package journal

import (
	"encoding/hex"
	"encoding/json"
	"maps"
	"reflect"
	"strings"
	"unicode/utf8"

	"github.com/s3share/s3share/s3backend"
)

// RawHeader is a header as a journal has it. What another program gave an object need not be
// UTF-8, and JSON cannot represent that.
type RawHeader s3backend.Header

// notText is the prefix of a string in hexadecimal digits: one that is not UTF-8, or that
// begins with notText itself, as a server may send it.
const notText = "\x00"

// MarshalJSON implements json.Marshaler.
func (h *RawHeader) MarshalJSON() ([]byte, error) {
	return json.Marshal(eachText(s3backend.Header(*h), func(s string) string {
		if utf8.ValidString(s) && !strings.HasPrefix(s, notText) {
			return s
		}
		return notText + hex.EncodeToString([]byte(s))
	}))
}

// UnmarshalJSON implements json.Unmarshaler.
func (h *RawHeader) UnmarshalJSON(b []byte) error {
	var text s3backend.Header
	if err := json.Unmarshal(b, &text); err != nil {
		return err
	}
	*h = RawHeader(eachText(text, func(s string) string {
		digits, ok := strings.CutPrefix(s, notText)
		if raw, err := hex.DecodeString(digits); ok && err == nil {
			return string(raw)
		}
		return s
	}))
	return nil
}

// eachText returns a header with each of its texts changed.
func eachText(h s3backend.Header, change func(string) string) s3backend.Header {
	h.User = maps.Clone(h.User)
	for key, value := range h.User {
		h.User[key] = change(value)
	}
	for v, i := reflect.ValueOf(&h).Elem(), 0; i < v.NumField(); i++ {
		if f := v.Field(i); f.Kind() == reflect.String {
			f.SetString(change(f.String()))
		}
	}
	return h
}
