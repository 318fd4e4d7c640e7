package s3backend

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
)

// TestGet gives Get every reply that a server, a proxy or a cache may make of
// a ranged request: it gives the bytes that were asked for, or an error.
func TestGet(t *testing.T) {
	const data = "0123456789"
	for _, tt := range []struct {
		name    string
		obj     Object
		off, n  int64
		status  int
		header  map[string]string
		body    string
		want    string
		wantErr error // from Get or the body
	}{
		{"range", Object{ETag: "e"}, 2, 3, 206, map[string]string{"Content-Range": "bytes 2-4/10"}, "234", "234", nil},
		{"size not told", Object{ETag: "e"}, 2, 3, 206, map[string]string{"Content-Range": "bytes 2-4/*"}, "234", "234", nil},
		{"whole object with 200", Object{ETag: "e"}, 0, 10, 200, nil, data, data, nil},
		{"range ignored", Object{ETag: "e"}, 2, 3, 200, nil, data, "", Other},
		{"range ignored, from the start", Object{ETag: "e"}, 0, 3, 200, nil, data, "", Other},
		{"range ignored, length right", Object{ETag: "e"}, 2, 3, 200, nil, "012", "", Other},
		{"other range", Object{ETag: "e"}, 2, 3, 206, map[string]string{"Content-Range": "bytes 3-5/10"}, "345", "", Other},
		{"range that begins before", Object{ETag: "e"}, 2, 3, 206, map[string]string{"Content-Range": "bytes 1-4/10"}, "123", "", Other},
		{"shorter range", Object{ETag: "e"}, 8, 3, 206, map[string]string{"Content-Range": "bytes 8-9/10"}, "89", "", Other},
		{"range and length differ", Object{ETag: "e"}, 2, 3, 206, map[string]string{"Content-Range": "bytes 2-4/10"}, "2345", "", Other},
		{"no range told", Object{ETag: "e"}, 2, 3, 206, nil, "234", "", Other},
		{"nonsense range", Object{ETag: "e"}, 2, 3, 206, map[string]string{"Content-Range": "2 to 4"}, "234", "", Other},
		{"other version", Object{ETag: "old"}, 2, 3, 206, map[string]string{"Content-Range": "bytes 2-4/10"}, "234", "", Stale},
		{"other size, no ETag known", Object{Size: 12}, 2, 3, 206, map[string]string{"Content-Range": "bytes 2-4/10"}, "234", "", Stale},
		{"chunked, too long", Object{ETag: "e"}, 2, 3, 206, map[string]string{"Content-Range": "bytes 2-4/10", "x": "chunked"}, "2345", "234", nil},
		{"changed", Object{ETag: "e"}, 2, 3, 412, nil, "", "", Stale},
		{"archived", Object{ETag: "e", Class: "GLACIER"}, 2, 3, 403, nil, "<Error><Code>InvalidObjectState</Code></Error>", "", Archived},
		{"negative", Object{ETag: "e"}, -1, 3, 0, nil, "", "", Other},
		{"nothing asked", Object{ETag: "e"}, 10, 0, 0, nil, "", "", nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := once(against(t, func(w http.ResponseWriter, r *http.Request) {
				if tt.status == 0 {
					t.Errorf("a request went out")
				}
				if want := fmt.Sprintf("bytes=%d-%d", tt.off,
					tt.off+tt.n-1); r.Header.Get("Range") != want {
					t.Errorf("Range: %q, want %q", r.Header.Get("Range"), want)
				}
				if tt.obj.ETag != "" && r.Header.Get("If-Match") != `"`+tt.obj.ETag+`"` {
					t.Errorf("If-Match: %q", r.Header.Get("If-Match"))
				}
				if r.URL.Query().Has("versionId") {
					t.Error("a version id is sent, which needs another permission")
				}
				w.Header().Set("ETag", `"e"`)
				for k, v := range tt.header {
					w.Header().Set(k, v)
				}
				w.WriteHeader(tt.status)
				if tt.header["x"] == "chunked" {
					w.(http.Flusher).Flush()
				}
				io.WriteString(w, tt.body)
			}))
			tt.obj.Key, tt.obj.Version = "k", "v1"
			r, err := c.Get(t.Context(), tt.obj, tt.off, tt.n)
			var got []byte
			if err == nil {
				defer r.Close()
				got, err = io.ReadAll(r)
			}
			if !errors.Is(err, tt.wantErr) || err == nil && string(got) != tt.want {
				t.Errorf("Get(%d, %d) = %q, %v, want %q, %v", tt.off, tt.n, got,
					err, tt.want, tt.wantErr)
			}
			var e *Error
			if err != nil && !errors.As(err, &e) {
				t.Errorf("error of type %T", err)
			}
		})
	}
}

// TestGetBroken breaks replies off: what is missing is asked for, as long as bytes
// come and the version is the same.
func TestGetBroken(t *testing.T) {
	const data = "0123456789"
	for _, tt := range []struct {
		name    string
		gives   int  // bytes of each reply
		chunked bool // its length is not told
		changes bool // the object is replaced after the first reply
		noETag  bool
		want    string
		wantErr error
	}{
		{"by three bytes", 3, false, false, false, data, nil},
		{"by one byte, chunked", 1, true, false, false, data, nil},
		{"no bytes", 0, false, false, false, "", io.ErrUnexpectedEOF},
		{"replaced meanwhile", 3, false, true, false, "012", Stale},
		{"no version told", 3, false, false, true, "012", io.ErrUnexpectedEOF},
	} {
		t.Run(tt.name, func(t *testing.T) {
			replies := 0
			c := once(against(t, func(w http.ResponseWriter, r *http.Request) {
				if replies++; tt.changes && replies > 1 {
					refuse(w, 412, "PreconditionFailed")
					return
				}
				var from, to int
				if _, err := fmt.Sscanf(r.Header.Get("Range"),
					"bytes=%d-%d", &from, &to); err != nil {
					t.Error(err)
				}
				if !tt.noETag {
					w.Header().Set("ETag", `"e"`)
				}
				w.Header().Set("Content-Range", fmt.Sprintf("bytes %d-%d/10", from, to))
				if !tt.chunked {
					w.Header().Set("Content-Length", fmt.Sprint(to+1-from))
				}
				w.WriteHeader(http.StatusPartialContent)
				w.(http.Flusher).Flush()
				io.WriteString(w, data[from:min(from+tt.gives, to+1)])
				w.(http.Flusher).Flush()
				panic(http.ErrAbortHandler)
			}))
			r, err := c.Get(t.Context(), Object{Key: "k"}, 0, 10)
			if err != nil {
				t.Fatal(err)
			}
			defer r.Close()
			got, err := io.ReadAll(r)
			if string(got) != tt.want || !errors.Is(err, tt.wantErr) {
				t.Errorf("it gives %q, %v, want %q, %v", got, err, tt.want, tt.wantErr)
			}
		})
	}
}

func TestHead(t *testing.T) {
	c := against(t, func(w http.ResponseWriter, r *http.Request) {
		for k, v := range map[string]string{
			"Content-Length": "7", "ETag": `"e-2"`, "Last-Modified": "Mon, 02 Jan 2006 15:04:05 GMT", "X-Amz-Version-Id": "v1",
			"X-Amz-Storage-Class": "STANDARD_IA", "Content-Type": "a/b", "Content-Encoding": "gzip, aws-chunked",
			"Expires": "not a date", "X-Amz-Meta-MTime": "1.5", "X-Amz-Tagging-Count": "2",
		} {
			w.Header().Set(k, v)
		}
	})
	got, err := c.Head(t.Context(), "k")
	if err != nil {
		t.Fatal(err)
	}
	h := got.Header
	got.Header = nil
	if s := fmt.Sprintf("%+v", got); !strings.Contains(s,
		"Key:k Size:7 ETag:e-2 Modified:2006-01-02 15:04:05 +0000 UTC Version:v1 Owner: Class:STANDARD_IA") {
		t.Errorf("Head = %s", s)
	}
	want := Header{ContentType: "a/b", ContentEncoding: "gzip", Expires: "not a date",
		User: map[string]string{"mtime": "1.5"}, TagCount: 2, Class: "STANDARD_IA"}
	if fmt.Sprintf("%+v", *h) != fmt.Sprintf("%+v", want) {
		t.Errorf("Header = %+v, want %+v", *h, want)
	}
}
