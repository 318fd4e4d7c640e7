package s3backend

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
)

// toHost has all requests come to a handler, whatever host they are for.
type toHost http.HandlerFunc

func (h toHost) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Body == nil {
		r.Body = http.NoBody
	}
	w := httptest.NewRecorder()
	http.HandlerFunc(h)(w, r)
	return w.Result(), nil
}

// TestAccessPoints sends requests to an access point's host, in the region of its ARN, and
// names it as a copy's source.
func TestAccessPoints(t *testing.T) {
	for _, tt := range []struct{ bucket, region, host, source string }{
		{"arn:aws:s3:eu-west-1:111122223333:accesspoint/team", "us-east-1", "team-111122223333.s3-accesspoint.eu-west-1.amazonaws.com",
			"arn:aws:s3:eu-west-1:111122223333:accesspoint/team/object/s"},
		{"arn:aws-cn:s3:cn-north-1:111122223333:accesspoint/team", "cn-north-1", "team-111122223333.s3-accesspoint.cn-north-1.amazonaws.com.cn",
			"arn:aws-cn:s3:cn-north-1:111122223333:accesspoint/team/object/s"},
		{"team-abcdefghijklmnopqrstuvwxyz0123456789-s3alias", "eu-west-1", "team-abcdefghijklmnopqrstuvwxyz0123456789-s3alias.s3.eu-west-1.amazonaws.com",
			"team-abcdefghijklmnopqrstuvwxyz0123456789-s3alias/s"},
		{"team", "eu-west-1", "team.s3.eu-west-1.amazonaws.com", "team/s"},
	} {
		c, err := newClient(Config{Bucket: tt.bucket},
			aws.Config{Region: tt.region,
				Credentials: &credentialSource{provider: credentials.NewStaticCredentialsProvider(
					"id", "secret", "")}})
		if err != nil {
			t.Fatal(err)
		}
		seen := 0
		c.http.client.Transport = toHost(func(w http.ResponseWriter, r *http.Request) {
			seen++
			if r.URL.Host != tt.host {
				t.Errorf("%s: %s goes to %s, want %s", tt.bucket, r.Method, r.URL.Host, tt.host)
			}
			if source := r.Header.Get("X-Amz-Copy-Source"); source != "" &&
				unescape(t, source) != tt.source {
				t.Errorf("%s: the source is %q, want %q", tt.bucket, source, tt.source)
			}
			yes(w, r)
		})
		for range 2 { // the second goes directly
			if err := put(t, c); err != nil {
				t.Errorf("%s: put: %v", tt.bucket, err)
			}
			if err := get(t.Context(), c); err != nil {
				t.Errorf("%s: get: %v", tt.bucket, err)
			}
		}
		if c.direct.route.Load() == nil {
			t.Errorf("%s: no request went out directly", tt.bucket)
		}
		if _, err := c.Copy(t.Context(), Object{Key: "s", ETag: "e", Class: ClassStandard},
			"k", nil, Condition{}); err != nil {
			t.Errorf("%s: copy: %v", tt.bucket, err)
		}
		if _, err := c.CopyPart(t.Context(), Upload{Key: "k", ID: "u"},
			1, Object{Key: "s", ETag: "e"}, 0, 3); err != nil {
			t.Errorf("%s: copy of a part: %v", tt.bucket, err)
		}
		if seen != 6 {
			t.Errorf("%s: %d requests, want 6", tt.bucket, seen)
		}
	}
}
