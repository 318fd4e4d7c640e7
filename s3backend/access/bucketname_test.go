package access

import (
	"strings"
	"testing"
)

// TestBucketNames: names that AWS takes for new buckets, that old buckets may have, and that
// none has.
func TestBucketNames(t *testing.T) {
	for _, tt := range []struct {
		name     string
		old, new bool
	}{
		{"team-exchange", true, true},
		{"a.b-3", true, true},
		{"Team_Exchange", true, false},
		{"-team", true, false},
		{"team..exchange", true, false},
		{"192.168.5.4", true, false},
		{"xn--team", true, false},
		{"team-s3alias", true, false},
		{"ab", false, false},
		{"team exchange", false, false},
		{"teäm", false, false},
		{strings.Repeat("a", 63), true, true},
		{strings.Repeat("a", 64), true, false},
		{strings.Repeat("a", 255), true, false},
		{strings.Repeat("a", 256), false, false},
	} {
		if err := CheckBucketName(tt.name); (err == nil) != tt.old {
			t.Errorf("CheckBucketName(%q) = %v", tt.name, err)
		}
		if err := checkNewName(tt.name, Bucket{}); (err == nil) != tt.new {
			t.Errorf("checkNewName(%q) = %v", tt.name, err)
		}
		if err := checkNewName(tt.name, Bucket{Exists: true}); err != nil {
			t.Errorf("checkNewName(%q) of one that exists = %v", tt.name, err)
		}
	}
}
