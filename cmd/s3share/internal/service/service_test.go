package service

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// TestInstalledInAnyDirectory finds the units in directories whose names are patterns, and below
// none at all.
func TestInstalledInAnyDirectory(t *testing.T) {
	want := []Unit{{Exchange: "a[1]", Dir: "/mnt/50% \"off\""},
		{Exchange: "team", Dir: "/mnt/team"}}
	for _, name := range []string{"plain", "a[b]", "[", "*", "a?", `back\slash`, "with space"} {
		units := filepath.Join(t.TempDir(), name)
		for _, u := range want {
			if err := Write(u.Files(units)); err != nil {
				t.Fatal(err)
			}
		}
		if err := os.MkdirAll(filepath.Join(units, "s3share@others.service.d"), 0o755); err != nil {
			t.Fatal(err)
		}
		equal := func(a, b Unit) bool { return a.Exchange == b.Exchange && a.Dir == b.Dir }
		if all, err := Installed(units); err != nil || !slices.EqualFunc(all, want, equal) {
			t.Errorf("below %q: Installed() = %+v, %v, want %+v", name, all, err, want)
		}
	}
	if all, err := Installed(filepath.Join(t.TempDir(), "absent")); err != nil || len(all) > 0 {
		t.Errorf("without a directory: Installed() = %+v, %v", all, err)
	}
}
