package config

import "testing"

func TestParseSize(t *testing.T) {
	for _, tt := range []struct {
		text string
		want int64 // -1: an error
	}{
		{"0", 0}, {"512", 512}, {"512B", 512}, {"1K", 1 << 10}, {"1k", 1 << 10}, {"10G", 10 << 30},
		{"512MiB", 512 << 20}, {"1.5GiB", 3 << 29}, {"2 TiB", 2 << 40}, {"1KB", 1000}, {"3GB", 3e9},
		{"", -1}, {"x", -1}, {"-1", -1}, {"1X", -1}, {"1iB", -1}, {"1Gi", -1}, {"1GG", -1}, {"1e30G", -1}, {"NaN", -1}, {"9999999T", -1},
	} {
		got, err := parseSize(tt.text)
		if err != nil {
			got = -1
		}
		if got != tt.want {
			t.Errorf("parseSize(%q) = %d, %v, want %d", tt.text, got, err, tt.want)
		}
	}
}

func TestParseRate(t *testing.T) {
	for _, tt := range []struct {
		text string
		want int64 // -1: an error
	}{
		{"none", 0}, {"0", 0}, {"5M", 5 << 20}, {"500KB", 500000}, {"10K", 10 << 10}, {"10240", 10240},
		{"5", -1}, {"9K", -1}, {"", -1}, {"-1M", -1}, {"5M/s", -1}, {"None", -1}, {"5Mbit", -1}, {"inf", -1},
	} {
		got, err := parseRate(tt.text)
		if err != nil {
			got = -1
		}
		if got != tt.want {
			t.Errorf("parseRate(%q) = %d, %v, want %d", tt.text, got, err, tt.want)
		}
	}
}
