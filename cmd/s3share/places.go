package main

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/aws/aws-sdk-go-v2/config"

	"github.com/s3share/s3share/cache/privatedir"
	"github.com/s3share/s3share/cmd/s3share/internal/hint"
	"github.com/s3share/s3share/s3backend"
)

// exchangeID names an exchange on disk: readable, and the same at each mount of
// one bucket at one endpoint.
func exchangeID(endpoint, bucket string) string {
	readable := strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '.' || r == '-' {
			return r
		}
		return '-' // an access point's ARN has colons and slashes
	}, bucket)
	return readable[:min(len(readable), 63)] + "-" + exchangeHash(endpoint, bucket)
}

func exchangeHash(endpoint, bucket string) string {
	sum := sha256.Sum256([]byte(strings.TrimRight(endpoint, "/") + "\n" + bucket))
	return hex.EncodeToString(sum[:4])
}

// namedEndpoint is the endpoint that the settings or the environment name.
func namedEndpoint(s *settings) string {
	return cmp.Or(s.Endpoint, os.Getenv("AWS_ENDPOINT_URL_S3"), os.Getenv("AWS_ENDPOINT_URL"))
}

// locate finds out where S3 is: the settings, the environment or the profile say.
func (s *settings) locate() (err error) {
	s.at, err = s3backend.Locate(context.Background(), s3backend.Config{
		Bucket: s.Bucket, Region: s.Region, Endpoint: s.Endpoint, Profile: s.Profile,
	})
	return err
}

// elsewhere reports whether S3 is not AWS's. It is asked where nothing is sent, so
// that a profile need not be there.
func (s *settings) elsewhere() bool {
	if err := s.locate(); err != nil {
		return s3backend.LocationOf(namedEndpoint(s), s.Region).Endpoint != ""
	}
	return s.at.Endpoint != ""
}

// settlePlaces fills in where S3, state and cache are, if nothing said so. The
// XDG Base Directory Specification names the variables and their defaults.
func settlePlaces(s *settings) error {
	if err := s.locate(); err != nil {
		return err
	}
	if s.StateDir == "" {
		base, err := xdg("XDG_STATE_HOME", ".local/state")
		if err != nil {
			return hint.Advise(fmt.Errorf("no place for the state directory: %w", err), "name one with --state-dir")
		}
		s.StateDir = placeIn(base, s)
	}
	if s.CacheDir == "" && s.CacheSize > 0 {
		base, err := xdg("XDG_CACHE_HOME", ".cache")
		if err != nil {
			return hint.Advise(fmt.Errorf("no place for the cache: %w", err), "name one with --cache-dir, or say --cache-size 0")
		}
		s.CacheDir = placeIn(base, s)
	}
	if s.CacheSize == 0 {
		s.CacheDir = ""
	}
	return nil
}

// placeIn is the directory of the exchange in a base directory. One that an earlier
// version has made is used where there is no other: its name came from the endpoint as
// it was written, and was of AWS whatever the partition.
func placeIn(base string, s *settings) string {
	endpoint := s.at.Endpoint
	if s.at.Partition != s3backend.Partition("") {
		endpoint += s.at.Partition
	}
	dir := filepath.Join(base, "s3share", exchangeID(endpoint, s.Bucket))
	named := namedEndpoint(s)
	if named == "" || s3backend.LocationOf(named, s.Region) != s.at {
		return dir
	}
	earlier := filepath.Join(base, "s3share", exchangeID(named, s.Bucket))
	if _, err := os.Lstat(dir); errors.Is(err, fs.ErrNotExist) {
		if _, err := os.Lstat(earlier); err == nil {
			return earlier
		}
	}
	return dir
}

// anyProfileHasEndpoint reports whether a profile in the files of AWS's tools, which may be
// another than ours, names an endpoint, or may: where a file cannot be read.
func anyProfileHasEndpoint() bool {
	for _, file := range []string{
		cmp.Or(os.Getenv("AWS_CONFIG_FILE"), config.DefaultSharedConfigFilename()),
		cmp.Or(os.Getenv("AWS_SHARED_CREDENTIALS_FILE"), config.DefaultSharedCredentialsFilename()),
	} {
		text, err := os.ReadFile(file)
		if err != nil && !errors.Is(err, fs.ErrNotExist) || bytes.Contains(text, []byte("endpoint_url")) {
			return true
		}
	}
	return false
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
	advice := "name another one with " + flag
	private, err := privatedir.Make(dir)
	var unsafe *privatedir.UnsafeError
	switch {
	case errors.As(err, &unsafe):
		return hint.Advise(fmt.Errorf("the %s %w", what, err), advice)
	case err != nil:
		return hint.Advise(fmt.Errorf("cannot make the %s %s: %w", what, dir, hint.RootCause(err)), advice)
	}
	defer private.Close()
	probe, err := os.CreateTemp(dir, ".probe-*")
	if err != nil {
		return hint.Advise(fmt.Errorf("cannot write to the %s %s: %w", what, dir, hint.RootCause(err)), advice)
	}
	return errors.Join(probe.Close(), os.Remove(probe.Name()))
}
