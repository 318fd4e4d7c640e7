package memserver

import (
	"fmt"
	"strings"
	"testing"
)

// begin creates an upload of /b/k.
func (c *client) begin(header ...string) string {
	c.t.Helper()
	var out struct{ UploadId string }
	c.ok("POST", "/b/k?uploads", "", header...).into(c.t, &out)
	return out.UploadId
}

// complete asks for the parts, given by number and ETag by turns.
func (c *client) complete(id string, parts []any, header ...string) answer {
	c.t.Helper()
	var b strings.Builder
	for i := 0; i+1 < len(parts); i += 2 {
		fmt.Fprintf(&b, "<Part><PartNumber>%d</PartNumber><ETag>&quot;%s&quot;</ETag></Part>",
			parts[i], parts[i+1])
	}
	return c.do("POST", "/b/k?uploadId="+id,
		"<CompleteMultipartUpload>"+b.String()+"</CompleteMultipartUpload>", header...)
}

func TestMultipart(t *testing.T) {
	c := newClient(t)
	big := strings.Repeat("0123456789abcdef", minPartSize/16)
	c.ok("PUT", "/b/src", "old"+big)
	id := c.begin("x-amz-meta-who", "me")
	at := "/b/k?uploadId=" + id + "&partNumber="
	c.ok("PUT", at+"9", "lost: sent again below")
	nine := c.ok("PUT", at+"9", "tail").etag()
	var part struct{ ETag string }
	c.ok("PUT", at+"2", "", "x-amz-copy-source", "b/src", "x-amz-copy-source-range",
		fmt.Sprintf("bytes=3-%d", 2+len(big))).into(t, &part)
	two := strings.Trim(part.ETag, `"`)

	if a := c.do("HEAD", "/b/k", ""); a.status != 404 {
		t.Errorf("HEAD before Complete = %d, want 404", a.status)
	}
	for _, tt := range []struct {
		parts []any
		want  string
	}{
		{[]any{}, "MalformedXML"},
		{[]any{9, nine, 2, two}, "InvalidPartOrder"},
		{[]any{2, two, 2, two}, "InvalidPartOrder"},
		{[]any{2, two, 9, "other"}, "InvalidPart"},
		{[]any{1, two}, "InvalidPart"},
	} {
		if a := c.complete(id, tt.parts); a.code() != tt.want {
			t.Errorf("Complete %v: code %q, want %q", tt.parts, a.code(), tt.want)
		}
	}
	var listed struct {
		IsTruncated          bool
		NextPartNumberMarker int
		Part                 []struct {
			PartNumber int
			Size       int64
		}
	}
	c.ok("GET", "/b/k?max-parts=1&uploadId="+id, "").into(t, &listed)
	if len(listed.Part) != 1 || listed.Part[0].PartNumber != 2 ||
		listed.Part[0].Size != minPartSize || !listed.IsTruncated {
		t.Errorf("ListParts = %+v", listed)
	}
	if a := c.complete(id, []any{2, two, 9, nine}, "If-None-Match", "*"); a.status != 200 {
		t.Fatalf("Complete = %d %s", a.status, a.body)
	}
	a := c.ok("GET", "/b/k", "")
	if a.body != big+"tail" || a.header.Get("x-amz-meta-who") != "me" ||
		!strings.HasSuffix(a.etag(), "-2") {
		t.Errorf("GET: %d bytes by %q, ETag %s", len(a.body),
			a.header.Get("x-amz-meta-who"), a.etag())
	}
	if got := c.ok("GET", "/b/k", "", "Range",
		fmt.Sprintf("bytes=%d-%d", len(big)-1, len(big)+1)).body; got != "fta" {
		t.Errorf("the bytes around the seam = %q, want fta", got)
	}
	if a := c.complete(id, []any{2, two, 9, nine}); a.code() != "NoSuchUpload" {
		t.Errorf("Complete again: code %q, want NoSuchUpload", a.code())
	}
}

func TestMultipartRefused(t *testing.T) {
	c := newClient(t)
	id := c.begin()
	at := "/b/k?uploadId=" + id + "&partNumber="
	one, two := c.ok("PUT", at+"1", "small").etag(), c.ok("PUT", at+"2", "last").etag()
	if a := c.complete(id, []any{1, one, 2, two}); a.code() != "EntityTooSmall" {
		t.Errorf("Complete with a small first part: code %q, want EntityTooSmall", a.code())
	}
	c.ok("PUT", "/b/k", "there first")
	if a := c.complete(id, []any{2, two}, "If-None-Match", "*"); a.code() != "PreconditionFailed" {
		t.Errorf("Complete over another object: code %q, want PreconditionFailed", a.code())
	}
	for _, tt := range []struct{ method, path, want string }{
		{"PUT", at + "0", "InvalidArgument"},
		{"PUT", at + "10001", "InvalidArgument"},
		{"PUT", "/b/k?partNumber=1&uploadId=none", "NoSuchUpload"},
		{"PUT", "/b/other?partNumber=1&uploadId=" + id, "NoSuchUpload"},
		{"DELETE", "/b/k?uploadId=none", "NoSuchUpload"},
		{"POST", "/none/k?uploads", "NoSuchBucket"},
	} {
		if a := c.do(tt.method, tt.path, ""); a.code() != tt.want {
			t.Errorf("%s %s: code %q, want %q", tt.method, tt.path, a.code(), tt.want)
		}
	}
	src := []string{"x-amz-copy-source", "b/k", "x-amz-copy-source-range", "bytes=5-11"}
	if a := c.do("PUT", at+"3", "", src...); a.code() != "InvalidArgument" {
		t.Errorf("UploadPartCopy past the end: code %q, want InvalidArgument", a.code())
	}
	c.ok("DELETE", "/b/k?uploadId="+id, "")
	if a := c.do("PUT", at+"1", "late"); a.code() != "NoSuchUpload" {
		t.Errorf("UploadPart after Abort: code %q, want NoSuchUpload", a.code())
	}
}
