package statedir

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/s3share/s3share/cmd/s3share/internal/config"
	"github.com/s3share/s3share/s3backend"
)

// someBuckets are buckets that differ in one thing each from the first.
var someBuckets = []BucketID{
	{2, "one", "", "aws", ""},
	{2, "two", "", "aws", ""},
	{2, "one", "", "aws-cn", ""},
	{2, "one", "https://s3.example.com", "", ""},
	{2, "one", "https://s3.example.com:9000", "", ""},
	{2, "one", "", "aws", "111111111111"},
	{2, "one", "", "aws", "222222222222"},
}

func (c BucketID) settings(dir string) *config.Settings {
	return &config.Settings{StateDir: dir, Bucket: c.Bucket,
		Owner: c.Owner, At: s3backend.Location{Endpoint: c.Endpoint, Partition: c.Partition}}
}

// wait leaves something in the outbox of a state directory, or nothing.
func wait(t testing.TB, dir string, waits bool) {
	t.Helper()
	stage := filepath.Join(dir, "stage")
	err := os.RemoveAll(stage)
	if err == nil && waits {
		err = errors.Join(os.Mkdir(stage, 0o700),
			os.WriteFile(filepath.Join(stage, "1-1.log"), nil, 0o600))
	}
	if err != nil {
		t.Fatal(err)
	}
}

// TestWhatWaitsBelongsToOneBucket opens one state directory for one bucket after another.
// While something waits there, it stays that of the bucket it was written for; while
// nothing does, each bucket finds what was known of it.
func TestWhatWaitsBelongsToOneBucket(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		dir := t.TempDir()
		var is *BucketID              // whose the directory has to be
		ledgers := map[BucketID]int{} // of each bucket, what its ledger says
		for step := range rapid.IntRange(1, 12).Draw(r, "steps") {
			if is != nil {
				wait(t, dir, rapid.Bool().Draw(r, "waits"))
			}
			_, err := os.Stat(filepath.Join(dir, "stage"))
			waits := err == nil
			c := rapid.SampledFrom(someBuckets).Draw(r, "bucket")
			s := c.settings(dir)
			err = Bind(s)
			differs := is != nil && (is.Bucket != c.Bucket || is.Endpoint != c.Endpoint ||
				is.Partition != c.Partition ||
				is.Owner != "" && c.Owner != "" && is.Owner != c.Owner)
			var other *otherBucketError
			if want := waits && differs; errors.As(err, &other) != want || !want && err != nil {
				r.Fatalf("%+v after %+v, waits %v: %v", c, is, waits, err)
			}
			if err != nil {
				if !strings.Contains(err.Error(), is.String()) ||
					!strings.Contains(err.Error(), dir) {
					r.Fatalf("%v: does not name %s", err, is)
				}
				continue
			}
			if differs || is == nil {
				is = &BucketID{2, c.Bucket, c.Endpoint, c.Partition, ""}
			}
			if s.Owner != is.Owner && s.Owner != c.Owner {
				r.Fatalf("%+v: the owner is %q", c, s.Owner)
			}
			if c.Owner != "" && rapid.Bool().Draw(r, "confirmed") {
				if err := NoteOwner(dir, c.Owner); err != nil {
					r.Fatal(err)
				}
				is.Owner = c.Owner
			}
			id := BucketID{0, c.Bucket, c.Endpoint, c.Partition, ""}
			ledger := filepath.Join(dir, "ledger.jsonl")
			got, _ := os.ReadFile(ledger)
			if want := ledgers[id]; want != 0 && string(got) != fmt.Sprint(want) ||
				want == 0 && len(got) > 0 {
				r.Fatalf("%+v finds the ledger %q, want that of step %d", c, got, want)
			}
			if err := os.WriteFile(ledger, []byte(fmt.Sprint(step+1)), 0o600); err != nil {
				r.Fatal(err)
			}
			ledgers[id] = step + 1
		}
	})
}

// TestBucketFilesOfEarlierVersions: what an earlier version left is taken up if it can be known
// for which bucket it is.
func TestBucketFilesOfEarlierVersions(t *testing.T) {
	const here = "https://s3.example.com"
	aws := s3backend.Location{Partition: "aws"}
	for _, c := range []struct {
		name     string
		stateDir string // its name; that it was chosen by hand, if it is "chosen"
		file     string
		profiles string // the file of AWS's tools
		variable string
		at       s3backend.Location
		refused  string
	}{
		{"the setting", "chosen", `{"bucket":"b","endpoint":"` + here + `"}`, "", "", s3backend.Location{Endpoint: here}, ""},
		{"the setting, written otherwise", "chosen", `{"bucket":"b","endpoint":"https://S3.example.com:443/"}`, "", "", s3backend.Location{Endpoint: here}, ""},
		{"another setting", "chosen", `{"bucket":"b","endpoint":"https://other"}`, "", "", s3backend.Location{Endpoint: here}, "https://other"},
		{"a setting, and AWS", "chosen", `{"bucket":"b","endpoint":"` + here + `"}`, "", "", aws, here},
		{"another bucket", "chosen", `{"bucket":"c","endpoint":"` + here + `"}`, "", "", s3backend.Location{Endpoint: here}, `"c"`},
		{"none, in a chosen directory", "chosen", `{"bucket":"b"}`, "", "", aws, "earlier version"},
		{"none, in a chosen directory, elsewhere", "chosen", `{"bucket":"b"}`, "", here, s3backend.Location{Endpoint: here}, "earlier version"},
		{"the environment's", config.ExchangeID(here, "b"), `{"bucket":"b"}`, "", here, s3backend.Location{Endpoint: here}, ""},
		{"the environment's, another", config.ExchangeID("https://other", "b"), `{"bucket":"b"}`, "", here, s3backend.Location{Endpoint: here}, "earlier version"},
		{"AWS", config.ExchangeID("", "b"), `{"bucket":"b"}`, "[default]\nregion=eu-west-1\n", "", aws, ""},
		{"AWS, or a profile's", config.ExchangeID("", "b"), `{"bucket":"b"}`, "[profile x]\nendpoint_url = https://other\n", "", aws, "earlier version"},
		{"a profile's", config.ExchangeID("", "b"), `{"bucket":"b"}`, "[default]\nendpoint_url = " + here + "\n", "", s3backend.Location{Endpoint: here}, "earlier version"},
		{"AWS in China", config.ExchangeID("", "b"), `{"bucket":"b"}`, "", "", s3backend.Location{Partition: "aws-cn"}, "earlier version"},
		{"no file", "chosen", "", "", "", aws, "nothing in it says"},
		{"damaged", "chosen", `{"bucket"`, "", "", aws, "damaged"},
		{"of no bucket", "chosen", `{}`, "", "", aws, "damaged"},
		{"of a later version", "chosen", `{"version":3,"bucket":"b"}`, "", "", aws, "later version"},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), c.stateDir)
			if err := os.Mkdir(dir, 0o700); err != nil {
				t.Fatal(err)
			}
			if c.file != "" {
				if err := os.WriteFile(filepath.Join(dir, BucketFile),
					[]byte(c.file), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			profiles := filepath.Join(t.TempDir(), "config")
			if err := os.WriteFile(profiles, []byte(c.profiles), 0o600); err != nil {
				t.Fatal(err)
			}
			t.Setenv("AWS_CONFIG_FILE", profiles)
			t.Setenv("AWS_SHARED_CREDENTIALS_FILE", filepath.Join(dir, "none"))
			t.Setenv("AWS_ENDPOINT_URL_S3", c.variable)
			t.Setenv("AWS_ENDPOINT_URL", "")
			wait(t, dir, true)
			s := &config.Settings{StateDir: dir, Bucket: "b", At: c.at}
			if err := CheckBucket(s); (err == nil) != (c.refused == "") {
				t.Errorf("CheckBucket: %v", err)
			}
			err := Bind(s)
			if (err == nil) != (c.refused == "") ||
				err != nil && !strings.Contains(err.Error(), c.refused) {
				t.Fatalf("Bind: %v, want a word of %q", err, c.refused)
			}
			if data, _ := os.ReadFile(filepath.Join(dir, BucketFile)); err != nil &&
				string(data) != c.file {
				t.Errorf("what was refused is now of %s", data)
			}
			s.Adopt = true
			if err := Bind(s); err != nil {
				t.Fatalf("Bind, adopting: %v", err)
			}
			data, err := os.ReadFile(filepath.Join(dir, BucketFile))
			var got BucketID
			if err == nil {
				err = json.Unmarshal(data, &got)
			}
			if want := bucketOf(s); err != nil || got != want {
				t.Errorf("the state directory is of %+v, %v, want %+v", got, err, want)
			}
		})
	}
}

// TestEndedWhileTheBucketChanged ends Bind before each of its changes: the next one
// completes it.
func TestEndedWhileTheBucketChanged(t *testing.T) {
	one, two := someBuckets[0], someBuckets[3]
	for _, next := range []BucketID{one, two} {
		for ended := range 3 {
			dir := t.TempDir()
			if err := Bind(one.settings(dir)); err != nil {
				t.Fatal(err)
			}
			for _, name := range bucketFiles() {
				if err := os.WriteFile(filepath.Join(dir, name), []byte("one"), 0o600); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(filepath.Join(dir, nameFor(name, two)),
					[]byte("two"), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			if ended >= 1 {
				first := bucketFiles()[0]
				if err := os.Rename(filepath.Join(dir, first),
					filepath.Join(dir, nameFor(first, one))); err != nil {
					t.Fatal(err)
				}
			}
			if ended >= 2 {
				if err := stow(dir, one); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(filepath.Join(dir, BucketFile),
					[]byte(`{"version":2,"bucket":"one","endpoint":"https://s3.example.com"}`),
					0o600); err != nil {
					t.Fatal(err)
				}
			}
			if err := Bind(next.settings(dir)); err != nil {
				t.Fatal(err)
			}
			want := map[BucketID]string{one: "one", two: "two"}[next]
			for _, name := range bucketFiles() {
				if got, err := os.ReadFile(filepath.Join(dir, name)); err != nil ||
					string(got) != want {
					t.Errorf("ended after %d, then %s: %s has %q, %v", ended, next, name, got, err)
				}
			}
		}
	}
}
