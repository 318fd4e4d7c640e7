package delivery

import (
	"bytes"
	"path"
	"strings"
	"testing"
)

// FuzzManifest: what Parse takes, whoever wrote it, has paths within the sender's folder and
// nothing that a terminal obeys, and is written and read again as it is.
func FuzzManifest(f *testing.F) {
	f.Add(
		[]byte(
			`{"version": 1, "name": "q3", "created": "2026-11-30T07:00:00Z", "files": [{"path": "a/b", "size": 1, "sha256": "` + strings.Repeat("ab", 32) + `", "etag": "e"}]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		m, err := Parse(data, "Delivery", "q3")
		if err != nil {
			if m != nil {
				t.Error("a manifest and an error")
			}
			return
		}
		for _, file := range m.Files {
			key := toOwner.Object(file).Key
			if path.Clean("/"+key) != "/"+key || !strings.HasPrefix(key, "Delivery/") ||
				toOwner.Exclude(key) != nil {
				t.Errorf("the key %q", key)
			}
			if strings.ContainsAny(key+file.ETag+file.VersionID+m.Sender, "\x1b\n\r\x07\u009b") ||
				file.Size < 0 {
				t.Errorf("the file %+v", file)
			}
		}
		first, err := m.Encode("Delivery")
		if err != nil {
			t.Fatalf("what was read cannot be written: %v", err)
		}
		again, err := Parse(first, "Delivery", "q3")
		if err != nil {
			t.Fatal(err)
		}
		if second, err := again.Encode("Delivery"); err != nil || !bytes.Equal(first, second) {
			t.Errorf("%s is written again as %s, error %v", first, second, err)
		}
	})
}

// FuzzReceipt: a receipt that is taken is for the delivery that was asked for.
func FuzzReceipt(f *testing.F) {
	f.Add([]byte(`{"version": 1, "name": "q3", "manifest_sha256": "` + strings.Repeat("ab", 32) +
		`", "receiver": "bob@host", "verified": "2026-11-30T07:00:00Z", "files": 2, "bytes": 10}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		r, err := ParseReceipt(data, "q3")
		if err != nil {
			return
		}
		if r.Name != "q3" || strings.ContainsAny(r.Receiver, "\x1b\n\r\x07\u009b") {
			t.Errorf("the receipt %+v", r)
		}
	})
}
