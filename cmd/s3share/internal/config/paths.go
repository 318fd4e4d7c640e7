package config

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
	"github.com/s3share/s3share/cmd/s3share/internal/mounts"
	"github.com/s3share/s3share/s3backend"
)

// ExchangeID names an exchange on disk: readable, and the same at each mount of
// one bucket at one endpoint.
func ExchangeID(endpoint, bucket string) string {
	readable := strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' ||
			r >= '0' && r <= '9' || r == '.' || r == '-' {
			return r
		}
		return '-' // an access point's ARN has colons and slashes
	}, bucket)
	return readable[:min(len(readable), 63)] + "-" + ExchangeHash(endpoint, bucket)
}

// ExchangeHash returns eight hexadecimal digits that depend on endpoint and bucket. They are
// part of file names on disk, and do not change between versions.
func ExchangeHash(endpoint, bucket string) string {
	sum := sha256.Sum256([]byte(strings.TrimRight(endpoint, "/") + "\n" + bucket))
	return hex.EncodeToString(sum[:4])
}

// NamedEndpoint is the endpoint that the settings or the environment name.
func NamedEndpoint(s *Settings) string {
	return cmp.Or(s.Endpoint, os.Getenv("AWS_ENDPOINT_URL_S3"), os.Getenv("AWS_ENDPOINT_URL"))
}

// Locate finds out where S3 is: the settings, the environment or the profile say.
func (s *Settings) Locate() (err error) {
	s.At, err = s3backend.Locate(context.Background(), s3backend.Config{
		Bucket: s.Bucket, Region: s.Region, Endpoint: s.Endpoint, Profile: s.Profile,
	})
	return err
}

// NotAWS reports whether S3 is not AWS's. It is asked where nothing is sent, so
// that a profile need not be there.
func (s *Settings) NotAWS() bool {
	if err := s.Locate(); err != nil {
		return s3backend.LocationOf(NamedEndpoint(s), s.Region).Endpoint != ""
	}
	return s.At.Endpoint != ""
}

// FillPaths fills in where S3, state and cache are, if nothing said so. The
// XDG Base Directory Specification names the variables and their defaults.
func FillPaths(s *Settings) error {
	if err := s.Locate(); err != nil {
		return err
	}
	if s.StateDir == "" {
		base, err := xdg("XDG_STATE_HOME", ".local/state")
		if err != nil {
			return hint.With(fmt.Errorf("cannot find a place for the state directory: %w", err),
				"name one with --state-dir")
		}
		s.StateDir = exchangeDir(base, s)
	}
	if s.CacheDir == "" && s.CacheSize > 0 {
		base, err := xdg("XDG_CACHE_HOME", ".cache")
		if err != nil {
			return hint.With(fmt.Errorf("cannot find a place for the cache: %w", err),
				"name one with --cache-dir, or say --cache-size 0")
		}
		s.CacheDir = exchangeDir(base, s)
	}
	if s.CacheSize == 0 {
		s.CacheDir = ""
	}
	return nil
}

// exchangeDir is the directory of the exchange in a base directory. One that an earlier
// version has made is used where there is no other: its name came from the endpoint as
// it was written, and was of AWS whatever the partition.
func exchangeDir(base string, s *Settings) string {
	endpoint := s.At.Endpoint
	if s.At.Partition != s3backend.Partition("") {
		endpoint += s.At.Partition
	}
	dir := filepath.Join(base, "s3share", ExchangeID(endpoint, s.Bucket))
	named := NamedEndpoint(s)
	if named == "" || s3backend.LocationOf(named, s.Region) != s.At {
		return dir
	}
	earlier := filepath.Join(base, "s3share", ExchangeID(named, s.Bucket))
	if _, err := os.Lstat(dir); errors.Is(err, fs.ErrNotExist) {
		if _, err := os.Lstat(earlier); err == nil {
			return earlier
		}
	}
	return dir
}

// AnyProfileHasEndpoint reports whether a profile in the files of AWS's tools, which may be
// another than ours, names an endpoint, or may: where a file cannot be read.
func AnyProfileHasEndpoint() bool {
	for _, file := range []string{
		cmp.Or(os.Getenv("AWS_CONFIG_FILE"), config.DefaultSharedConfigFilename()),
		cmp.Or(os.Getenv("AWS_SHARED_CREDENTIALS_FILE"), config.DefaultSharedCredentialsFilename()),
	} {
		text, err := os.ReadFile(file)
		if err != nil && !errors.Is(err, fs.ErrNotExist) ||
			bytes.Contains(text, []byte("endpoint_url")) {
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

// MakePrivate makes dir, for this user alone, and proves that files can be made in
// it. A directory that another user made, or can put another in the place of, is
// refused.
func MakePrivate(dir, what, flag string) error {
	advice := "name another one with " + flag
	private, err := privatedir.OpenOrCreate(dir)
	var unsafe *privatedir.UnsafeError
	switch {
	case errors.As(err, &unsafe):
		return hint.With(fmt.Errorf("the %s %w", what, err), advice)
	case err != nil:
		return hint.With(fmt.Errorf("cannot make the %s %s: %w", what, dir, hint.WithoutPath(err)),
			advice)
	}
	defer private.Close()
	probe, err := os.CreateTemp(dir, ".probe-*")
	if err != nil {
		return hint.With(fmt.Errorf("cannot write to the %s %s: %w",
			what, dir, hint.WithoutPath(err)), advice)
	}
	return errors.Join(probe.Close(), os.Remove(probe.Name()))
}

// CheckOutside proves that what the daemon writes does not lie in its own mount.
func CheckOutside(dir string, s *Settings) error {
	for _, p := range []struct{ path, what, flag string }{
		{s.StateDir, "state directory", "--state-dir"},
		{s.CacheDir, "cache", "--cache-dir"},
		{s.LogFile, "log", "--log-file"},
	} {
		if p.path != "" && mounts.Within(p.path, dir) {
			return hint.Usage("name another place with "+p.flag,
				"the %s %s lies inside the mountpoint", p.what, p.path)
		}
	}
	return nil
}

// StateRoot is where state directories lie that nothing names.
func StateRoot() (string, error) {
	base, err := xdg("XDG_STATE_HOME", ".local/state")
	if err != nil {
		return "", err
	}
	return filepath.Join(base, "s3share"), nil
}

// FirstMissing is the topmost directory on the way to dir that is not there, "" if
// all are.
func FirstMissing(dir string) string {
	missing := ""
	for ; ; dir = filepath.Dir(dir) {
		if _, err := os.Lstat(dir); err == nil || dir == filepath.Dir(dir) {
			return missing
		}
		missing = dir
	}
}

// PutNotes returns the directory in which put notes what it has sent, and how those notes tell a
// bucket from all others.
func PutNotes(s *Settings) (dir, id string) {
	id = strings.Join([]string{cmp.Or(s.At.Endpoint, s.At.Partition), s.Bucket, s.Owner}, " ")
	return filepath.Join(s.StateDir, "transfers"), id
}
