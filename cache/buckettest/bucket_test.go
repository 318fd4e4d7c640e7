package buckettest_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/s3share/s3share/cache"
	"github.com/s3share/s3share/cache/buckettest"
	"github.com/s3share/s3share/s3backend"
)

var _ cache.Bucket = buckettest.S3(nil)

func TestBucket(t *testing.T) {
	buckettest.Run(t, func(*testing.T) buckettest.S3 { return buckettest.New() })
}

func TestBucketWithSmallPages(t *testing.T) {
	buckettest.Run(t, func(*testing.T) buckettest.S3 {
		b := buckettest.New()
		b.PageSize = 2
		return b
	})
}

// TestServer holds a real server, as its owner, to the same.
func TestServer(t *testing.T) {
	line := os.Getenv("S3SHARE_TEST_S3")
	if line == "" {
		if strings.Contains(os.Getenv("S3SHARE_NEED"), "s3") {
			t.Fatal("S3SHARE_TEST_S3 is not set, and S3SHARE_NEED asks for s3")
		}
		t.Skip(
			"no S3 server: S3SHARE_TEST_S3 must hold the JSON line that integration/localbucket prints")
	}
	var server struct {
		Endpoint, Region, Bucket string
		Owner                    struct {
			ID     string `json:"access_key_id"`
			Secret string `json:"secret_access_key"`
		}
	}
	if err := json.Unmarshal([]byte(line), &server); err != nil {
		t.Fatalf("S3SHARE_TEST_S3: %v", err)
	}
	none := filepath.Join(t.TempDir(), "none")
	for name, value := range map[string]string{
		"AWS_CONFIG_FILE": none, "AWS_SHARED_CREDENTIALS_FILE": none, "AWS_PROFILE": "", "AWS_SESSION_TOKEN": "",
		"AWS_ENDPOINT_URL": "", "AWS_ENDPOINT_URL_S3": "",
		"AWS_ACCESS_KEY_ID": server.Owner.ID, "AWS_SECRET_ACCESS_KEY": server.Owner.Secret,
	} {
		t.Setenv(name, value)
	}
	c, err := s3backend.Open(t.Context(),
		s3backend.Config{Bucket: server.Bucket, Region: server.Region, Endpoint: server.Endpoint})
	if err != nil {
		t.Fatalf("Open: %v", err)
	}
	t.Cleanup(c.CloseIdle)
	buckettest.Run(t,
		func(*testing.T) buckettest.S3 { return buckettest.Real{Client: c, Rights: c.Rights()} })
}
