package s3backend

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestOpen has Open meet each kind of server. The reply to the HEAD comes
// first, that to a listing if it is asked for.
func TestOpen(t *testing.T) {
	type reply struct {
		status int
		header map[string]string
		body   string
	}
	code := func(c string) string { return "<Error><Code>" + c + "</Code></Error>" }
	s3 := map[string]string{"X-Amz-Request-Id": "R"}
	in := func(region string) map[string]string {
		return map[string]string{"X-Amz-Bucket-Region": region}
	}
	for _, tt := range []struct {
		name   string
		region string
		head   reply
		list   reply
		want   error  // nil: it opens
		words  string // in the error
		log    []string
	}{
		{name: "plain", head: reply{200, s3, ""}, log: []string{"HEAD"}},
		{name: "dropbox", head: reply{403, s3, ""}, list: reply{403, s3, code("AccessDenied")}, log: []string{"HEAD", "GET"}},
		{name: "dropbox without words", head: reply{403, s3, ""}, list: reply{403, s3, ""}, log: []string{"HEAD", "GET"}},
		{name: "no headers of S3, but a listing", head: reply{200, nil, ""}, list: reply{200, nil, "<ListBucketResult><Name>bkt</Name></ListBucketResult>"}, log: []string{"HEAD", "GET"}},
		{name: "no bucket", head: reply{404, s3, ""}, list: reply{404, s3, code("NoSuchBucket")}, want: NoBucket},
		{name: "unknown key", head: reply{403, s3, ""}, list: reply{403, s3, code("InvalidAccessKeyId")}, want: BadLogin},
		{name: "wrong secret", head: reply{403, s3, ""}, list: reply{403, s3, code("SignatureDoesNotMatch")}, want: BadLogin},
		{name: "expired", head: reply{400, s3, ""}, list: reply{400, s3, code("ExpiredToken")}, want: BadLogin},
		{name: "web server with a page for everything", head: reply{200, nil, ""}, list: reply{200, nil, "<html><body>hello</body></html>"}, want: Other, words: "does not speak S3"},
		{name: "web server without the page", head: reply{404, nil, ""}, list: reply{404, nil, "<html>not found</html>"}, want: Other, words: "does not speak S3"},
		{name: "web server in plain text", head: reply{404, nil, ""}, list: reply{404, nil, "404 page not found"}, want: Other, words: "does not speak S3"},
		{name: "wrong region given", region: "us-east-1", head: reply{301, in("eu-central-1"), ""}, want: Other, words: `"eu-central-1", not in "us-east-1"`, log: []string{"HEAD"}},
		{name: "regions without end", head: reply{301, in("r"), ""}, want: Other, words: "new region each time"},
		{name: "throttled", head: reply{503, s3, ""}, list: reply{503, s3, code("SlowDown")}, want: Busy},
	} {
		t.Run(tt.name, func(t *testing.T) {
			isolate(t)
			t.Setenv("AWS_ACCESS_KEY_ID", "id")
			t.Setenv("AWS_SECRET_ACCESS_KEY", "secret")
			var log []string
			srv := httptest.NewServer(
				http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					log = append(log, r.Method)
					reply := tt.head
					if r.Method == "GET" {
						reply = tt.list
					}
					for k, v := range reply.header {
						if v == "r" {
							v = strings.Repeat("r", len(log))
						}
						w.Header().Set(k, v)
					}
					w.WriteHeader(reply.status)
					io.WriteString(w, reply.body)
				}))
			defer srv.Close()
			c, err := Open(t.Context(),
				Config{Bucket: "bkt", Region: tt.region, Endpoint: srv.URL, Attempts: 1})
			if !errors.Is(err, tt.want) || err != nil && !strings.Contains(err.Error(), tt.words) {
				t.Errorf("Open = %v, want %v with %q", err, tt.want, tt.words)
			}
			if tt.want == nil && err == nil && c.Bucket() != "bkt" {
				t.Errorf("Bucket() = %q", c.Bucket())
			}
			if tt.log != nil && !slices.Equal(log, tt.log) {
				t.Errorf("requests %q, want %q", log, tt.log)
			}
		})
	}
}

// TestRegionFound: a bucket elsewhere is found, and signed for.
func TestRegionFound(t *testing.T) {
	isolate(t)
	t.Setenv("AWS_ACCESS_KEY_ID", "id")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "secret")
	var signed []string
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		signed = append(signed, strings.Split(r.Header.Get("Authorization"), "/")[2])
		w.Header().Set("X-Amz-Bucket-Region", "eu-central-1")
		if signed[len(signed)-1] != "eu-central-1" {
			w.WriteHeader(http.StatusBadRequest)
		}
	}))
	defer srv.Close()
	// The endpoint comes from the environment, as any SDK takes it.
	t.Setenv("AWS_ENDPOINT_URL_S3", srv.URL)
	c, err := Open(t.Context(), Config{Bucket: "bkt", UserAgent: "s3share/1.2"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Head(t.Context(), "k"); err != nil {
		t.Error(err)
	}
	want := []string{"us-east-1", "eu-central-1", "eu-central-1"}
	if !slices.Equal(signed, want) || c.Region() != "eu-central-1" || !c.notAWS {
		t.Errorf("signed for %q, Region() = %q, custom %v, want %q",
			signed, c.Region(), c.notAWS, want)
	}
}

// TestOpenWrongOwner: a bucket that refuses all who expect its former owner, and
// answers others, is another's; one that refuses all may be a dropbox.
func TestOpenWrongOwner(t *testing.T) {
	for _, tt := range []struct {
		name   string
		status int // for who expects nobody
		want   error
	}{
		{"another's", http.StatusOK, WrongOwner},
		{"dropbox", http.StatusForbidden, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			isolate(t)
			t.Setenv("AWS_ACCESS_KEY_ID", "id")
			t.Setenv("AWS_SECRET_ACCESS_KEY", "secret")
			srv := httptest.NewServer(
				http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					w.Header().Set("X-Amz-Request-Id", "R")
					if r.Header.Get("X-Amz-Expected-Bucket-Owner") == "111122223333" {
						w.WriteHeader(http.StatusForbidden)
						return
					}
					if r.Method != "HEAD" {
						t.Errorf("%s was sent without the expected owner", r.Method)
					}
					w.WriteHeader(tt.status)
				}))
			defer srv.Close()
			_, err := Open(t.Context(),
				Config{Bucket: "bkt", Endpoint: srv.URL, ExpectedOwner: "111122223333"})
			if !errors.Is(err, tt.want) {
				t.Errorf("Open = %v, want %v", err, tt.want)
			}
		})
	}
}

// TestOpenRefuses is about what is known before anything is sent.
func TestOpenRefuses(t *testing.T) {
	for _, tt := range []struct {
		name  string
		cfg   Config
		env   map[string]string
		want  Kind
		words string
	}{
		{"no bucket", Config{}, nil, Other, "no bucket is named"},
		{"http abroad", Config{Bucket: "b", Endpoint: "http://s3.example.com"}, nil, Other, "loopback only"},
		{"http to an address that only looks like loopback", Config{Bucket: "b", Endpoint: "http://127.0.0.1.example.com"}, nil, Other, "loopback only"},
		{"http abroad, from the environment", Config{Bucket: "b"}, map[string]string{"AWS_ENDPOINT_URL": "http://10.0.0.1:9000"}, Other, "loopback only"},
		{"no scheme", Config{Bucket: "b", Endpoint: "s3.example.com"}, nil, Other, "must begin with https://"},
		{"no URL", Config{Bucket: "b", Endpoint: "https://%zz"}, nil, Other, "is not a URL"},
		{"no credentials", Config{Bucket: "b", Endpoint: "http://127.0.0.1:1"}, map[string]string{"AWS_ACCESS_KEY_ID": ""}, BadLogin, ""},
		{"no such profile", Config{Bucket: "b", Profile: "work"}, nil, BadLogin, "work"},
		{"nobody there", Config{Bucket: "b", Endpoint: "http://127.0.0.1:1", Attempts: 1}, nil, Other, "refused"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			isolate(t)
			t.Setenv("AWS_ACCESS_KEY_ID", "id")
			t.Setenv("AWS_SECRET_ACCESS_KEY", "secret")
			for k, v := range tt.env {
				t.Setenv(k, v)
			}
			_, err := Open(t.Context(), tt.cfg)
			if !isKind(err, tt.want) || !strings.Contains(err.Error(), tt.words) {
				t.Errorf("Open = %v, want %v with %q", err, tt.want, tt.words)
			}
		})
	}
}

// TestCredentialsEnd: credentials that cannot be renewed are BadLogin, at
// once, on whatever request finds it out.
func TestCredentialsEnd(t *testing.T) {
	isolate(t)
	ok := filepath.Join(t.TempDir(), "ok")
	script := filepath.Join(t.TempDir(), "creds.sh")
	// Each call succeeds once more only while the file is there; what it gives
	// has already expired, so that every request asks again.
	write(t, script, "#!/bin/sh\n[ -e "+ok+" ] || exit 1\n"+
		`echo '{"Version":1,"AccessKeyId":"id","SecretAccessKey":"s","Expiration":"2020-01-01T00:00:00Z"}'`+"\n", 0o700)
	config := filepath.Join(t.TempDir(), "config")
	write(t, config, "[default]\ncredential_process = "+script+"\n", 0o600)
	write(t, ok, "", 0o600)
	t.Setenv("AWS_CONFIG_FILE", config)
	os.Unsetenv("AWS_ACCESS_KEY_ID")
	os.Unsetenv("AWS_SECRET_ACCESS_KEY")
	srv := httptest.NewServer(http.HandlerFunc(yes))
	defer srv.Close()
	c, err := Open(t.Context(), Config{Bucket: "bkt", Endpoint: srv.URL})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(ok); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Head(t.Context(), "k"); !isKind(err, BadLogin) {
		t.Errorf("Head = %v, want BadLogin", err)
	}
	if n := c.Counts()["HeadObject"]; n != 0 {
		t.Errorf("%d requests were sent without credentials", n)
	}
}

func write(t *testing.T, name, text string, mode os.FileMode) {
	t.Helper()
	if err := os.WriteFile(name, []byte(text), mode); err != nil {
		t.Fatal(err)
	}
}

// TestStyle: where the bucket's name goes.
func TestStyle(t *testing.T) {
	yesPath, noPath := true, false
	for _, tt := range []struct {
		endpoint string
		path     *bool
		want     bool
		custom   bool
	}{
		{"http://127.0.0.1:9000", nil, true, true},
		{"http://[::1]:9000", nil, true, true},
		{"http://localhost:9000", nil, true, true},
		{"https://10.1.2.3", nil, true, true},
		{"https://s3.example.com", nil, false, true},
		{"https://s3.example.com", &yesPath, true, true},
		{"https://10.1.2.3", &noPath, false, true},
		{"https://s3.eu-central-1.amazonaws.com", nil, false, false},
		{"", nil, false, false},
	} {
		isolate(t)
		cfg := Config{Bucket: "bkt", Endpoint: tt.endpoint, PathStyle: tt.path}
		loaded, err := load(t.Context(), cfg)
		if err != nil {
			t.Fatal(err)
		}
		c, err := newClient(cfg, loaded)
		if err != nil {
			t.Errorf("%q: %v", tt.endpoint, err)
		} else if got := c.s3.Options().UsePathStyle; got != tt.want || c.notAWS != tt.custom {
			t.Errorf("%q: path style %v, custom %v, want %v, %v", tt.endpoint, got,
				c.notAWS, tt.want, tt.custom)
		}
	}
}

// TestServerIsKnown asks who the server is once: the answer that proved the bucket tells.
func TestServerIsKnown(t *testing.T) {
	c := against(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Amz-Request-Id", "REQ1")
		w.Header().Set("Server", "VERSITYGW")
		if r.Method == http.MethodGet {
			refuse(w, http.StatusNotFound, "NoSuchKey")
		}
	})
	if err := c.VerifyBucket(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := c.Rights().MayGet(t.Context(), "Delivery/", nil); err != nil {
		t.Errorf("MayGet = %v", err)
	}
	if s := c.Server(t.Context()); s != Versity {
		t.Errorf("Server = %q, want %q", s, Versity)
	}
	if n := c.Counts()["HeadBucket"]; n != 1 {
		t.Errorf("%d HeadBucket requests, want 1", n)
	}
}
