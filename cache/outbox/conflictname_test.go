package outbox

import (
	"math/rand/v2"
	"path"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/s3share/s3share/cache/privatename"
	"github.com/s3share/s3share/s3backend"
)

// TestConflictNamesFit makes names of conflict copies for keys of every length, of
// characters of one to four bytes, below short and long directories: each is a name and
// a key, cut between two characters, that nothing has yet.
func TestConflictNamesFit(t *testing.T) {
	shown := func(elem string) string { return strings.ReplaceAll(elem, "\x01", "␛01") }
	alphabet := []string{"a", "é", "€", "😀", " ", ".", "\x01", "~", "(", ")", "␛"}
	rng := rand.New(rand.NewPCG(1, 2))
	name := func(n int) string {
		var b strings.Builder
		for b.Len() < n {
			if c := alphabet[rng.IntN(len(alphabet))]; b.Len()+len(c) <= n {
				b.WriteString(c)
			} else {
				b.WriteString("x")
			}
		}
		return b.String()
	}
	bubble(t,
		Config{Who: "Ann (ops/1)\n" + strings.Repeat("é", 100), Shown: shown}, nil, func(r *rig) {
			for range 4000 {
				key := "Delivery/"
				for room := rng.IntN(maxKey - 20); len(key) < room; {
					key += name(1+rng.IntN(min(maxName, max(1, room-len(key))))) + "/"
				}
				key += name(1 + rng.IntN(min(maxName, max(1, maxKey-len(key)))))
				if len(key) > maxKey {
					continue
				}
				got := r.conflictKey(key)
				dir, elem := path.Split(got)
				switch {
				case len(got) > maxKey || len(shown(elem)) > maxName || elem == "" ||
					elem == "." || elem == "..":
					r.Fatalf("%q of %d bytes, %d shown, for %q",
						got, len(got), len(shown(elem)), key)
				case !utf8.ValidString(got):
					r.Fatalf("%q is cut within a character, for %q", got, key)
				case got == key || !strings.HasPrefix(key, dir):
					r.Fatalf("%q for %q", got, key)
				case r.Private(got):
					r.Fatalf("%q is private, for %q", got, key)
				}
				if again := r.conflictKey(got); strings.Count(again,
					"(conflict") > strings.Count(key, "(conflict")+1 {
					r.Fatalf("the conflict of %q is %q", got, again)
				}
			}
		})
}

// TestConflictNamesAreNotTaken makes two in one instant.
func TestConflictNamesAreNotTaken(t *testing.T) {
	bubble(t, Config{Who: "me"}, nil, func(r *rig) {
		first := r.create("Delivery/a.csv", []byte("a"))
		if err := first.Rename(r.conflictKey("Delivery/a.csv"),
			s3backend.Object{}, nil); err != nil {
			r.Fatal(err)
		}
		if second := r.conflictKey("Delivery/a.csv"); second == first.Key() {
			t.Errorf("both are %q", second)
		}
		r.done(first)
		r.drain()
	})
}

// TestConflictOfAConflictCopy has the other party change a conflict copy, and make
// files of its name: the next copy is named for the file that both have changed.
func TestConflictOfAConflictCopy(t *testing.T) {
	private, err := privatename.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	names := conflictNames{who: "me", private: private}
	for key, want := range map[string]string{
		"Delivery/a.csv": "Delivery/a (conflict me 2000-01-01 000000.000Z).csv",
		"Delivery/a (conflict me 1999-12-31 000000.000Z).csv":                                       "Delivery/a (conflict me 2000-01-01 000000.000Z).csv",
		"Delivery/a (conflict 1999-12-31 000000.000Z).csv":                                          "Delivery/a (conflict me 2000-01-01 000000.000Z).csv",
		"Delivery/a (conflict you 1999-12-31 000000.000Z) (conflict me 1999-12-31 000000.000Z).csv": "Delivery/a (conflict me 2000-01-01 000000.000Z).csv",
		"Delivery/a (conflict resolved).csv":                                                        "Delivery/a (conflict resolved) (conflict me 2000-01-01 000000.000Z).csv",
		"Delivery/.profile":                                                                         "Delivery/.profile (conflict me 2000-01-01 000000.000Z)",
		"Delivery/a.tar.gz":                                                                         "Delivery/a.tar (conflict me 2000-01-01 000000.000Z).gz",
		"Delivery/a. not a type of any kind":                                                        "Delivery/a. not a type of any kind (conflict me 2000-01-01 000000.000Z)",
	} {
		if got := names.keyAt(key, time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)); got != want {
			t.Errorf("the conflict copy of %q is %q, want %q", key, got, want)
		}
	}
}
