package config

import (
	"fmt"
	"hash/crc32"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/pelletier/go-toml/v2"

	"github.com/s3share/s3share/cmd/s3share/internal/hint"
	"github.com/s3share/s3share/s3backend/access"
)

// FuzzConfig reads any config file: what is not refused keeps to what every setting keeps
// to, and an exchange that join adds is read back, beside all that was there.
func FuzzConfig(f *testing.F) {
	const invitation = "s3share:team-exchange,owner=111122223333,region=eu-central-1"
	f.Add([]byte(teamConfig), "team", invitation)
	for _, text := range []string{
		"", "x", "[exchange]", "exchange = 1", "[exchange.a]\nbucket = 1", "[[exchange.a]]\n", "default = \"a\"\n[exchange.a]", "[exchange.a.b]",
		"exchange = { team = { bucket = \"b\" } }", "[exchange.\"\"]\nbucket = \"b\"", "[exchange.\"../x\"]\nbucket = \"b\"\nstate-dir = \"~/../x\"",
		"[exchange.team]\nfolders = [\"..\", \"a/b\", \"\\u0000\"]", "[exchange.team]\nowner = \"\\n\"", "[exchange.team]\numask = 27",
		"[exchange.team]\numask = 0o777", "[exchange.team]\numask = 1979-05-27", "[exchange.team]\numask = [\n\"027\"\n]", "[exchange.team]\ncache-size = \"-1\"",
		"[exchange.team]\nmemory = -1", "[exchange.team]\nmemory = 1e300", "[exchange.team]\nstage-size = \"inf\"", "[exchange.team]\nuid = -1",
		"[exchange.team]\ngid = 4294967296", "[exchange.team]\nprivate = [\"[\"]", "[exchange.team]\nprivate = [\"!*\", \"\"]", "[exchange.team]\nno-such-key = 1",
		"EXCHANGE.team.BUCKET = \"b\"", "[exchange.team]\nbucket = \"team-exchange\"\nowner = \"9\"", "[exchange.team]\nbucket = \"team-exchange\"",
		"\xef\xbb\xbf[exchange.team]\r\nbucket = 'b'\r\n", "[exchange.team]\nbucket = \"\"\"a\nb\"\"\"", "[exchange.team]\nbucket = \"\xff\"",
	} {
		f.Add([]byte(text), "team", invitation)
		f.Add([]byte(text), "",
			"s3share:b,endpoint=http://127.0.0.1:9000,folder=In%22%0A,folder=Out,payer=requester")
	}
	dir := f.TempDir()
	f.Setenv("HOME", dir)
	file := filepath.Join(dir, "config.toml")
	f.Fuzz(func(t *testing.T, text []byte, name, line string) {
		if err := os.WriteFile(file, text, 0o600); err != nil {
			t.Fatal(err)
		}
		s := Defaults()
		err := readConfig(file, name, s)
		if err == nil {
			checkSettings(t, s)
		} else if hint.Printable(err.Error()) == "" {
			t.Errorf("%q is refused without a word", text)
		}
		i, err := access.ParseInvitation(checked(line))
		if err != nil {
			return
		}
		before := exchangesIn(t, file)
		l, err := AddExchange(file, name, NewEntry(i, "profile"))
		if err != nil {
			if now, err := os.ReadFile(file); err != nil || string(now) != string(text) {
				t.Fatalf("join refused to add %q, and has made %q of %q, %v", line, now, text, err)
			}
			return
		}
		after := exchangesIn(t, file)
		is, ok := after[l.Name]
		if !ok || is.Bucket != i.Bucket || is.Endpoint != i.Endpoint ||
			i.Owner != "" && is.Owner != i.Owner ||
			!slices.Equal(is.Folders, NewEntry(i, "").Folders) &&
				!slices.Equal(is.Folders, i.Folders) {
			t.Fatalf("join added %q to %q, which is read as %+v, %v", line, text, is, ok)
		}
		for other := range before {
			if _, ok := after[other]; !ok {
				t.Fatalf("join added %q to %q, and %q is gone", line, text, other)
			}
		}
	})
}

// checkSettings fails unless settings can be what a mount goes by.
func checkSettings(t *testing.T, s *Settings) {
	t.Helper()
	for _, folder := range s.Folders {
		if CheckFolder(folder) != nil {
			t.Errorf("the folder %q is taken", folder)
		}
	}
	if s.Owner != "" && checkOwner(s.Owner) != nil {
		t.Errorf("the owner %q is taken", s.Owner)
	}
	for _, path := range []string{s.StateDir, s.CacheDir, s.LogFile} {
		if path != "" && !filepath.IsAbs(path) {
			t.Errorf("%q depends on the working directory", path)
		}
	}
	for _, size := range []byteSize{s.CacheSize, s.Memory, s.StageSize} {
		if size < 0 {
			t.Errorf("a size is %d", size)
		}
	}
	if s.Umask > 0o777 {
		t.Errorf("the umask is %o", s.Umask)
	}
	if len(s.Folders) == 0 || s.Exchange == "" && s.Bucket == "" {
		t.Errorf("an exchange without a name or a folder is taken: %+v", s)
	}
	_, _ = s.PrivateNames()
}

// exchangesIn are the exchanges of a config file, nil if it cannot be read.
func exchangesIn(t *testing.T, file string) map[string]Entry {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var doc struct {
		Exchange map[string]Entry `toml:"exchange"`
	}
	if err := toml.Unmarshal(data, &doc); err != nil {
		return nil
	}
	return doc.Exchange
}

// checked is an invitation with the checksum that it should have, so that not all that is
// tried ends at that.
func checked(line string) string {
	body, _, _ := strings.Cut(line, ",check=")
	return fmt.Sprintf("%s,check=%08x", body, crc32.ChecksumIEEE([]byte(body)))
}
