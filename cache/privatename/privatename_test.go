package privatename

import (
	"path"
	"strings"
	"testing"
)

func TestPrivateKey(t *testing.T) {
	for _, c := range []struct {
		changes []string
		key     string
		want    bool
	}{
		{nil, "Delivery/q3.csv", false},
		{nil, "Delivery/.q3.csv.swp", true},
		{nil, "Delivery/.Trash-1000/files/a", true},
		{nil, "Delivery/.q3.csv.Xy12Z9", true},
		{nil, "Delivery/.env.sample", false},
		{nil, "Delivery/a.bak", false},
		{nil, "Delivery/4913", false},
		{nil, "Delivery/4913/a", false},
		{nil, "Delivery/film.mkv.aria2", true},
		{nil, "Delivery/film.mkv.filepart", true},
		{nil, "Delivery/film.mkv.Xk2p9sQd.partial", true},
		{nil, "Delivery/letter.docx~RF3f21ab0c.TMP", true},
		{nil, "Delivery/.rsync-partial/a", true},
		{nil, "Delivery/.~tmp~/a", true},
		{nil, "Delivery/film.download/Info.plist", true},
		{[]string{"4913"}, "Delivery/4913", true},
		{[]string{"*.bak"}, "Delivery/a.bak", true},
		{[]string{"*.bak"}, "Delivery/a.part", true},
		{[]string{"scratch"}, "Delivery/scratch/a", true},
		{[]string{"!*.part"}, "Delivery/a.part", false},
		{[]string{"!*.part"}, "Delivery/a.crdownload", true},
		{[]string{"!.NAME.XXXXXX"}, "Delivery/.q3.csv.Xy12Z9", false},
		{[]string{"*.bak", "!*.bak"}, "Delivery/a.bak", false},
	} {
		p, err := New(c.changes)
		if err != nil {
			t.Fatalf("New(%q): %v", c.changes, err)
		}
		if got := p.Key(c.key); got != c.want {
			t.Errorf("with %q, Key(%q) = %v, want %v", c.changes, c.key, got, c.want)
		}
	}
	for _, bad := range []string{"", "a/b", "[a", `a\`, "!*.prat", "!"} {
		if _, err := New([]string{bad}); err == nil {
			t.Errorf("New(%q) takes it", bad)
		}
	}
}

// TestDirectoryWithAFilesPrivateNameIsData: a pattern is for what its program makes, so
// a directory that somebody calls "old~" is delivered with all that is in it.
func TestDirectoryWithAFilesPrivateNameIsData(t *testing.T) {
	p, err := New(nil)
	if err != nil {
		t.Fatal(err)
	}
	examples := map[string]string{ // a name for each pattern
		".goutputstream-*": ".goutputstream-AB12CD", ".~lock.*#": ".~lock.a.odt#", "lu[0-9]*.tmp": "lu1x.tmp",
		".*.sw[a-p]": ".a.swp", ".*.sw[a-p]x": ".a.swpx", "~WR[DL]*.tmp": "~WRD0001.tmp", "*~RF*.TMP": "a~RF1.TMP",
	}
	for _, n := range builtin {
		name := examples[n.pattern]
		if name == "" {
			name = strings.ReplaceAll(n.pattern, "*", "x")
		}
		if n.of&file != 0 && !p.Key("Delivery/"+name) {
			t.Errorf("the file %q is not private", name)
		}
		isPrivate := n.of&dir != 0
		for _, key := range []string{"Delivery/" + name + "/a", "Delivery/" + name + "/b/c",
			"Delivery/" + name + "/"} {
			if got := p.Key(key); got != isPrivate {
				t.Errorf("Key(%q) = %v, want %v", key, got, isPrivate)
			}
		}
	}
}

// TestGlob: a pattern matches what path.Match says.
func TestGlob(t *testing.T) {
	names := []string{
		"", "a", "a.part", ".part", "part", ".a.swp", ".a.swpx", ".a.sw", ".swp", "lu1.tmp", "lux.tmp", "lu", "4913", "49130", "#a#", "#", "##",
		"~", "a~", "*", "a*b", "a?b", "[", "ab", "aXb", "ba", "aba", "\u00fc~",
	}
	patterns := []string{"*", "**", "a*", "*a", "a*a", "a?b", "[ab]*", "a[*]b", `a\*b`,
		`\a`, "a*b*", "?", "ab"}
	for _, n := range builtin {
		patterns = append(patterns, n.pattern)
	}
	for _, p := range patterns {
		g := newGlob(p)
		for _, name := range names {
			want, err := path.Match(p, name)
			if err != nil {
				t.Fatal(err)
			}
			if got := g.match(name); got != want {
				t.Errorf("newGlob(%q).match(%q) = %v, want %v", p, name, got, want)
			}
		}
	}
}
