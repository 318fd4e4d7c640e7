package gateway

import (
	"errors"
	"path/filepath"
	"testing"

	"github.com/versity/versitygw/backend/meta"
)

func TestLoopback(t *testing.T) {
	for _, tt := range []struct {
		listen string
		want   string // "" refused
	}{
		{"127.0.0.1:0", "127.0.0.1:0"},
		{"127.1.2.3:9000", "127.1.2.3:9000"},
		{"[::1]:9000", "[::1]:9000"},
		{"[::ffff:127.0.0.1]:9000", "127.0.0.1:9000"},
		{":9000", ""},
		{"0.0.0.0:9000", ""},
		{"[::]:9000", ""},
		{"192.0.2.1:9000", ""},
		{"127.0.0.1", ""},
		{"127.0.0.1:port", ""},
	} {
		addr, err := loopback(tt.listen)
		got := addr.String()
		if err != nil {
			got = ""
		}
		if got != tt.want {
			t.Errorf("loopback(%q) = %q, %v, want %q", tt.listen, got, err, tt.want)
		}
	}
}

// TestPrepare keeps what is stored about an object, on file systems with and
// without extended attributes.
func TestPrepare(t *testing.T) {
	for name, test := range map[string]func(string) error{
		"with":    meta.XattrMeta{}.Test,
		"without": func(string) error { return errors.ErrUnsupported },
	} {
		t.Run(name, func(t *testing.T) {
			attrs, data, err := prepare(filepath.Join(t.TempDir(), "new"), test)
			if err != nil {
				t.Fatal(err)
			}
			if err := attrs.StoreAttribute(nil, data, "", "name", []byte("value")); err != nil {
				t.Fatal(err)
			}
			got, err := attrs.RetrieveAttribute(nil, data, "", "name")
			if string(got) != "value" || err != nil {
				t.Errorf("RetrieveAttribute() = %q, %v, want what was stored", got, err)
			}
		})
	}
}

// TestUserOnly: what the layer keeps in the metadata is not the user's to see.
func TestUserOnly(t *testing.T) {
	m := map[string]string{"mtime": "1", metaACL: "{}", metaInitiator: "1", metaCanned: "private"}
	if got := userOnly(m); len(got) != 1 || got["mtime"] != "1" {
		t.Errorf("userOnly(%q) = %q, want the mtime alone", m, got)
	}
	if got := userOnly(nil); got == nil || len(got) != 0 {
		t.Errorf("userOnly(nil) = %#v, want an empty map to write to", got)
	}
}
