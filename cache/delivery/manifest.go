package delivery

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// Manifest lists the files of one delivery.
type Manifest struct {
	Version int       `json:"version"` // of this format
	Name    string    `json:"name"`
	Sender  string    `json:"sender,omitempty"` // as the sender says
	Created time.Time `json:"created"`
	Note    string    `json:"note,omitempty"`
	Files   []File    `json:"files"`
}

// File is one file of a delivery.
type File struct {
	Path      string `json:"path"` // the key without the sender's folder and the slash behind it
	Size      int64  `json:"size"` // bytes
	SHA256    string `json:"sha256"`
	CRC64NVME string `json:"crc64nvme,omitempty"` // base64, as S3 shows it
	ETag      string `json:"etag"`                // without quotes
	VersionID string `json:"version_id,omitempty"`
}

const (
	formatVersion = 1

	// maxDocument bounds a manifest and a receipt, in bytes, and maxFiles the files of one
	// delivery: some 300 bytes for each.
	maxDocument = 16 << 20
	maxFiles    = 50_000

	maxText  = 4096 // bytes of a note, and of each other text but a path
	maxBytes = 1 << 62
)

// InvalidError is returned for a manifest or a receipt that violates docs/deliveries.md.
type InvalidError struct {
	What   string // "manifest" or "receipt"
	Reason string
}

// Error implements error.
func (e *InvalidError) Error() string {
	return fmt.Sprintf("the %s is not valid: %s", e.What, e.Reason)
}

func invalid(format string, args ...any) error {
	return &InvalidError{"manifest", fmt.Sprintf(format, args...)}
}

// reason is a part of the text of an InvalidError.
type reason string

func (r reason) Error() string { return string(r) }

// Bytes returns the sum of the sizes of all files.
func (m *Manifest) Bytes() (n int64) {
	for _, f := range m.Files {
		n += f.Size
	}
	return n
}

// Encode returns the JSON of a manifest whose files are sorted by their paths. The error is an
// [InvalidError] if no receiver would take it.
func (m *Manifest) Encode(folder string) ([]byte, error) {
	slices.SortFunc(m.Files, func(a, b File) int { return strings.Compare(a.Path, b.Path) })
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", " ")
	if err := enc.Encode(m); err != nil {
		return nil, err
	}
	if _, err := Parse(out.Bytes(), folder, m.Name); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}

// Parse reads the manifest of the delivery of this name in a folder. Fields that are not known
// are ignored. The error is an [InvalidError].
func Parse(data []byte, folder, name string) (*Manifest, error) {
	var m struct {
		Manifest
		Files fileList `json:"files"`
	}
	if err := decode(data, &m); err != nil {
		return nil, invalid("%s", err)
	}
	switch m.Version {
	case formatVersion:
	case 0:
		return nil, invalid("it has no version")
	default:
		return nil, invalid("it is of the version %d, and this s3share knows the version %d",
			m.Version, formatVersion)
	}
	m.Manifest.Files = m.Files
	if err := m.check(folder, name); err != nil {
		return nil, err
	}
	return &m.Manifest, nil
}

// decode reads one JSON value of at most maxDocument bytes.
func decode(data []byte, into any) error {
	if len(data) > maxDocument {
		return reason(fmt.Sprintf("it is longer than %d bytes", maxDocument))
	}
	if !utf8.Valid(data) {
		return reason("it is not UTF-8")
	}
	err := json.Unmarshal(data, into)
	var kind *json.UnmarshalTypeError
	var syntax *json.SyntaxError
	var clock *time.ParseError
	switch {
	case errors.As(err, &kind) && kind.Field == "":
		return reason("it is no JSON object")
	case errors.As(err, &kind):
		return reason(fmt.Sprintf("its %s is a %s",
			kind.Field[strings.LastIndexByte(kind.Field, '.')+1:], kind.Value))
	case errors.As(err, &syntax):
		return reason("it is no JSON: " + err.Error())
	case errors.As(err, &clock):
		return reason("its time is not as in RFC 3339")
	}
	return err
}

// maxQuoted is how many bytes of a text of the other party an error repeats.
const maxQuoted = 200

// clip is such a text as an error has it.
func clip(s string) string {
	if len(s) <= maxQuoted {
		return s
	}
	return strings.ToValidUTF8(s[:maxQuoted], "") + "..."
}

// fileList is read one by one, so that a short text cannot make a long list of empty ones.
type fileList []File

// UnmarshalJSON implements json.Unmarshaler.
func (l *fileList) UnmarshalJSON(data []byte) error {
	dec := json.NewDecoder(bytes.NewReader(data))
	if t, err := dec.Token(); err != nil || t != json.Delim('[') {
		return reason("its files are not a list")
	}
	*l = nil
	for dec.More() {
		if len(*l) == maxFiles {
			return reason(fmt.Sprintf("it has more than %d files", maxFiles))
		}
		var f File
		if err := dec.Decode(&f); err != nil {
			return err
		}
		*l = append(*l, f)
	}
	return nil
}

func (m *Manifest) check(folder, name string) error {
	if err := CheckName(m.Name); err != nil {
		return invalid("%s", err)
	}
	if m.Name != name {
		return invalid("it is of the delivery %q", clip(m.Name))
	}
	if !isLine(m.Sender) || CheckNote(m.Note) != nil {
		return invalid("its sender or its note is too long, or has control characters")
	}
	if len(m.Files) == 0 {
		return invalid("it has no files")
	}
	if m.Created.IsZero() {
		return invalid("it has no time")
	}
	taken := make(map[string]bool, len(m.Files))
	total := int64(0)
	for i := range m.Files {
		f := &m.Files[i]
		if err := f.check(folder); err != nil {
			return invalid("%q: %s", clip(f.Path), err)
		}
		if taken[f.Path] {
			return invalid("%q is in it twice", clip(f.Path))
		}
		taken[f.Path] = true
		if total += f.Size; total > maxBytes {
			return invalid("its files are larger than S3 takes")
		}
	}
	for path := range taken { // no directory can have the name of a file
		for i, c := range path {
			if c == '/' && taken[path[:i]] {
				return invalid("%q is a file in it, and a directory too", clip(path[:i]))
			}
		}
	}
	return nil
}

func (f *File) check(folder string) error {
	if err := CheckPath(folder, f.Path); err != nil {
		return err
	}
	if f.Size < 0 || f.Size > maxBytes {
		return reason(fmt.Sprintf("its size is %d", f.Size))
	}
	if !isSHA256(f.SHA256) {
		return reason("its sha256 is not 64 hexadecimal digits in lower case")
	}
	if raw, err := base64.StdEncoding.DecodeString(f.CRC64NVME); f.CRC64NVME != "" &&
		(err != nil || len(raw) != 8) {
		return reason("its crc64nvme is not the base64 of 8 bytes")
	}
	if f.ETag == "" || !isLine(f.ETag) || strings.Contains(f.ETag, `"`) || !isLine(f.VersionID) {
		return reason("its etag or its version_id is none")
	}
	return nil
}

func isSHA256(s string) bool {
	raw, err := hex.DecodeString(s)
	return err == nil && len(raw) == 32 && strings.ToLower(s) == s
}

// isLine reports whether a text can be shown on one line.
func isLine(s string) bool {
	return len(s) <= maxText && !strings.ContainsFunc(s, unicode.IsControl)
}

// isControl reports whether a note may not have this character.
func isControl(r rune) bool { return unicode.IsControl(r) && r != '\n' && r != '\t' }
