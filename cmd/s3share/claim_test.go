package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestClaimState opens a state directory for one bucket after another.
func TestClaimState(t *testing.T) {
	dir := t.TempDir()
	for _, c := range []struct {
		bucket, endpoint string
		owes             bool
		refused          string
	}{
		{"one", "", false, ""},
		{"two", "", false, ""}, // nothing is owed to the first
		{"two", "", true, ""},
		{"one", "", true, `"two"`},
		{"two", "https://s3.example.com", true, `"two"`},
		{"two", "", true, ""},
		{"two", "https://s3.example.com", false, ""},
		{"two", "", true, "https://s3.example.com"},
	} {
		journal := filepath.Join(dir, "stage", "1-1.log")
		if err := os.RemoveAll(filepath.Dir(journal)); err != nil {
			t.Fatal(err)
		}
		if c.owes {
			if err := os.Mkdir(filepath.Dir(journal), 0o700); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(journal, nil, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		err := claimState(&settings{StateDir: dir, Bucket: c.bucket, Endpoint: c.endpoint})
		if (err == nil) != (c.refused == "") || err != nil && !strings.Contains(err.Error(), c.refused) {
			t.Errorf("%+v: %v", c, err)
		}
	}
}
