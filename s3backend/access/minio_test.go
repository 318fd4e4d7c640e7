package access

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/s3share/s3share/s3backend"
)

// TestMinIOGetsNoPolicy sets a bucket up on MinIO, whether it is there or not: it is never
// asked for a policy nor sent one, and the plan says how the client is let in.
func TestMinIOGetsNoPolicy(t *testing.T) {
	t.Setenv("AWS_ACCESS_KEY_ID", "key")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "secret")
	t.Setenv("AWS_CONFIG_FILE", "/dev/null")
	t.Setenv("AWS_SHARED_CREDENTIALS_FILE", "/dev/null")
	for _, exists := range []bool{false, true} {
		there := exists
		srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body) // what is not read is not needed
			w.Header().Set("Server", "MinIO")
			switch bucket := strings.Trim(r.URL.Path, "/") == "team"; {
			case r.URL.Query().Has("policy"):
				t.Errorf("exists %v: %s %s", exists, r.Method, r.URL)
			case bucket && r.Method == http.MethodPut:
				there = true
			case !there && r.URL.Path != "/":
				w.WriteHeader(http.StatusNotFound)
				if r.Method != http.MethodHead {
					_, _ = io.WriteString(w, "<Error><Code>NoSuchBucket</Code></Error>")
				}
			case !bucket && r.Method == http.MethodHead:
				w.WriteHeader(http.StatusNotFound)
			default:
				w.Header().Set("ETag", `"e"`)
				_, _ = io.WriteString(w, "<ListBucketResult><Name>team</Name></ListBucketResult>")
			}
		}))
		defer srv.Close()
		c, err := s3backend.Connect(t.Context(),
			s3backend.Config{Bucket: "team", Region: "us-east-1", Endpoint: srv.URL, Attempts: 1})
		if err != nil {
			t.Fatal(err)
		}
		defer c.CloseIdle()
		setup := Setup{Terms: Terms{Bucket: "team", Client: "client", Grant: Full, Elsewhere: true}}
		found, err := Look(t.Context(), c, setup)
		if err != nil {
			t.Fatalf("exists %v: %v", exists, err)
		}
		plan, err := MakePlan(setup, found)
		if err != nil {
			t.Fatal(err)
		}
		said := false
		for _, s := range plan.Steps {
			said = said || s.What == stepPolicy && s.State == Left &&
				strings.Contains(s.Detail, "its administrator lets the client in")
		}
		if !said {
			t.Errorf("exists %v: the plan does not say how the client is let in: %+v",
				exists, plan.Steps)
		}
		if err := plan.Apply(t.Context(), c, func(Step) {}); err != nil {
			t.Errorf("exists %v: %v", exists, err)
		}
	}
}
