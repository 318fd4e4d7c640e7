package gateway

import (
	"slices"
	"testing"

	"github.com/versity/versitygw/s3response"
)

// TestListingHasNoTemporaryNames leaves out what the backend is about to rename.
func TestListingHasNoTemporaryNames(t *testing.T) {
	t.Parallel()
	keys := []string{"a", ".a.sgwtmp.1795919969281980680", "d/b", "d/.b.sgwtmp.1",
		"c.sgwtmp.1", ".sgwtmp", "d/.b.sgwtmp.x"}
	var objects []s3response.Object
	for _, key := range keys {
		objects = append(objects, s3response.Object{Key: &key})
	}
	var got []string
	for _, o := range complete(objects) {
		got = append(got, *o.Key)
	}
	want := []string{"a", "d/b", "c.sgwtmp.1", ".sgwtmp", "d/.b.sgwtmp.x"}
	if !slices.Equal(got, want) {
		t.Fatalf("listed %q, want %q", got, want)
	}
}
