package outbox

import (
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/s3share/s3share/cache/buckettest"
	"github.com/s3share/s3share/cache/outbox/journal"
	"github.com/s3share/s3share/cache/outbox/parts"
	"github.com/s3share/s3share/s3backend"
)

// TestDerivedKeys holds the list against what tools write.
func TestDerivedKeys(t *testing.T) {
	for _, key := range []string{
		"md5chksum", "Content-MD5", "md5-hash", "md5", "x-amz-meta-md5", "file_md5", "md5sum", "sha1", "sha-256", "x-sha256",
		"x-amz-content-sha256", "original-sha256", "checksum-sha1", "crc32c", "checksum", "content_digest", "hash",
		"file-hash", "etag", "original-etag", "blake3", "xxhash", "x-amz-key-v2", "x-amz-iv", "X-Amz-Matdesc",
		"x-amz-unencrypted-content-length", "x-amz-unencrypted-content-md5", "x-amz-tag-len", "x-amz-c", "s3cmd-attrs",
		"mc-attrs", "size", "file-size", "filesize", "original_content_length", "part-size", "chunk-size", "partsize",
		"multipart-part-size", "uncompressed-size", "content-encoding", "compression", "file-mtime",
		"goog-reserved-file-mtime", "x-hadoop-s3a-magic-data-length",
	} {
		if !derived(key) {
			t.Errorf("%q is kept though the bytes change", key)
		}
	}
	for _, key := range []string{
		"author", "mtime", "mode", "uid", "gid", "commit-hash", "git-sha", "git-sha-short", "s3share-commit", "s3share-type", "shape", "page-size",
		"shoe-size", "hashtag", "image-tag", "vintage-tag", "x-amz-meta-author", "title", "description", "part-number",
		"file-owner", "file-permissions", "block", "sumo", "summary", "x-amz-owner", "length-of-stay", "etagere", "",
	} {
		if derived(key) {
			t.Errorf("%q is dropped though it says nothing of the bytes", key)
		}
	}
}

// TestHeadersOfOtherBytes changes objects with random headers in each way: what
// describes the bytes goes when they change and stays when they do not, and all else
// stays; of our own goes in what there is room for.
func TestHeadersOfOtherBytes(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	keys := append([]string{"author", "état", "project-id", "x-long", "note"}, "md5chksum",
		"x-amz-key-v2", "s3cmd-attrs", "file-sha256", "part-size")
	classes := []string{"", "STANDARD_IA", "ONEZONE_IA", "INTELLIGENT_TIERING", "GLACIER_IR",
		"GLACIER", "DEEP_ARCHIVE"}
	values := []string{"a", "=?UTF-8?Q?caf=C3=A9?=", "caf\xe9", "café", strings.Repeat("x", 300),
		strings.Repeat("é", 150), "1/2/3"}
	headers := 200
	if testing.Short() {
		headers = 40
	}
	for range headers {
		h := &s3backend.Header{
			ContentType: "text/x-theirs", ContentEncoding: "gzip",
			ContentDisposition: "attachment; filename=\"caf\xe9\"",
			ContentLanguage:    "de", CacheControl: "no-cache", Expires: "whenever",
			User:  map[string]string{},
			Class: classes[rng.IntN(len(classes))],
		}
		room := maxMetadata
		for range rng.IntN(12) {
			key, value := fmt.Sprintf("%s%.*s", keys[rng.IntN(len(keys))], rng.IntN(2),
				"-2"), values[rng.IntN(len(values))]
			if _, twice := h.User[key]; !twice && metadataSize(key, value) <= room {
				h.User[key] = value
				room -= metadataSize(key, value)
			}
		}
		for what, change := range map[string]func(r *rig, it *Item) error{
			"append": func(r *rig, it *Item) error { _, _, err := it.Append([]byte("more")); return err },
			"write":  func(r *rig, it *Item) error { _, err := it.WriteAt([]byte("B"), 0); return err },
			"empty":  func(r *rig, it *Item) error { return it.Truncate(0) },
			"longer": func(r *rig, it *Item) error { return it.Truncate(1000) },
			"anew": func(r *rig, it *Item) error {
				_ = it.Truncate(0)
				_, err := it.WriteAt([]byte("before"), 0)
				return err
			},
			"touch":  func(r *rig, it *Item) error { return it.SetMtime(time.Unix(1e9, 5)) },
			"chmod":  func(r *rig, it *Item) error { return it.SetMode(0o700) },
			"killed": func(r *rig, it *Item) error { return it.SetMtime(time.Unix(1e9, 5)) },
			"rename": func(r *rig, it *Item) error { return it.Rename("Delivery/b.html", s3backend.Object{}, nil) },
			"name too": func(r *rig, it *Item) error {
				_ = it.SetMode(0o700)
				return it.Rename("Delivery/b.html", s3backend.Object{}, nil)
			},
		} {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, buckettest.New(), t.TempDir(), Config{}, nil)
				r.recover()
				r.b.Store("Delivery/a.tmp", []byte("before"), h)
				it := r.edit("Delivery/a.tmp")
				if what == "rename" {
					it.stage.MarkChanged() // it was opened, and is to be delivered
				}
				if err := change(r, it); err != nil {
					r.Fatal(err)
				}
				if what == "killed" {
					r = r.closed(it, true)
				} else {
					r.done(it)
				}
				defer r.Close()
				r.drain()
				got := r.b.Object(r.b.Keys()[0]).Header
				want := *h
				want.User = maps.Clone(h.User)
				if what == "append" || what == "write" || what == "empty" ||
					what == "longer" || what == "anew" {
					want = withoutDerived(want)
					if want.Class = h.Class; h.Class == "GLACIER" || h.Class == "DEEP_ARCHIVE" {
						want.Class = ""
					}
				}
				theirs := *got
				theirs.User = maps.Clone(got.User)
				ours, size := 0, 0
				for key, value := range got.User {
					size += metadataSize(key, value)
					if key == metaCommit || key == metaMtime || key == metaMode || key == metaType {
						delete(theirs.User, key)
						ours += metadataSize(key, value)
					}
				}
				if fmt.Sprintf("%+v", theirs) != fmt.Sprintf("%+v", want) {
					t.Fatalf("%s: the object has\n%+v, want\n%+v", what, theirs, want)
				}
				if size > maxMetadata || got.User[metaCommit] == "" && size-ours+40 <= maxMetadata {
					t.Fatalf("%s: %d bytes of metadata, %d of them ours: %q",
						what, size, ours, got.User)
				}
			})
		}
	}
}

// TestHeadersSurviveTheJournal writes headers of any bytes down and reads them again.
func TestHeadersSurviveTheJournal(t *testing.T) {
	for _, h := range []s3backend.Header{
		{},
		{ContentType: "text/plain", User: map[string]string{"a": "b"}, TagCount: 2, Class: "STANDARD_IA"},
		{ContentDisposition: "filename=\"caf\xe9\"", Expires: "\xff", User: map[string]string{"a": "caf\xe9", "b": "café", "c": "\xed\xb3\xa9"}},
		// no server should, but one may
		{CacheControl: "\x00", User: map[string]string{"a": "\x006162", "b": "\x00x"}},
	} {
		line, err := json.Marshal(journal.Record{Op: journal.OpUpload,
			Header: (*journal.RawHeader)(&h)})
		if err != nil {
			t.Fatal(err)
		}
		var rec journal.Record
		if err := json.Unmarshal(line, &rec); err != nil {
			t.Fatal(err)
		}
		if got := s3backend.Header(*rec.Header); !reflect.DeepEqual(got, h) {
			t.Errorf("%s is read as %+v, want %+v", line, got, h)
		}
	}
}

// TestMetadataSize counts as S3 does.
func TestMetadataSize(t *testing.T) {
	for _, c := range []struct {
		key, value string
		want       int
	}{
		{"k", "value", 6},
		{"k", "é", 3},
		{"k", "=?UTF-8?Q?caf=C3=A9?=", 6},
		{"k", "=?UTF-8?B?Y2Fmw6k=?=", 6},
		{"k", "caf\xe9", 6},
		{"k", "=?unknown?Q?x?=", 16},
		{"é", "", 2},
	} {
		if got := metadataSize(c.key, c.value); got != c.want {
			t.Errorf("metadataSize(%q, %q) = %d, want %d", c.key, c.value, got, c.want)
		}
	}
}

// TestTypeFollowsTheName renames and edits objects whose type we chose from a temporary
// name, and whose type the other party set.
func TestTypeFollowsTheName(t *testing.T) {
	const octets = "application/octet-stream"
	html := contentType("a.html")
	for _, c := range []struct {
		what string
		h    *s3backend.Header
		want string
	}{
		{"ours, from a temporary name", &s3backend.Header{ContentType: octets, User: map[string]string{metaType: typeIsByName}}, html},
		{"theirs, as it comes", &s3backend.Header{ContentType: octets}, octets},
		{"theirs", &s3backend.Header{ContentType: "text/x-theirs"}, "text/x-theirs"},
		{"ours first, then theirs", &s3backend.Header{ContentType: "text/x-theirs", User: map[string]string{metaType: typeIsByName}}, "text/x-theirs"},
	} {
		for _, edited := range []bool{true, false} {
			bubble(t, Config{}, nil, func(r *rig) {
				r.b.Store("Delivery/a.unknown", []byte("before"), c.h)
				it := r.edit("Delivery/a.unknown")
				if edited {
					r.write(it, []byte("B"), 0)
				} else if err := it.SetMode(0o600); err != nil {
					r.Fatal(err)
				}
				if err := it.Rename("Delivery/a.html", s3backend.Object{}, nil); err != nil {
					r.Fatal(err)
				}
				r.done(it)
				r.drain()
				if got := r.b.Object("Delivery/a.html").Header.ContentType; got != c.want {
					t.Errorf("%s, edited %v: the type is %q, want %q", c.what, edited, got, c.want)
				}
			})
		}
	}
	bubble(t, Config{}, nil, func(r *rig) {
		it := r.create("Delivery/a.tmp", random(1, parts.Size+1))
		synctest.Wait() // its upload has begun
		if err := it.Rename("Delivery/a.html", s3backend.Object{}, nil); err != nil {
			r.Fatal(err)
		}
		r.done(it)
		r.drain()
		if h := r.b.Object("Delivery/a.html").Header; h.ContentType != html ||
			h.User[metaType] != typeIsByName {
			t.Errorf("the new file has %+v", h)
		}
	})
}
