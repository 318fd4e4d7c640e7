package meta

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/s3share/s3share/s3backend"
)

// TestEntriesAreKeptAsTheyWere packs entries of all kinds, and finds each.
func TestEntriesAreKeptAsTheyWere(t *testing.T) {
	var s entries
	var want []Entry
	rnd := rand.New(rand.NewPCG(1, 2))
	etags := []string{
		"", "0123456789abcdef0123456789abcdef", "0123456789ABCDEF0123456789abcdef", "d41d8cd98f00b204e9800998ecf8427e-17",
		strings.Repeat("x", 254), strings.Repeat("x", 255), strings.Repeat("y", 400),
	}
	for p := range 40 {
		var page s3backend.Page
		prefix := "D/"
		for i := range 1 + rnd.IntN(30) {
			name := fmt.Sprintf("%s%02d-%03d%s", prefix, p, i, strings.Repeat("n", rnd.IntN(900)))
			if rnd.IntN(4) == 0 {
				page.Prefixes = append(page.Prefixes, name+"/")
				continue
			}
			page.Objects = append(page.Objects, s3backend.Object{
				Key: name, Size: rnd.Int64N(1 << 40), ETag: etags[rnd.IntN(len(etags))],
				Class: fmt.Sprint("class ", rnd.IntN(400)),
			})
		}
		all, _ := entriesOf(prefix, page)
		s.append(all)
		want = append(want, all...)
	}
	if s.n != len(want) {
		t.Fatalf("%d entries, want %d", s.n, len(want))
	}
	if len(s.classes) > maxClasses {
		t.Errorf("%d storage classes are kept, want %d at most", len(s.classes), maxClasses)
	}
	for i, e := range want {
		if got := s.at(i); got != e {
			t.Fatalf("entry %d is %+v, want %+v", i, got, e)
		}
		if got, ok := s.search(e.Name, e.IsDir()); !ok || got != i {
			t.Errorf("%q is found at %d, %v, want %d", e.Name, got, ok, i)
		}
		if got, ok := s.search(e.Name+"\x00", false); ok || got != i+1 && !e.IsDir() {
			t.Errorf("what follows %q is found at %d, %v", e.Name, got, ok)
		}
	}
	gone := Entry{Name: want[7].Name, Size: isGone}
	s.set(7, gone)
	if got, ok := s.search(want[7].Name, want[7].IsDir()); !ok || got != 7 || s.at(7) != gone {
		t.Errorf("what was changed is found at %d, %v, as %+v", got, ok, s.at(7))
	}
	if slices.ContainsFunc([]int{6, 8}, func(i int) bool { return s.at(i) != want[i] }) {
		t.Error("its neighbours have changed")
	}
}
