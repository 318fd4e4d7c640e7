package integration

import (
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestWhatWaitsIsNotSentToAnotherBucketOfTheSameName names two endpoints in each way that
// AWS's tools know. What was left for the bucket at the one is shown and kept while the one
// at the other is mounted, and is sent to none but its own.
func TestWhatWaitsIsNotSentToAnotherBucketOfTheSameName(t *testing.T) {
	t.Parallel()
	const profiles = `
[profile one]
endpoint_url = %[1]s
[profile other]
endpoint_url = %[2]s
[profile one-services]
services = one
[profile other-services]
services = other
[services one]
s3 =
  endpoint_url = %[1]s
[services other]
s3 =
  endpoint_url = %[2]s
`
	for _, tt := range []struct {
		name, variable, one, other string // an endpoint is what is left empty
		chosen                     bool   // the state directory is the same for both
	}{
		{"profiles", "AWS_PROFILE", "one", "other", false},
		{"services of profiles", "AWS_PROFILE", "one-services", "other-services", false},
		{"profiles, one state directory", "AWS_PROFILE", "one", "other", true},
		{"services of profiles, one state directory", "AWS_PROFILE", "one-services", "other-services", true},
		{"the variable of S3", "AWS_ENDPOINT_URL_S3", "", "", false},
		{"the variable of S3, one state directory", "AWS_ENDPOINT_URL_S3", "", "", true},
		{"the variable of all, one state directory", "AWS_ENDPOINT_URL", "", "", true},
		{"the setting, one state directory", "S3SHARE_ENDPOINT_URL", "", "", true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			direct := newExchange(t, "article")
			x, g := direct.through(t)
			d := newDesk(t, x, client)
			config := filepath.Join(d.home, "aws")
			if err := os.WriteFile(config,
				fmt.Appendf(nil, profiles, x.Endpoint, direct.Endpoint), 0o600); err != nil {
				t.Fatal(err)
			}
			d.env = append(d.env, "AWS_CONFIG_FILE="+config, "S3SHARE_BUCKET="+x.Bucket,
				"S3SHARE_NOTICES=false")
			if tt.chosen {
				d.env = append(d.env, "S3SHARE_STATE_DIR="+filepath.Join(d.home, "chosen"))
			}
			one, other := *d, *d
			if tt.one == "" {
				tt.one, tt.other = x.Endpoint, direct.Endpoint
			}
			one.env = append(d.env[:len(d.env):len(d.env)], tt.variable+"="+tt.one)
			other.env = append(d.env[:len(d.env):len(d.env)], tt.variable+"="+tt.other)
			t.Cleanup(func() { // after a failure something may be mounted still
				if t.Failed() {
					_ = exec.Command("fusermount3", "-uz", filepath.Join(d.home, "exchange")).Run()
				}
			})
			types := func(d *desk, command string, code int, words ...string) {
				t.Helper()
				out, err := d.types(t, command)
				if exitCode(t, err) != code || !containsAll(out, words) {
					t.Errorf("%s: %v, want status %d and %q\n%s", command, err, code, words, out)
				}
			}

			if err := os.Mkdir(filepath.Join(d.home, "exchange"), 0o700); err != nil {
				t.Fatal(err)
			}
			g.when(func(op string, w http.ResponseWriter, r *http.Request) bool {
				return strings.Contains(op, "Put") && refuse(w, r, 503, "ServiceUnavailable")
			})
			types(&one,
				"s3share mount exchange && echo ours > exchange/Delivery/f && s3share unmount --keep exchange", 1, "Delivery/f")
			if t.Failed() {
				return
			}
			if tt.chosen {
				types(&other, "s3share mount exchange", 1, "holds files that wait for",
					x.Endpoint, "--state-dir")
				types(&other, "s3share recover", 1, "holds files that wait for", x.Endpoint)
			} else {
				types(&other,
					"s3share mount exchange && ls exchange/Delivery && echo theirs > exchange/Delivery/g && s3share unmount exchange", 0)
				direct.awaitObject(delivery+"g", []byte("theirs\n"))
				types(&other, "s3share recover", 0, "nothing waits")
			}
			types(&other, "s3share status", 0, "Delivery/f")
			if direct.head(delivery+"f") != nil {
				t.Error("it was sent to the other bucket")
			}
			g.when(nil)
			types(&one, "s3share recover", 0, "delivered in ")
			direct.awaitObject(delivery+"f", []byte("ours\n"))
			types(&other, "s3share mount exchange && s3share unmount exchange", 0)
		})
	}
}
