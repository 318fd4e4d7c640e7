package integration

import (
	"bytes"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"
)

// hostileKeys are keys that are no names: each is to be found below the mountpoint
// under a name of its own, and to hold what was put there.
var hostileKeys = []string{
	delivery + "a//b",
	delivery + "/leading",
	delivery + "trailing//",
	delivery + "../up",
	delivery + "x/../../../../etc/passwd",
	delivery + "./here",
	delivery + "..",
	delivery + "ctl\x01\x1b[31mred\nline",
	delivery + "delete\x7f",
	delivery + "50␛ off",
	delivery + "␛",
	delivery + strings.Repeat("long", 75),
	delivery + strings.Repeat("long", 75) + "/below",
	delivery + strings.Repeat("ü", 140),
	delivery + "a",
	delivery + "a/b",
	delivery + "back\\slash",
	delivery + "-rf *",
	delivery + "$(touch x)`id`'\"",
	delivery + "\xff\xfe",
	delivery + "caf\xe9",
	delivery + "bidi\u202egnp.exe",
}

// TestHostile mounts what a hostile party can put into the bucket.
func TestHostile(t *testing.T) {
	t.Parallel()
	x := newExchange(t, "full")
	put := map[string]string{} // content by key
	for i, key := range hostileKeys {
		content := fmt.Sprintf("content %d", i)
		if _, err := x.tryPut(client, key, []byte(content), true); err != nil {
			t.Logf("the server takes no key %q: %v", key, err)
			continue
		}
		put[key] = content
	}
	// A server may make another key of what it was sent.
	before := x.list()
	for key := range put {
		if before[key] == "" {
			t.Logf("the server does not keep the key %q", key)
			delete(put, key)
		}
	}
	x.foreign.etags = maps.Clone(before)
	if len(put) < 8 {
		t.Fatalf("the server has taken only %d keys: %q", len(put), put)
	}
	m := x.mount(owner)
	found := map[string]string{} // path by key
	err := filepath.WalkDir(m.path("Delivery"), func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			t.Errorf("walking: %v", err)
			return nil
		}
		name := e.Name()
		if name == "." || name == ".." || len(name) > 255 || !utf8.ValidString(name) {
			t.Errorf("%q is no name to be shown", name)
		}
		if rel, err := filepath.Rel(m.dir, path); err != nil || !filepath.IsLocal(rel) {
			t.Errorf("%q leads out of the mount", path)
		}
		if e.IsDir() {
			return nil
		}
		key, err := xattr(path, "user.s3share.key")
		if err != nil {
			t.Errorf("the key of %q: %v", path, err)
			return nil
		}
		if other, ok := found[key]; ok {
			t.Errorf("%q is shown as %q and as %q", key, other, path)
		}
		found[key] = path
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for key, want := range put {
		path, ok := found[key]
		if !ok {
			if !strings.HasSuffix(key, "/") { // that is a folder's own object
				t.Errorf("%q is not shown", key)
			}
			continue
		}
		if got, err := os.ReadFile(path); err != nil || string(got) != want {
			t.Errorf("%q, shown as %q, holds %q, %v, want %q", key, path, got, err, want)
		}
		again := []byte(want + " and more")
		if err := os.WriteFile(path, again, 0o644); err != nil {
			t.Errorf("writing to %q: %v", path, err)
			continue
		}
		await(t, "the delivery of "+path, func() bool {
			got, err := x.get(owner, key)
			return err == nil && bytes.Equal(got, again)
		})
	}
	m.unmount()
	for key := range x.list() {
		if before[key] == "" {
			t.Errorf("%q has come to be", key)
		}
	}
}
