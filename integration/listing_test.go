package integration

import (
	"fmt"
	"io/fs"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sync/errgroup"
)

// TestLargeTree walks through a tree that is more than a page of keys: of what is below
// a folder, and of its own names beside and behind a large one in it.
func TestLargeTree(t *testing.T) {
	t.Parallel()
	x := newExchange(t, "full")
	keys := []string{"a-1", "a.txt", "a0", "b/x", "b/y/z", "c"}
	for i := range 1050 {
		keys = append(keys, fmt.Sprintf("a/%04d", i))
	}
	var puts errgroup.Group
	puts.SetLimit(16)
	for _, key := range keys {
		puts.Go(func() error {
			_, err := x.tryPut(owner, delivery+"tree/"+key, []byte(key), true)
			return err
		})
	}
	if err := puts.Wait(); err != nil {
		t.Fatal(err)
	}
	m := x.mount(client)
	var got []string
	root := m.path(delivery + "tree")
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			got = append(got, strings.TrimPrefix(path, root+"/"))
		}
		return err
	})
	slices.Sort(got)
	slices.Sort(keys)
	if err != nil || !slices.Equal(got, keys) {
		t.Errorf("%d files and %v, want the %d that were put; the difference: %q",
			len(got), err, len(keys), differ(got, keys))
	}
	for _, key := range []string{"a-1", "b/y/z", "a/1049"} {
		if got := string(m.read(delivery + "tree/" + key)); got != key {
			t.Errorf("%s reads %q", key, got)
		}
	}
}

// differ lists what only one of the two has.
func differ(a, b []string) []string {
	in := map[string]int{}
	for _, s := range a {
		in[s]++
	}
	for _, s := range b {
		in[s]--
	}
	maps.DeleteFunc(in, func(_ string, n int) bool { return n == 0 })
	return slices.Sorted(maps.Keys(in))
}
