package main

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/s3share/s3share/cache/privatedir"
)

// exchangeID names an exchange on disk: readable, and the same at each mount of
// one bucket at one endpoint.
func exchangeID(endpoint, bucket string) string {
	sum := sha256.Sum256([]byte(strings.TrimRight(endpoint, "/") + "\n" + bucket))
	readable := strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '.' || r == '-' {
			return r
		}
		return '-' // an access point's ARN has colons and slashes
	}, bucket)
	return readable[:min(len(readable), 63)] + "-" + hex.EncodeToString(sum[:4])
}

// effectiveEndpoint is the endpoint that the SDK will use.
func effectiveEndpoint(s *settings) string {
	for _, e := range []string{s.Endpoint, os.Getenv("AWS_ENDPOINT_URL_S3"), os.Getenv("AWS_ENDPOINT_URL")} {
		if e != "" {
			return e
		}
	}
	return ""
}

// settlePlaces fills in where state, cache and log are, if nothing said so. The
// XDG Base Directory Specification names the variables and their defaults.
func settlePlaces(s *settings) error {
	id := exchangeID(effectiveEndpoint(s), s.Bucket)
	if s.StateDir == "" {
		base, err := xdg("XDG_STATE_HOME", ".local/state")
		if err != nil {
			return advise(fmt.Errorf("no place for the state directory: %w", err), "name one with --state-dir")
		}
		s.StateDir = filepath.Join(base, "s3share", id)
	}
	if s.CacheDir == "" && s.CacheSize > 0 {
		base, err := xdg("XDG_CACHE_HOME", ".cache")
		if err != nil {
			return advise(fmt.Errorf("no place for the cache: %w", err), "name one with --cache-dir, or say --cache-size 0")
		}
		s.CacheDir = filepath.Join(base, "s3share", id)
	}
	if s.CacheSize == 0 {
		s.CacheDir = ""
	}
	return nil
}

// xdg is a base directory. A relative one in the variable is to be ignored, says
// the specification.
func xdg(variable, below string) (string, error) {
	if dir := os.Getenv(variable); filepath.IsAbs(dir) {
		return dir, nil
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return "", err
	}
	return filepath.Join(home, below), nil
}

// makePrivate makes dir, for this user alone, and proves that files can be made in
// it. A directory that another user made, or can put another in the place of, is
// refused.
func makePrivate(dir, what, flag string) error {
	hint := "name another one with " + flag
	private, err := privatedir.Make(dir)
	var unsafe *privatedir.UnsafeError
	switch {
	case errors.As(err, &unsafe):
		return advise(fmt.Errorf("the %s %w", what, err), hint)
	case err != nil:
		return advise(fmt.Errorf("cannot make the %s %s: %w", what, dir, rootCause(err)), hint)
	}
	defer private.Close()
	probe, err := os.CreateTemp(dir, ".probe-*")
	if err != nil {
		return advise(fmt.Errorf("cannot write to the %s %s: %w", what, dir, rootCause(err)), hint)
	}
	return errors.Join(probe.Close(), os.Remove(probe.Name()))
}

// rootCause drops the path from an error of package os whose sentence has it.
func rootCause(err error) error {
	var p *fs.PathError
	if errors.As(err, &p) {
		return p.Err
	}
	return err
}
