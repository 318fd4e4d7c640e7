package s3backend

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
)

// isolate keeps this machine's own configuration out of a test.
func isolate(t *testing.T) {
	t.Helper()
	none := t.TempDir() + "/none"
	for name, value := range map[string]string{
		"AWS_CONFIG_FILE": none, "AWS_SHARED_CREDENTIALS_FILE": none, "AWS_EC2_METADATA_DISABLED": "true",
		"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": "", "AWS_SESSION_TOKEN": "", "AWS_PROFILE": "",
		"AWS_REGION": "", "AWS_DEFAULT_REGION": "", "AWS_ENDPOINT_URL": "", "AWS_ENDPOINT_URL_S3": "",
		"AWS_CA_BUNDLE": "", "HTTP_PROXY": "", "HTTPS_PROXY": "",
	} {
		t.Setenv(name, value)
	}
}

// against returns a client of the bucket "bkt" at a server that answers as h
// does. It has two attempts, so that a test of retries is short.
func against(t testing.TB, h http.HandlerFunc) *Client {
	t.Helper()
	srv := httptest.NewServer(h)
	t.Cleanup(srv.Close)
	return clientOf(t, srv.URL)
}

func clientOf(t testing.TB, endpoint string) *Client {
	t.Helper()
	c, err := newClient(
		Config{Bucket: "bkt", Endpoint: endpoint, Attempts: 2,
			Logger: slog.New(slog.DiscardHandler)},
		aws.Config{Region: "us-east-1",
			Credentials: &credentialSource{provider: credentials.NewStaticCredentialsProvider("id",
				"secret", "")}},
	)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.CloseIdle)
	return c
}

// once makes the client try each request only once.
func once(c *Client) *Client {
	c.s3 = s3.New(c.s3.Options(), func(o *s3.Options) { o.Retryer = newRetryer(1) })
	return c
}

// refuse answers as S3 does when it says no.
func refuse(w http.ResponseWriter, status int, code string) {
	w.Header().Set("X-Amz-Request-Id", "REQ1")
	w.Header().Set("Content-Type", "application/xml")
	w.WriteHeader(status)
	if code != "" {
		w.Write([]byte("<Error><Code>" + code + "</Code><Message>words</Message></Error>"))
	}
}
