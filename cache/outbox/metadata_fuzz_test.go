package outbox

import (
	"bytes"
	"encoding/json"
	"maps"
	"reflect"
	"strings"
	"testing"

	"github.com/s3share/s3share/cache/filetime"
	"github.com/s3share/s3share/cache/outbox/journal"
	"github.com/s3share/s3share/s3backend"
)

// FuzzMetadata reads any metadata of the other party's: no mode has more than permission
// bits, a time that is read is written as the same time, and what of it goes on with an
// edit is theirs as it was, fits, and outlives the journal.
func FuzzMetadata(f *testing.F) {
	for _, seed := range []struct{ mtime, mode string }{
		{"", ""}, {"1767319445.5", "33188"}, {"-1.5", "0100644"}, {"1.9999999999", "104755"}, {"9223372036854775807.999999999", "35309"},
		{"-9223372036854775808.999999999", "-1"}, {"99999999999999999999", "4294967295"}, {"0x10", "0x81a4"}, {"1e9", "16877"}, {"1.-5", "41471"},
		{"-0.000000001", "49663"}, {"2026-01-02T03:04:05Z", "u+rwx"}, {" 1", "33188 "}, {"+1.5", "+33188"}, {"1_000", "33_188"}, {"NaN", "\x00"},
	} {
		f.Add(seed.mtime, seed.mode, "author", "somebody", 3)
	}
	f.Add("1", "33188", "x-amz-key-v2", "caf\xe9", 2000)
	f.Add("1", "33188", "note", "=?UTF-8?Q?caf=C3=A9?=", 2040)
	f.Add("1", "33188", "mode", "=?UTF-8?B?!!!?=", 3000)
	f.Add("1", "33188", "s3share-commit", "\x1b[2J\r\n", 1)
	f.Fuzz(func(t *testing.T, mtime, mode, key, value string, n int) {
		if strings.ContainsFunc(key, func(r rune) bool { return r <= ' ' || r > '~' || r == ':' }) {
			t.Skip("it is no name of a header")
		}
		user := map[string]string{metaMtime: mtime, metaMode: mode, key: value}
		for len(user) < 3+n%8 && n > 0 {
			user[key+string(rune('a'+len(user)))] = string(bytes.Repeat([]byte("v"), n%2100))
		}
		h := &s3backend.Header{ContentType: value, ContentEncoding: mode,
			Expires: mtime, User: user}
		if bits, ok := ModeOf(h); ok && bits&^0o777 != 0 || !ok && bits != 0 {
			t.Errorf("the mode %q is read as %o, %v", user[metaMode], bits, ok)
		}
		if at, ok := MtimeOf(h); ok {
			if again, ok := filetime.Parse(filetime.Format(at)); !ok || !again.Equal(at) {
				t.Errorf("the time %q is read as %v, and written as %q", user[metaMtime],
					at, filetime.Format(at))
			}
			text, err := json.Marshal(filetime.Time{Time: at})
			var back filetime.Time
			if err == nil {
				err = json.Unmarshal(text, &back)
			}
			if err != nil || !back.Equal(at) {
				t.Errorf("the time %q is journaled as %s, and read as %v, %v",
					user[metaMtime], text, back, err)
			}
		}
		before := maps.Clone(user)
		own := []metadata{{metaCommit, "commit"}, {metaMtime, "1.5"}, {metaMode, "33188"},
			typeMark(typeByName(h, "a.txt"))}
		sent := fitMetadata(withoutDerived(*h).User, own...)
		if !maps.Equal(user, before) {
			t.Fatal("what was read from S3 is changed")
		}
		ours := map[string]bool{metaCommit: true, metaMtime: true, metaMode: true, metaType: true}
		size, theirs := 0, 0
		for key, value := range sent {
			size += metadataSize(key, value)
			if !ours[key] {
				theirs += metadataSize(key, value)
				if was, ok := before[key]; !ok || was != value {
					t.Errorf("%q, which was %q, is sent as %q", key, was, value)
				}
			}
		}
		if size > max(maxMetadata, theirs) {
			t.Errorf("%d bytes of metadata are sent, %d of them theirs", size, theirs)
		}
		line, err := json.Marshal(journal.Record{Op: journal.OpUpload,
			Header: (*journal.RawHeader)(h)})
		var rec journal.Record
		if err == nil {
			err = json.Unmarshal(line, &rec)
		}
		if err != nil || !reflect.DeepEqual(s3backend.Header(*rec.Header), *h) {
			t.Errorf("%+v is journaled as %s, %v", h, line, err)
		}
	})
}
