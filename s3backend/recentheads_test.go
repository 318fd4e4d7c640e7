package s3backend

import (
	"errors"
	"slices"
	"testing"
	"time"
)

// TestLately copies what a HEAD has just told of without another, for as long as that
// is just now and nothing was done to it, and asks again before it says Stale.
func TestLately(t *testing.T) {
	f := &fake{etag: map[string]string{"s": "se"}, ignoreSource: true}
	c := once(against(t, f.ServeHTTP))
	c.quirks.source.result.Store(probeIgnored)
	c.recentHeads.age = time.Hour
	part := func(etag string) error {
		_, err := c.CopyPart(t.Context(), Upload{Key: "k", ID: "u"},
			1, Object{Key: "s", ETag: etag, Size: 3}, 0, 3)
		return err
	}
	seen := func(age time.Duration) {
		c.recentHeads.age = age
		if _, err := c.Head(t.Context(), "s"); err != nil {
			t.Fatal(err)
		}
	}
	copied := "PUT k X-Amz-Copy-Source-If-Match"
	for _, tt := range []struct {
		what string
		do   func() error
		want error
		log  []string
	}{
		{"unseen", func() error { return part("se") }, nil, []string{"HEAD s", copied}},
		{"just seen", func() error { return part("se") }, nil, []string{copied}},
		{"as another version", func() error { return part("older") }, Stale, []string{"HEAD s"}},
		{"long ago", func() error { seen(0); return part("se") }, nil, []string{"HEAD s", "HEAD s", copied}},
		{"then removed", func() error {
			seen(time.Hour)
			return errors.Join(c.Delete(t.Context(), "s", Condition{}), part("se"))
		}, NotExist, []string{"HEAD s", "DELETE s", "HEAD s"}},
	} {
		f.log = nil
		if err := tt.do(); !errors.Is(err, tt.want) {
			t.Errorf("%s: %v, want %v", tt.what, err, tt.want)
		}
		if !slices.Equal(f.log, tt.log) {
			t.Errorf("%s: requests %q, want %q", tt.what, f.log, tt.log)
		}
	}
}
