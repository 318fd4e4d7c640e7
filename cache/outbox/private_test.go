package outbox

import (
	"path"
	"testing"
	"time"

	"github.com/s3share/s3share/s3backend"
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
		{[]string{"*.bak"}, "Delivery/a.bak", true},
		{[]string{"*.bak"}, "Delivery/a.part", true},
		{[]string{"scratch"}, "Delivery/scratch/a", true},
		{[]string{"!*.part"}, "Delivery/a.part", false},
		{[]string{"!*.part"}, "Delivery/a.crdownload", true},
		{[]string{"!.NAME.XXXXXX"}, "Delivery/.q3.csv.Xy12Z9", false},
		{[]string{"*.bak", "!*.bak"}, "Delivery/a.bak", false},
	} {
		p, err := NewPrivate(c.changes)
		if err != nil {
			t.Fatalf("NewPrivate(%q): %v", c.changes, err)
		}
		if got := p.Key(c.key); got != c.want {
			t.Errorf("with %q, Key(%q) = %v, want %v", c.changes, c.key, got, c.want)
		}
	}
	for _, bad := range []string{"", "a/b", "[a", `a\`, "!*.prat", "!"} {
		if _, err := NewPrivate([]string{bad}); err == nil {
			t.Errorf("NewPrivate(%q) takes it", bad)
		}
	}
}

// TestPrivateByChoice keeps what a changed list keeps, and delivers what it does not.
func TestPrivateByChoice(t *testing.T) {
	p, err := NewPrivate([]string{"*.bak", "!*.part"})
	if err != nil {
		t.Fatal(err)
	}
	bubble(t, Config{Private: p}, nil, func(r *rig) {
		kept, sent := r.create("Delivery/a.bak", []byte("a")), r.create("Delivery/b.part", []byte("b"))
		r.done(kept)
		r.done(sent)
		time.Sleep(time.Minute)
		r.wantKeys("Delivery/b.part")
		if st := kept.Status(); st.State != Local {
			r.Errorf("a.bak is %s", st.State)
		}
		r.hold(kept)
		if err := kept.Rename("Delivery/a", s3backend.Object{}); err != nil {
			r.Fatal(err)
		}
		r.done(kept)
		r.drain()
		r.wantKeys("Delivery/a", "Delivery/b.part")
	})
}

// TestGlob: a pattern matches what path.Match says.
func TestGlob(t *testing.T) {
	names := []string{
		"", "a", "a.part", ".part", "part", ".a.swp", ".a.swpx", ".a.sw", ".swp", "lu1.tmp", "lux.tmp", "lu", "4913", "49130", "#a#", "#", "##",
		"~", "a~", "*", "a*b", "a?b", "[", "ab", "aXb", "ba", "aba", "\u00fc~",
	}
	patterns := append([]string{"*", "**", "a*", "*a", "a*a", "a?b", "[ab]*", "a[*]b", `a\*b`, `\a`, "a*b*", "?", "ab"}, privateNames...)
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
