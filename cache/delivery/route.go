package delivery

import (
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/s3share/s3share/cache/keyname"
)

const (
	// Directory is where manifests and receipts are, in each folder.
	Directory = ".deliveries"

	manifestSuffix = ".json"
	receiptMark    = ".received"
	receiptSuffix  = receiptMark + manifestSuffix

	// maxName is how long the name of a delivery may be, in bytes.
	maxName = 100
)

// Route is the way of a delivery: from the folder of the sender to the party whose folder is
// To. They are the same if an exchange has one folder.
type Route struct{ From, To string }

func (r Route) manifestKey(name string) string {
	return r.From + "/" + Directory + "/" + name + manifestSuffix
}

func (r Route) receiptKey(name string) string {
	return r.To + "/" + Directory + "/" + name + receiptSuffix
}

// ErrReserved is the error for a file of the directory that manifests are in.
var ErrReserved = errors.New("the directory is kept for the manifests of deliveries")

// Exclude is the Exclude of a transfer from r.From: manifests and receipts are of no delivery.
func (r Route) Exclude(key string) error {
	if strings.HasPrefix(key, r.From+"/"+Directory+"/") || key == r.From+"/"+Directory {
		return ErrReserved
	}
	return nil
}

// CheckName returns an error if a delivery cannot have this name.
func CheckName(name string) error {
	reason := ""
	switch {
	case name == "":
		reason = "it is empty"
	case len(name) > maxName:
		reason = fmt.Sprintf("it is longer than %d bytes", maxName)
	case !utf8.ValidString(name):
		reason = "it is not UTF-8"
	case strings.Contains(name, "/"):
		reason = "it has a slash"
	case strings.ContainsFunc(name, unicode.IsControl):
		reason = "it has a control character"
	case strings.HasPrefix(name, "."), strings.TrimSpace(name) != name:
		reason = "it begins with a dot, or begins or ends with a space"
	case strings.HasSuffix(name, receiptMark):
		reason = "it ends in " + receiptMark + ", as receipts do"
	default:
		return nil
	}
	return &nameError{name, reason}
}

// CheckNote returns an error if a delivery cannot have this note.
func CheckNote(note string) error {
	if len(note) > maxText || !utf8.ValidString(note) || strings.ContainsFunc(note, isControl) {
		return fmt.Errorf("the note is longer than %d bytes, or has control characters", maxText)
	}
	return nil
}

type nameError struct{ name, reason string }

func (e *nameError) Error() string {
	return fmt.Sprintf("%q cannot be the name of a delivery: %s", clip(e.name), e.reason)
}

// CheckPath returns an error if a file of a delivery cannot have this path, which is its key
// without the sender's folder and the slash behind it.
func CheckPath(folder, path string) error {
	switch {
	case !utf8.ValidString(path):
		return errors.New("its name is not UTF-8")
	case strings.ContainsFunc(path, unicode.IsControl):
		return errors.New("its name has a control character, which no manifest may have")
	case len(folder)+1+len(path) > keyname.MaxKey:
		return errors.New("its key is longer than S3 takes")
	}
	for i, elem := range strings.Split(path, "/") {
		if elem == "" || elem == "." || elem == ".." {
			return errors.New("its name is not a path within the folder")
		}
		if i == 0 && elem == Directory {
			return ErrReserved
		}
	}
	return nil
}
