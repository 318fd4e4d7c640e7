package config

import "testing"

// TestSizesAreShownAsTheyAreWritten: config show has what can be put into the config file, in the
// unit in which it is a whole number.
func TestSizesAreShownAsTheyAreWritten(t *testing.T) {
	for text, want := range map[string]string{
		"5M": `"5MiB"`, "512K": `"512KiB"`, "1.5GiB": `"1536MiB"`, "2MB": `"2MB"`, "500KB": `"500KB"`,
		"10001": `"10001"`, "3G": `"3GiB"`, "1TB": `"1TB"`,
	} {
		n, err := parseSize(text)
		if err != nil {
			t.Fatal(err)
		}
		if got := tomlValue(byteSize(n)); got != want {
			t.Errorf("the size %s is shown as %s, want %s", text, got, want)
		}
		if got := tomlValue(byteRate(n)); got != want {
			t.Errorf("the rate %s is shown as %s, want %s", text, got, want)
		}
		if again, err := parseSize(want[1 : len(want)-1]); again != n || err != nil {
			t.Errorf("%s is read as %d, %v; want %d", want, again, err, n)
		}
	}
	if got := tomlValue(byteRate(0)); got != `"none"` {
		t.Errorf("no limit is shown as %s", got)
	}
}
