package readahead

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/s3share/s3share/cache/keyname"
	"github.com/s3share/s3share/cache/meta"
)

// tree is Names of files in memory: their names by the prefix of their directory.
type tree map[string][]string

func (t tree) After(prefix, name string, _ int64, n int) (files []meta.Entry) {
	for _, f := range t[prefix] {
		if f > name && len(files) < n {
			files = append(files, meta.Entry{Name: f, Size: 1})
		}
	}
	return files
}

func (t tree) Objects(prefix string, size int64, n int) []meta.Entry {
	if len(t[prefix]) > n {
		return nil
	}
	return t.After(prefix, "", size, n)
}

func (t tree) Folders(prefix string, _ int) (names []string) {
	for p := range t {
		if name, ok := strings.CutPrefix(strings.TrimSuffix(p, "/"), prefix); ok &&
			name != "" && !strings.Contains(name, "/") {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

func (t tree) paths() (all []string) {
	for p, files := range t {
		for _, f := range files {
			all = append(all, p+f)
		}
	}
	slices.Sort(all)
	return all
}

// TestBatches opens files as programs do. Those of a program that reads in order are almost
// all in a batch before they are opened, those of any other are not.
func TestBatches(t *testing.T) {
	const fresh = time.Second
	flat, deep := tree{}, tree{}
	for i := range 300 {
		flat["D/"] = append(flat["D/"], fmt.Sprintf("f%03d", i))
		dir := fmt.Sprintf("D/d%d/", i/50)
		deep[dir] = append(deep[dir], fmt.Sprintf("f%03d", i))
	}
	byIno := func(a, b string) int { return cmp.Compare(keyname.Ino(a), keyname.Ino(b)) }
	random := rand.New(rand.NewPCG(1, 2))
	for _, tt := range []struct {
		name     string
		tree     tree
		order    func([]string) []string
		pause    time.Duration
		min, max int // files that are in a batch before they are opened, and in batches at all
	}{
		{"by name", flat, slices.Clone[[]string], time.Millisecond, 290, 300},
		{"by inode", flat, func(p []string) []string { slices.SortFunc(p, byIno); return p }, time.Millisecond, 285, 300},
		{"two at a time", flat, func(p []string) []string {
			for i := 0; i+1 < len(p); i += 2 {
				p[i], p[i+1] = p[i+1], p[i]
			}
			return p
		}, time.Millisecond, 280, 300},
		{"a tree", deep, slices.Clone[[]string], time.Millisecond, 280, 300},
		{"in no order", flat, func(p []string) []string {
			random.Shuffle(len(p), func(i, j int) { p[i], p[j] = p[j], p[i] })
			return p[:60]
		}, time.Millisecond, 0, 20},
		{"slowly", flat, slices.Clone[[]string], fresh, 0, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tr := New(tt.tree, 1, fresh)
			now := time.Now()
			batched := map[string]bool{}
			ahead := 0
			for _, path := range tt.order(tt.tree.paths()) {
				if batched[path] {
					ahead++
				}
				prefix, name := keyname.Split(path)
				for _, b := range tr.Observe(prefix, name, now) {
					for _, f := range b.Files {
						batched[b.Prefix+f.Name] = true
					}
				}
				now = now.Add(tt.pause)
			}
			if ahead < tt.min || len(batched) > tt.max {
				t.Errorf(
					"%d files were in a batch before they were opened, %d in all; want at least %d, at most %d", ahead, len(batched), tt.min, tt.max)
			}
		})
	}
}

// TestGiveBack has the files that were not fetched come again.
func TestGiveBack(t *testing.T) {
	names := tree{}
	for i := range 50 {
		names["D/"] = append(names["D/"], fmt.Sprintf("f%02d", i))
	}
	tr := New(names, 1, time.Second)
	now := time.Now()
	var got []Batch
	for i := range minRun {
		got = tr.Observe("D/", names["D/"][i], now)
	}
	if len(got) != 1 || len(got[0].Files) != firstAhead || got[0].Files[0].Name != "f03" {
		t.Fatalf("batches %+v, want one of %d files from f03 on", got, firstAhead)
	}
	tr.GiveBack(got[0], firstAhead)
	got = tr.Observe("D/", "f03", now)
	if len(got) != 1 || got[0].Files[0].Name != "f04" {
		t.Errorf("batches %+v, want one from f04 on", got)
	}
}
