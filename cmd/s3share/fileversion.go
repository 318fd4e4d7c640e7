package main

import (
	"context"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/s3share/s3share/cache/keyname"
	"github.com/s3share/s3share/cache/outbox"
	"github.com/s3share/s3share/cmd/s3share/internal/config"
	"github.com/s3share/s3share/cmd/s3share/internal/control"
	"github.com/s3share/s3share/cmd/s3share/internal/hint"
	"github.com/s3share/s3share/cmd/s3share/internal/ui"
	"github.com/s3share/s3share/s3backend"
)

// The commands about the versions of a file: versions, restore, and get of an earlier version.

// splitVersion splits FILE@VERSION at its last "@". It is false if there is no FILE, or if what
// follows cannot be a version ID, nor begin one: S3's have letters, digits and a few signs.
func splitVersion(name string) (file, version string, ok bool) {
	i := strings.LastIndexByte(name, '@')
	if i < 1 || name[i-1] == '/' || i == len(name)-1 {
		return name, "", false
	}
	file, version = name[:i], name[i+1:]
	inID := func(r rune) bool {
		return r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' ||
			strings.ContainsRune("-._~+=", r)
	}
	if strings.ContainsFunc(version, func(r rune) bool { return !inID(r) }) {
		return name, "", false
	}
	return file, version, true
}

// history is a file and its versions.
type history struct {
	path     string // in the exchange, as a mount shows it
	key      string
	versions []s3backend.Version // newest first
	id       string              // the version that was named, or how its ID begins; "" for none

	// refused is why the versions may not be listed, where a version was named: then the ID has to
	// be the whole of it.
	refused error
}

// versionLister lists versions; *s3backend.Client implements it.
type versionLister interface {
	s3backend.Finder
	Versions(ctx context.Context, key string) ([]s3backend.Version, error)
}

// errFolder returns the error for a folder, or a directory in one, where a file is to be named.
// what is what only files have, such as versions.
func errFolder(name, what string) error {
	return hint.Usage("name a file in it", "%q is a folder: %s are of files", name, what)
}

// isFolder reports whether a name can only be that of a folder of the exchange, or of a directory.
func isFolder(name, key string) bool {
	return !strings.Contains(key, "/") || strings.HasSuffix(name, "/")
}

// isDirectory reports whether S3 is known to hold objects below a key.
func isDirectory(ctx context.Context, from s3backend.Finder, key string) bool {
	page, err := from.List(ctx, s3backend.ListInput{Prefix: key + "/", Max: 1})
	return err == nil && len(page.Objects) > 0
}

// fileKey returns the key of a file whose versions are meant.
func fileKey(s *config.Settings, name string) (string, error) {
	key, err := keyOf(s, name, false)
	if err == nil && isFolder(name, key) {
		err = errFolder(name, "versions")
	}
	return key, err
}

// errNoVersions returns the error for a file that S3 has no version of: the name may be a
// directory's.
func errNoVersions(ctx context.Context, from s3backend.Finder, name, key string) error {
	if isDirectory(ctx, from, key) {
		return errFolder(name, "versions")
	}
	return fmt.Errorf("S3 holds no %q, and has no versions of it", key)
}

// historyOf finds the file that a name means. With flag, which is a version, the name is that of a
// file. Else a file of this very name is meant if S3 holds one, or has held one, and only else
// FILE@VERSION.
func historyOf(ctx context.Context, from versionLister, s *config.Settings, name,
	flag string) (history, error) {
	h := history{path: name, id: flag}
	var err error
	if h.key, err = fileKey(s, name); err != nil {
		return h, err
	}
	h.versions, err = from.Versions(ctx, h.key)
	file, version, ok := splitVersion(name)
	ok = ok && flag == "" && len(h.versions) == 0
	if ok && errors.Is(err, s3backend.ErrVersionsRefused) {
		_, held := s3backend.HeadOrList(ctx, from, h.key)
		ok = errors.Is(held, s3backend.NotExist)
	} else if err != nil {
		ok = false
	}
	if ok {
		h.path, h.id = file, version
		if h.key, err = keyOf(s, file, false); err == nil {
			h.versions, err = from.Versions(ctx, h.key)
		}
	}
	switch {
	case errors.Is(err, s3backend.ErrVersionsRefused) && h.id != "":
		h.refused = err
	case err != nil:
		return h, err
	case len(h.versions) == 0:
		if h.path != name {
			return h, fmt.Errorf("S3 holds no %q, and has no versions of %q", name, h.key)
		}
		return h, errNoVersions(ctx, from, h.path, h.key)
	}
	return h, nil
}

// leastPrefix is how many characters of a version ID are enough to name it.
const leastPrefix = 4

// find returns the version that was named: by its ID, or by how only its ID begins.
func (h history) find() (s3backend.Object, error) {
	if h.refused != nil {
		return s3backend.Object{Key: h.key, Version: h.id, ByVersion: true}, nil
	}
	var found []s3backend.Version
	for _, v := range h.versions {
		if v.Version == h.id {
			found = []s3backend.Version{v}
			break
		}
		if len(h.id) >= leastPrefix && strings.HasPrefix(v.Version, h.id) {
			found = append(found, v)
		}
	}
	advice := "s3share versions " + hint.ShellQuote(h.path) + " lists them"
	switch {
	case len(found) == 0:
		return s3backend.Object{}, hint.With(fmt.Errorf("%q has no version %q", h.key, h.id),
			advice)
	case len(found) > 1:
		return s3backend.Object{}, hint.With(fmt.Errorf("%d versions of %q begin with %q",
			len(found), h.key, h.id), advice)
	case found[0].Removed:
		return s3backend.Object{}, hint.With(
			fmt.Errorf("%q was removed then: the version %q has no bytes", h.key, h.id), advice)
	}
	return found[0].Object, nil
}

// before returns the version before the one that the key holds: the newest, if the file is removed.
func (h history) before() (s3backend.Object, bool) {
	for _, v := range h.versions {
		if !v.Removed && !v.Latest {
			return v.Object, true
		}
	}
	return s3backend.Object{}, false
}

// now returns what the key holds, the zero value if the file is removed.
func (h history) now() s3backend.Object {
	if i := slices.IndexFunc(h.versions,
		func(v s3backend.Version) bool { return v.Latest && !v.Removed }); i >= 0 {
		return h.versions[i].Object
	}
	return s3backend.Object{}
}

// shortIDs is how many characters of a version ID distinguish it from all others of the file, at
// least eight.
func (h history) shortIDs() map[string]string {
	const least = 8
	all := make([]string, len(h.versions))
	for i, v := range h.versions {
		all[i] = v.Version
	}
	slices.Sort(all)
	short := map[string]string{}
	for i, id := range all {
		n := least
		for _, other := range all[max(0, i-1):min(len(all), i+2)] {
			if other != id {
				n = max(n, commonPrefix(id, other)+1)
			}
		}
		short[id] = id[:min(n, len(id))]
	}
	return short
}

func commonPrefix(a, b string) int {
	n := 0
	for n < len(a) && n < len(b) && a[n] == b[n] {
		n++
	}
	return n
}

// keepsNone returns what is known of a bucket that does not keep versions, and what its owner can
// do; "" if it keeps them. A version without an ID shows it, unless versions are kept since.
func keepsNone(ctx context.Context, client *s3backend.Client, h history) (sentence, advice string) {
	advice = "the bucket's owner can have it keep versions from now on: s3share init " +
		hint.ShellQuote(client.Bucket()) + " --client ACCOUNT --versioning"
	switch is, err := client.Versioning(ctx); {
	case err == nil && is == s3backend.VersioningOff:
		return fmt.Sprintf("the bucket %q keeps no versions: versioning is off",
			client.Bucket()), advice
	case err == nil && is == s3backend.VersioningSuspended:
		return fmt.Sprintf("the bucket %q keeps no more versions: versioning is suspended",
			client.Bucket()), advice
	case err == nil:
		return "", ""
	}
	if now := h.now(); now.Version == s3backend.NullVersion {
		return fmt.Sprintf(
			"the bucket %q kept no versions when this one was put; whether it does now is not known", client.Bucket()), advice
	}
	return "", ""
}

// overwritten returns what a restore of old replaces for good, as a sentence; "" for nothing. While
// versioning is suspended, that is the version "null". known is false if the state of versioning
// could not be read. Then versioning seems to be suspended if the current version is "null" and
// there are others.
func (h history) overwritten(old s3backend.Object, is s3backend.Versioning, known bool) string {
	i := slices.IndexFunc(h.versions,
		func(v s3backend.Version) bool { return v.Version == s3backend.NullVersion && !v.Removed })
	if i < 0 || old.Version == s3backend.NullVersion ||
		known && is != s3backend.VersioningSuspended {
		return ""
	}
	lost, seems := h.versions[i], "is"
	if !known {
		others := slices.ContainsFunc(h.versions,
			func(v s3backend.Version) bool { return v.Version != s3backend.NullVersion })
		if !lost.Latest || !others {
			return ""
		}
		seems = "seems to be"
	}
	what := "the version \"null\""
	if lost.Latest {
		what = "the current version"
	}
	return fmt.Sprintf("versioning %s suspended in the bucket: %s, of %s, is replaced for good",
		seems, what, timeText(lost.Modified))
}

// explainVersions puts an error into words.
func explainVersions(s *config.Settings, verb, key string, err error) error {
	var e *s3backend.Error
	if !errors.As(err, &e) {
		return fmt.Errorf("cannot %s: %w", verb, err)
	}
	reason, advice := ui.ExplainFile(s.Destination(), key, err)
	return hint.With(fmt.Errorf("cannot %s %q: %s", verb, key, reason), advice)
}

// pendingHere returns what waits to be delivered of a file in outboxes of this user: of the mount
// on dir, or of all that are of this bucket, as far as they are known.
func pendingHere(ctx context.Context, s *config.Settings, dir,
	file, key string) ([]outbox.Status, error) {
	if dir != "" {
		t, err := control.FindTarget(ctx, path.Join(dir, file))
		return control.Undelivered(t.State.Pending), err
	}
	all, _ := control.AllTargets(ctx) // an outbox that is not found makes a conflict copy
	var found []outbox.Status
	for _, t := range all {
		if t.State.Bucket != s.Bucket ||
			t.State.Endpoint != s.At.Endpoint && t.State.Endpoint != s.Endpoint {
			continue
		}
		for _, p := range control.Undelivered(t.State.Pending) {
			if p.Key == key || p.Path == keyname.Path(key) {
				found = append(found, p)
			}
		}
	}
	return found, nil
}
