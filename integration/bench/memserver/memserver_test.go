package memserver

import (
	"bytes"
	"encoding/xml"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// client speaks to a server of its own, which has the bucket b.
type client struct {
	t   *testing.T
	url string
}

func newClient(t *testing.T) *client {
	t.Helper()
	srv := httptest.NewServer(New(Config{Buckets: []string{"b"}}))
	t.Cleanup(srv.Close)
	return &client{t, srv.URL}
}

// answer is a response, read whole.
type answer struct {
	status int
	header http.Header
	body   string
}

func (a answer) etag() string { return strings.Trim(a.header.Get("ETag"), `"`) }

// code is the error code that a carries, "" if none.
func (a answer) code() string {
	var e struct{ Code string }
	if a.status < 300 || xml.Unmarshal([]byte(a.body), &e) != nil {
		return ""
	}
	return e.Code
}

// do sends one request; header is names and values by turns.
func (c *client) do(method, path, body string, header ...string) answer {
	c.t.Helper()
	r, err := http.NewRequest(method, c.url+path, strings.NewReader(body))
	if err != nil {
		c.t.Fatal(err)
	}
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		c.t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		c.t.Fatal(err)
	}
	return answer{resp.StatusCode, resp.Header, string(b)}
}

// ok is do, and fails the test unless the status is 2xx.
func (c *client) ok(method, path, body string, header ...string) answer {
	c.t.Helper()
	a := c.do(method, path, body, header...)
	if a.status/100 != 2 {
		c.t.Fatalf("%s %s %v = %d %s", method, path, header, a.status, a.body)
	}
	return a
}

// into parses a's body.
func (a answer) into(t *testing.T, v any) {
	t.Helper()
	if err := xml.Unmarshal([]byte(a.body), v); err != nil {
		t.Fatalf("parsing %q: %v", a.body, err)
	}
}

func TestContentSlice(t *testing.T) {
	whole := []byte("abcdefghij")
	c := contentOf(whole[:3], nil, whole[3:4], whole[4:])
	for off := range len(whole) + 1 {
		for end := off; end <= len(whole); end++ {
			var got bytes.Buffer
			s := c.slice(int64(off), int64(end-off))
			if n, err := s.WriteTo(&got); err != nil || n != s.size {
				t.Fatalf("slice(%d, %d).WriteTo = %d, %v, want %d", off, end-off, n, err, s.size)
			}
			if want := string(whole[off:end]); got.String() != want {
				t.Errorf("slice(%d, %d) = %q, want %q", off, end-off, got.String(), want)
			}
		}
	}
}

func TestRange(t *testing.T) {
	c := newClient(t)
	c.ok("PUT", "/b/k", "0123456789")
	c.ok("PUT", "/b/empty", "")
	for _, tt := range []struct {
		path, header string
		status       int
		body, rng    string
	}{
		{"/b/k", "", 200, "0123456789", ""},
		{"/b/k", "bytes=0-0", 206, "0", "bytes 0-0/10"},
		{"/b/k", "bytes=2-4", 206, "234", "bytes 2-4/10"},
		{"/b/k", "bytes=7-", 206, "789", "bytes 7-9/10"},
		{"/b/k", "bytes=7-99", 206, "789", "bytes 7-9/10"},
		{"/b/k", "bytes=-3", 206, "789", "bytes 7-9/10"},
		{"/b/k", "bytes=-99", 206, "0123456789", "bytes 0-9/10"},
		{"/b/k", "bytes=10-", 416, "", "bytes */10"},
		{"/b/k", "bytes=-0", 416, "", "bytes */10"},
		{"/b/empty", "bytes=0-", 416, "", "bytes */0"},
		{"/b/k", "bytes=4-2", 200, "0123456789", ""},
		{"/b/k", "bytes=0-1,3-4", 200, "0123456789", ""},
		{"/b/k", "lines=0-1", 200, "0123456789", ""},
	} {
		a := c.do("GET", tt.path, "", "Range", tt.header)
		body := a.body
		if tt.status == 416 {
			if a.code() != "InvalidRange" {
				t.Errorf("GET %s %q: code %q, want InvalidRange", tt.path, tt.header, a.code())
			}
			body = ""
		}
		if a.status != tt.status || body != tt.body || a.header.Get("Content-Range") != tt.rng {
			t.Errorf("GET %s %q = %d %q %q, want %d %q %q", tt.path, tt.header,
				a.status, body, a.header.Get("Content-Range"), tt.status, tt.body, tt.rng)
		}
	}
}

func TestConditions(t *testing.T) {
	for _, tt := range []struct {
		method, path string
		header       [2]string // ETAG stands for that of /b/k
		status       int
	}{
		{"GET", "/b/k", [2]string{"If-Match", `"ETAG"`}, 200},
		{"GET", "/b/k", [2]string{"If-Match", `"other", "ETAG"`}, 200},
		{"GET", "/b/k", [2]string{"If-Match", `"other"`}, 412},
		{"GET", "/b/k", [2]string{"If-None-Match", `"ETAG"`}, 304},
		{"GET", "/b/k", [2]string{"If-None-Match", `"other"`}, 200},
		{"GET", "/b/k", [2]string{"If-Modified-Since", "Fri, 01 Jan 2100 00:00:00 GMT"}, 304},
		{"GET", "/b/k", [2]string{"If-Unmodified-Since", "Thu, 01 Jan 1998 00:00:00 GMT"}, 412},
		{"HEAD", "/b/k", [2]string{"If-Match", `"other"`}, 412},
		{"PUT", "/b/k", [2]string{"If-None-Match", "*"}, 412},
		{"PUT", "/b/new", [2]string{"If-None-Match", "*"}, 200},
		{"PUT", "/b/k", [2]string{"If-Match", `"ETAG"`}, 200},
		{"PUT", "/b/k", [2]string{"If-Match", `"other"`}, 412},
		{"PUT", "/b/new", [2]string{"If-Match", `"ETAG"`}, 404},
		{"DELETE", "/b/k", [2]string{"If-Match", `"other"`}, 412},
		{"DELETE", "/b/k", [2]string{"If-Match", `"ETAG"`}, 204},
		{"DELETE", "/b/new", [2]string{"If-None-Match", "*"}, 204},
	} {
		c := newClient(t)
		etag := c.ok("PUT", "/b/k", "old").etag()
		value := strings.ReplaceAll(tt.header[1], "ETAG", etag)
		if a := c.do(tt.method, tt.path, "", tt.header[0], value); a.status != tt.status {
			t.Errorf("%s %s %s: %s = %d, want %d", tt.method, tt.path, tt.header[0],
				tt.header[1], a.status, tt.status)
		}
		if tt.status == 412 && c.ok("GET", "/b/k", "").body != "old" {
			t.Errorf("%s %s %s: %s was refused and done all the same", tt.method,
				tt.path, tt.header[0], tt.header[1])
		}
	}
}

func TestHeaders(t *testing.T) {
	c := newClient(t)
	c.ok("PUT", "/b/k", "x", "x-amz-meta-mtime", "17", "Content-Type", "text/csv",
		"Cache-Control", "no-cache",
		"x-amz-acl", "private", "x-amz-checksum-crc32", "jNxlGg==")
	for _, tt := range []struct{ method, name, want string }{
		{"HEAD", "x-amz-meta-mtime", "17"},
		{"GET", "x-amz-meta-mtime", "17"},
		{"GET", "Content-Type", "text/csv"},
		{"GET", "Cache-Control", "no-cache"},
		{"GET", "x-amz-acl", ""},
		{"HEAD", "Content-Length", "1"},
		{"HEAD", "Accept-Ranges", "bytes"},
		{"HEAD", "x-amz-checksum-crc32", "jNxlGg=="},
	} {
		if got := c.ok(tt.method, "/b/k", "", "x-amz-checksum-mode",
			"ENABLED").header.Get(tt.name); got != tt.want {
			t.Errorf("%s: %s = %q, want %q", tt.method, tt.name, got, tt.want)
		}
	}
	if got := c.ok("GET", "/b/k?response-content-type=a%2Fb",
		"").header.Get("Content-Type"); got != "a/b" {
		t.Errorf("Content-Type asked for in the query = %q, want a/b", got)
	}
}

func TestChunkedBody(t *testing.T) {
	const signed = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"
	for _, tt := range []struct {
		name, body, length, want string
		status                   int
	}{
		{"signed", "5;chunk-signature=aa\r\nhello\r\n1;chunk-signature=bb\r\n!\r\n0;chunk-signature=cc\r\n\r\n", "6", "hello!", 200},
		{"trailer", "6\r\nhello!\r\n0\r\nx-amz-checksum-crc32:AAAAAA==\r\n\r\n", "6", "hello!", 200},
		{"hex length", "A\r\n0123456789\r\n0\r\n\r\n", "10", "0123456789", 200},
		{"CRLF in the bytes", "4\r\n\r\n\r\n\r\n0\r\n\r\n", "4", "\r\n\r\n", 200},
		{"empty", "0\r\n\r\n", "0", "", 200},
		{"no empty line at the end", "1\r\nx\r\n0\r\n", "1", "x", 200},
		{"too short", "5\r\nhello\r\n0\r\n\r\n", "6", "", 400},
		{"too long", "7\r\nhello!!\r\n0\r\n\r\n", "6", "", 400},
		{"cut off", "6\r\nhel", "6", "", 400},
		{"no end", "6\r\nhello!\r\n", "6", "", 400},
		{"no length of a chunk", "x\r\nhello!\r\n0\r\n\r\n", "6", "", 400},
		{"no CRLF after a chunk", "5\r\nhello!\r\n0\r\n\r\n", "5", "", 400},
		{"no decoded length", "0\r\n\r\n", "", "", 411},
	} {
		c := newClient(t)
		a := c.do("PUT", "/b/k", tt.body, "x-amz-content-sha256",
			signed, "x-amz-decoded-content-length", tt.length,
			"Content-Encoding", "aws-chunked,gzip")
		if a.status != tt.status {
			t.Errorf("%s: PUT = %d %s, want %d", tt.name, a.status, a.code(), tt.status)
			continue
		}
		if tt.status != 200 {
			if a := c.do("GET", "/b/k", ""); a.status != 404 {
				t.Errorf("%s: the refused body is there: %q", tt.name, a.body)
			}
			continue
		}
		got := c.ok("GET", "/b/k", "", "Accept-Encoding", "identity")
		if got.body != tt.want || got.header.Get("Content-Encoding") != "gzip" {
			t.Errorf("%s: GET = %q, encoding %q, want %q, gzip", tt.name, got.body,
				got.header.Get("Content-Encoding"), tt.want)
		}
		if tt.name == "trailer" && a.header.Get("x-amz-checksum-crc32") != "AAAAAA==" {
			t.Errorf("trailer: checksum %q came back", a.header.Get("x-amz-checksum-crc32"))
		}
	}
}

func TestCopyAndDelete(t *testing.T) {
	c := newClient(t)
	etag := c.ok("PUT", "/b/a%20b%2B", "body", "x-amz-meta-who", "me").etag()
	src := []string{"x-amz-copy-source", "/b/a%20b%2B"}
	c.ok("PUT", "/b/kept", "", src...)
	c.ok("PUT", "/b/new",
		"", append(src, "x-amz-metadata-directive", "REPLACE", "x-amz-meta-who", "you")...)
	for key, want := range map[string]string{"kept": "me", "new": "you"} {
		if a := c.ok("GET", "/b/"+key, ""); a.body != "body" ||
			a.header.Get("x-amz-meta-who") != want || a.etag() == etag {
			t.Errorf("copy %s = %q by %q, ETag %s", key, a.body,
				a.header.Get("x-amz-meta-who"), a.etag())
		}
	}
	for _, tt := range []struct {
		path   string
		header []string
		want   string
	}{
		{"/b/a%20b%2B", src, "InvalidRequest"},
		{"/b/x", []string{"x-amz-copy-source", "b/none"}, "NoSuchKey"},
		{"/b/x", []string{"x-amz-copy-source", "none/a"}, "NoSuchBucket"},
		{"/b/x", append(src, "x-amz-copy-source-if-match", "other"), "PreconditionFailed"},
		{"/b/x", append(src, "x-amz-copy-source-if-none-match", etag), "PreconditionFailed"},
		{"/b/kept", append(src, "If-None-Match", "*"), "PreconditionFailed"},
	} {
		if a := c.do("PUT", tt.path, "", tt.header...); a.code() != tt.want {
			t.Errorf("PUT %s %v: code %q, want %q", tt.path, tt.header, a.code(), tt.want)
		}
	}

	var out struct {
		Deleted []struct{ Key string }
		Error   []struct{ Key, Code string }
	}
	c.ok("POST", "/b?delete",
		`<Delete><Object><Key>kept</Key></Object><Object><Key>none</Key></Object>`+
			`<Object><Key>new</Key><ETag>other</ETag></Object></Delete>`).into(t, &out)
	if len(out.Deleted) != 2 || len(out.Error) != 1 || out.Error[0].Code != "PreconditionFailed" {
		t.Errorf("DeleteObjects = %+v", out)
	}
	c.ok("DELETE", "/b/none", "")
	for path, want := range map[string]int{"/b/kept": 404, "/b/new": 200} {
		if a := c.do("HEAD", path, ""); a.status != want {
			t.Errorf("HEAD %s after the delete = %d, want %d", path, a.status, want)
		}
	}
}
