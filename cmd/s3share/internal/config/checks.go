package config

import (
	"fmt"
	"strings"

	"github.com/s3share/s3share/s3backend"
)

// CheckFolder returns an error if name cannot be a folder of an exchange.
func CheckFolder(name string) error {
	if name == "" || name == "." || name == ".." ||
		strings.ContainsAny(name, "/\x00") || len(name) > 255 {
		return fmt.Errorf("%q cannot be a folder's name: it has to be one name without a slash",
			name)
	}
	return nil
}

// checkOwner refuses what no account is called. Servers that are not AWS have
// ids of their own kinds.
func checkOwner(id string) error {
	if id == "" || len(id) > 128 ||
		strings.ContainsFunc(id, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return fmt.Errorf("%q is no account id, which has 12 digits", id)
	}
	return nil
}

// CheckBucket refuses what no bucket is called, whatever the server: an address, or the path
// of an object.
func CheckBucket(name string) error {
	if bucket, is := strings.CutPrefix(name, "s3://"); is {
		bucket, _, _ = strings.Cut(bucket, "/")
		return fmt.Errorf("%q is an address: name the bucket alone, %s", name, bucket)
	}
	if s3backend.IsAccessPoint(name) {
		return nil
	}
	if bucket, _, has := strings.Cut(name, "/"); has {
		return fmt.Errorf("%q has a slash, which no bucket's name has: name the bucket alone, %s",
			name, orWord(bucket, "without a slash"))
	}
	if name == "" || len(name) > 255 || strings.ContainsFunc(name,
		func(r rune) bool { return r <= ' ' || r > '~' || strings.ContainsRune("*?\"'\\:", r) }) {
		return fmt.Errorf(
			"%q cannot be a bucket's name, which has letters, digits, dots and hyphens", name)
	}
	return nil
}

func orWord(s, word string) string {
	if s == "" {
		return word
	}
	return s
}
