package daemon

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// TestBookmarks draws what a person has bookmarked: the mount is added once, and all else stays as
// it is, byte for byte, also once the mount is removed again.
func TestBookmarks(t *testing.T) {
	config := t.TempDir()
	t.Setenv("XDG_CONFIG_HOME", config)
	t.Setenv("HOME", config) // where XDG_CONFIG_HOME is not used
	files, err := bookmarkFiles()
	if err != nil || len(files) != 1 {
		t.Fatalf("%q, %v", files, err)
	}
	real := filepath.Join(config, "elsewhere")
	const dir = "/home/ann/my team"
	const mine = "file:///home/ann/my%20team"
	rapid.Check(t, func(rt *rapid.T) {
		kept := rapid.SliceOfN(rapid.SampledFrom([]string{
			"file:///home/ann/docs", "sftp://host/x Host  x", "", "file:///home/ann/my%20teams team", mine + " Mine", "\xff", mine,
		}), 0, 6).Draw(rt, "bookmarks")
		before := ""
		if len(kept) > 0 {
			before = strings.Join(kept, "\n") + "\n"
		}
		if err := os.RemoveAll(filepath.Dir(files[0])); err != nil {
			rt.Fatal(err)
		}
		place := files[0]
		if before != "" {
			if err := os.MkdirAll(filepath.Dir(place), 0o700); err != nil {
				rt.Fatal(err)
			}
			if rapid.Bool().Draw(rt, "link") {
				if err := os.Symlink(real, place); err != nil {
					rt.Fatal(err)
				}
				place = real
			}
			if err := os.WriteFile(place, []byte(before), 0o644); err != nil {
				rt.Fatal(err)
			}
		}
		content := func() string {
			b, err := os.ReadFile(place)
			if err != nil {
				rt.Fatal(err)
			}
			return string(b)
		}
		there := strings.Contains(before, mine+" ") || strings.Contains("\n"+before, "\n"+mine+"\n")
		want := before
		if !there {
			want += mine + " team\n"
		}
		remove, err := addBookmark(dir, "team")
		if err != nil {
			rt.Fatal(err)
		}
		if got := content(); got != want {
			rt.Fatalf("the bookmarks are %q, want %q", got, want)
		}
		if again, err := addBookmark(dir, "team"); err != nil || content() != want {
			rt.Fatalf("a second time, they are %q: %v", content(), err)
		} else if err := again(); err != nil || content() != want { // whoever adds nothing removes nothing
			rt.Fatalf("then they are %q: %v", content(), err)
		}
		late := "file:///added/meanwhile\n"
		if err := os.WriteFile(place, []byte(want+late), 0o644); err != nil {
			rt.Fatal(err)
		}
		if err := remove(); err != nil {
			rt.Fatal(err)
		}
		if got := content(); got != before+late {
			rt.Fatalf("in the end they are %q, want %q", got, before+late)
		}
	})
}
