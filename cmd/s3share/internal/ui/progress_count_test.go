package ui

import "testing"

func TestCount(t *testing.T) {
	for _, tt := range []struct {
		n          int
		what, want string
	}{
		{1, "file", "1 file"}, {0, "file", "0 files"}, {1, "delivery", "1 delivery"}, {17, "delivery", "17 deliveries"},
	} {
		if got := Count(tt.n, tt.what); got != tt.want {
			t.Errorf("Count(%d, %q) = %q, want %q", tt.n, tt.what, got, tt.want)
		}
	}
}
