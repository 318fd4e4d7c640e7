package hint

import (
	"slices"
	"testing"
)

func TestMisspeltWordsHaveNearOnes(t *testing.T) {
	known := []string{"bucket", "region", "profile", "cache-size", "cache-dir", "uid",
		"gid", "umask", "dropbox"}
	for _, tt := range []struct {
		word string
		want []string
	}{
		{"regoin", []string{"region"}},
		{"Region", []string{"region"}},
		{"buckett", []string{"bucket"}},
		{"cachesize", []string{"cache-size"}},
		{"cache_size", []string{"cache-size"}},
		{"cache-siez", []string{"cache-size"}},
		{"xid", []string{"uid", "gid"}},
		{"drop", []string{"dropbox"}},
		{"cache", nil}, // two begin with it
		{"version", nil},
		{"", nil},
		{"compress", nil},
	} {
		if got := Near(tt.word, known); !slices.Equal(got, tt.want) {
			t.Errorf("Near(%q) = %q, want %q", tt.word, got, tt.want)
		}
	}
}
