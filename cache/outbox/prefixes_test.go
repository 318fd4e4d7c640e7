package outbox

import (
	"slices"
	"testing"
)

func TestPrefixes(t *testing.T) {
	for key, want := range map[string][]string{
		"":                   nil,
		"file":               nil,
		"Delivery/":          {"Delivery/"},
		"Delivery/file":      {"Delivery/"},
		"Delivery/a//b/c":    {"Delivery/", "Delivery/a/", "Delivery/a//", "Delivery/a//b/"},
		"Delivery/a/marker/": {"Delivery/", "Delivery/a/", "Delivery/a/marker/"},
	} {
		if got := slices.Collect(Prefixes(key)); !slices.Equal(got, want) {
			t.Errorf("Prefixes(%q) = %q, want %q", key, got, want)
		}
	}
}
