package main

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/s3share/s3share/cmd/s3share/internal/config"
	"github.com/s3share/s3share/s3backend"
)

// TestSplitVersion: FILE@VERSION comes apart as it was put together, and what is no version stays a
// part of the name.
func TestSplitVersion(t *testing.T) {
	for name, want := range map[string][2]string{
		"Delivery/q3.csv@3sL4kqtJ":      {"Delivery/q3.csv", "3sL4kqtJ"},
		"Delivery/a@b@null":             {"Delivery/a@b", "null"},
		"Delivery/ann@example.com":      {"Delivery/ann", "example.com"},
		"Delivery/q3.csv":               {},
		"Delivery/@3sL4kqtJ":            {},
		"Delivery/q3.csv@":              {},
		"Delivery/q3@two words":         {},
		"Delivery/me@home/q3.csv":       {},
		"@3sL4kqtJ":                     {},
		"Delivery/q3@2026 (conflict x)": {},
	} {
		file, version, ok := splitVersion(name)
		if ok != (want[1] != "") || ok && (file != want[0] || version != want[1]) ||
			!ok && (file != name || version != "") {
			t.Errorf("splitVersion(%q) = %q, %q, %v", name, file, version, ok)
		}
	}
	rapid.Check(t, func(rt *rapid.T) {
		file := rapid.StringMatching(`[A-Za-z]+/([a@. ü-]*/)?[a@. ü-]{0,9}[a.ü@]`).Draw(rt, "file")
		id := rapid.StringMatching(`[A-Za-z0-9._~+=-]{1,40}`).Draw(rt, "version")
		if got, version, ok := splitVersion(file + "@" + id); !ok || got != file || version != id {
			rt.Errorf("splitVersion(%q) = %q, %q, %v", file+"@"+id, got, version, ok)
		}
		any := rapid.StringMatching(`[a@/. \x00]{0,12}`).Draw(rt, "any text")
		if got, version, ok := splitVersion(any); ok && (got+"@"+version != any ||
			strings.ContainsAny(version, "@/ \x00") || got == "" || strings.HasSuffix(got, "/")) {
			rt.Errorf("splitVersion(%q) = %q, %q", any, got, version)
		}
	})
}

// histories lists versions from a map, by key.
type histories map[string][]s3backend.Version

func (h histories) Versions(_ context.Context, key string) ([]s3backend.Version, error) {
	return h[key], nil
}

func (h histories) Head(_ context.Context, key string) (s3backend.Object, error) {
	return headOf(h[key], key)
}

func (h histories) List(_ context.Context,
	in s3backend.ListInput) (page s3backend.Page, err error) {
	for key, all := range h {
		if strings.HasPrefix(key, in.Prefix) && !all[0].Removed {
			page.Objects = append(page.Objects, all[0].Object)
		}
	}
	return page, nil
}

func headOf(all []s3backend.Version, key string) (s3backend.Object, error) {
	if len(all) == 0 || all[0].Removed {
		return s3backend.Object{}, &s3backend.Error{Op: "HeadObject",
			Key: key, Kind: s3backend.NotExist}
	}
	return all[0].Object, nil
}

func versionOf(key, id string, removed bool) s3backend.Version {
	return s3backend.Version{Removed: removed, Object: s3backend.Object{Key: key,
		Version: id, ETag: "e" + id, ByVersion: true, Modified: time.Unix(0, 0)}}
}

// TestNameWithAnAtSign: a file of the very name is meant if there is one, or was one; with
// --version the name is never taken apart.
func TestNameWithAnAtSign(t *testing.T) {
	s := config.Defaults()
	plain, at := "Delivery/plan", "Delivery/plan@home"
	for _, tt := range []struct {
		name    string
		held    []string
		removed bool
		flag    string
		key, id string
		missing bool
	}{
		{"the file and no other", []string{at}, false, "", at, "", false},
		{"both", []string{plain, at}, false, "", at, "", false},
		{"both, removed", []string{plain, at}, true, "", at, "", false},
		{"the other file", []string{plain}, false, "", plain, "home", false},
		{"the other file, and --version", []string{plain}, false, "v1", "", "", true},
		{"both, and --version", []string{plain, at}, false, "v1", at, "v1", false},
		{"neither", nil, false, "", "", "", true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			from := histories{}
			for _, key := range tt.held {
				from[key] = []s3backend.Version{versionOf(key, "v1", tt.removed)}
			}
			h, err := historyOf(t.Context(), from, s, at, tt.flag)
			if (err != nil) != tt.missing ||
				err == nil && (h.key != tt.key || h.id != tt.id || h.path != tt.key) {
				t.Errorf("historyOf = %+v, %v", h, err)
			}
		})
	}
}

// TestFolderHasNoVersions: a folder, and a directory that S3 has objects in, are named as such, and
// a name that is of neither is not.
func TestFolderHasNoVersions(t *testing.T) {
	s := config.Defaults()
	from := histories{
		"Delivery/d/f":    {versionOf("Delivery/d/f", "v1", false)},
		"Delivery/gone/f": {versionOf("Delivery/gone/f", "v1", true)},
	}
	for name, folder := range map[string]bool{"Delivery": true, "Delivery/d": true,
		"Delivery/d/": true, "Delivery/x/": true, "Delivery/x": false, "Delivery/gone": false} {
		h, err := historyOf(t.Context(), from, s, name, "")
		if err == nil ||
			strings.Contains(err.Error(), "is a folder: versions are of files") != folder {
			t.Errorf("historyOf(%q) = %+v, %v", name, h, err)
		}
	}
}

// TestVersionsByTheBeginningOfTheirIDs: each version is found by its ID and by the short form of
// it, which is of one version alone; what begins several, or a removal, is none.
func TestVersionsByTheBeginningOfTheirIDs(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		ids := rapid.SliceOfNDistinct(rapid.StringMatching(`(01KX)?[ab]{1,12}|null`),
			1, 8, rapid.ID[string]).Draw(rt, "IDs")
		h := history{key: "Delivery/f", path: "Delivery/f"}
		for i, id := range ids {
			v := versionOf(h.key, id, rapid.Bool().Draw(rt, "removed"))
			v.Latest = i == 0
			h.versions = append(h.versions, v)
		}
		short := h.shortIDs()
		for _, v := range h.versions {
			for _, h.id = range []string{v.Version, short[v.Version]} {
				got, err := h.find()
				if (err != nil) != v.Removed || err == nil && got.Version != v.Version {
					rt.Errorf("%q of %q is found as %q, %v", h.id, ids, got.Version, err)
				}
			}
		}
		if h.id = rapid.StringMatching(`(01KX)?[ab]{0,5}`).Draw(rt,
			"a beginning"); !slices.Contains(ids, h.id) {
			var begin []s3backend.Version
			for _, v := range h.versions {
				if strings.HasPrefix(v.Version, h.id) {
					begin = append(begin, v)
				}
			}
			_, err := h.find()
			if ok := len(begin) == 1 && !begin[0].Removed &&
				len(h.id) >= leastPrefix; ok != (err == nil) {
				rt.Errorf("%q of %q: %v", h.id, ids, err)
			}
		}
		before, ok := h.before()
		i := slices.IndexFunc(h.versions[1:], func(v s3backend.Version) bool { return !v.Removed })
		if ok != (i >= 0) || ok && before.Version != h.versions[i+1].Version {
			rt.Errorf("before the newest of %+v is %+v, %v", h.versions, before, ok)
		}
		if now := h.now(); (now.ETag == "") != h.versions[0].Removed {
			rt.Errorf("%+v holds %+v", h.versions[0], now)
		}
	})
}

// refusing lists no versions.
type refusing struct{ histories }

func (refusing) Versions(_ context.Context, key string) ([]s3backend.Version, error) {
	return nil, &s3backend.Error{Op: "ListObjectVersions", Key: key, Kind: s3backend.Denied,
		Err: s3backend.ErrVersionsRefused}
}

// TestVersionIDWhereNoneAreListed: whoever knows a whole version ID needs no list.
func TestVersionIDWhereNoneAreListed(t *testing.T) {
	s := config.Defaults()
	h, err := historyOf(t.Context(), refusing{}, s, "Delivery/q3.csv@3sL4kqtJ", "")
	if err != nil {
		t.Fatal(err)
	}
	if obj, err := h.find(); err != nil || obj.Key != "Delivery/q3.csv" ||
		obj.Version != "3sL4kqtJ" || !obj.ByVersion {
		t.Errorf("find = %+v, %v", obj, err)
	}
	if _, err := historyOf(t.Context(), refusing{}, s, "Delivery/q3.csv", ""); !errors.Is(err,
		s3backend.ErrVersionsRefused) {
		t.Errorf("without an ID: %v", err)
	}
	const at = "Delivery/plan@home"
	held := refusing{histories{at: {versionOf(at, "v1", false)}}}
	if h, err := historyOf(t.Context(), held, s, at, ""); !errors.Is(err,
		s3backend.ErrVersionsRefused) {
		t.Errorf("a file whose name has an @ is taken apart: %+v, %v", h, err)
	}
}

// TestOverwritten has versioning in each state, and a version "null" that is current, an earlier
// one, or the one that is restored.
func TestOverwritten(t *testing.T) {
	version := func(id string, latest, removed bool) s3backend.Version {
		return s3backend.Version{Object: s3backend.Object{Version: id},
			Latest: latest, Removed: removed}
	}
	null, id := s3backend.NullVersion, "3sL4kqtJ"
	current := []s3backend.Version{version(null, true, false), version(id, false, false)}
	earlier := []s3backend.Version{version(id, true, false), version(null, false, false)}
	removed := []s3backend.Version{version(null, true, true), version(id, false, false)}
	alone := []s3backend.Version{version(null, true, false)}
	for _, c := range []struct {
		name     string
		versions []s3backend.Version
		old      string
		is       s3backend.Versioning // "" for not known
		want     string
	}{
		{"suspended", current, id, s3backend.VersioningSuspended, "versioning is suspended in the bucket: the current version, "},
		{"not known", current, id, "", "versioning seems to be suspended in the bucket: the current version, "},
		{"on", current, id, s3backend.VersioningOn, ""},
		{"an earlier one", earlier, id, s3backend.VersioningSuspended, `the version "null", `},
		{"an earlier one, not known", earlier, id, "", ""},
		{"the one that is restored", earlier, null, s3backend.VersioningSuspended, ""},
		{"a removal", removed, id, s3backend.VersioningSuspended, ""},
		{"no other, not known", alone, id, "", ""},
	} {
		h := history{versions: c.versions}
		got := h.overwritten(s3backend.Object{Version: c.old}, c.is, c.is != "")
		if c.want == "" && got != "" || !strings.Contains(got, c.want) {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}
