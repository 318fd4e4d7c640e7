package s3backend

import (
	"context"
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
)

// TestUnconfirmed: S3 begins its reply to a long request with 200 and may fail
// after that. Only a reply that names the object is success.
func TestUnconfirmed(t *testing.T) {
	for _, tt := range []struct {
		name, body string
		op         string
		want       Kind
		etag       string
	}{
		{"complete", `<CompleteMultipartUploadResult><Key>k</Key><ETag>"x-1"</ETag></CompleteMultipartUploadResult>`, "complete", 0, "x-1"},
		{"complete, empty", "", "complete", Other, ""},
		{"complete, white space", "\n \n", "complete", Other, ""},
		{"complete, cut off", "<CompleteMultipartUploadResult>", "complete", Other, ""},
		{"complete, nothing in it", "<CompleteMultipartUploadResult></CompleteMultipartUploadResult>", "complete", Other, ""},
		{"complete, ETag left empty", "<CompleteMultipartUploadResult><Key>k</Key><ETag></ETag></CompleteMultipartUploadResult>", "complete", 0, "from-head"},
		{"complete, error inside", "<Error><Code>InternalError</Code></Error>", "complete", Other, ""},
		{"complete, throttled inside", "<Error><Code>SlowDown</Code></Error>", "complete", Busy, ""},
		{"copy, empty", "", "copy", Other, ""},
		{"copy, nothing in it", "<CopyObjectResult></CopyObjectResult>", "copy", Other, ""},
		{"copy, error inside", "<Error><Code>InternalError</Code></Error>", "copy", Other, ""},
		{"part, nothing in it", "<CopyPartResult></CopyPartResult>", "copypart", Other, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := once(against(t, func(w http.ResponseWriter, r *http.Request) {
				if r.Method == "HEAD" {
					w.Header().Set("ETag", `"from-head"`)
					w.Header().Set("Content-Length", "5")
					return
				}
				w.WriteHeader(http.StatusOK)
				io.WriteString(w, tt.body)
			}))
			c.notAWS = false
			var obj Object
			var err error
			switch tt.op {
			case "complete":
				obj, err = c.Complete(t.Context(), Upload{Key: "k", ID: "u"},
					[]Part{{Number: 1, ETag: "p"}}, 5, Condition{})
			default:
				err = (step{call: tt.op}).run(t, c)
			}
			if tt.etag != "" {
				if err != nil || obj.ETag != tt.etag || obj.Size != 5 {
					t.Errorf("got %+v, %v, want ETag %q", obj, err, tt.etag)
				}
			} else if !isKind(err, tt.want) {
				t.Errorf("got %+v, %v, want %v", obj, err, tt.want)
			}
		})
	}
}

// TestCompleteParts: what Complete says of the parts, in what order.
func TestCompleteParts(t *testing.T) {
	const both = "<Part><ChecksumCRC32>c1</ChecksumCRC32><ETag>&#34;e1&#34;</ETag><PartNumber>1</PartNumber></Part>" +
		"<Part><ChecksumCRC32>c2</ChecksumCRC32><ETag>&#34;e2&#34;</ETag><PartNumber>2</PartNumber></Part>"
	const plain = "<Part><ETag>&#34;e1&#34;</ETag><PartNumber>1</PartNumber></Part><Part><ETag>&#34;e2&#34;</ETag><PartNumber>2</PartNumber></Part>"
	one, two := Part{Number: 1, ETag: "e1", CRC32: "c1"}, Part{Number: 2, ETag: "e2", CRC32: "c2"}
	bare := Part{Number: 1, ETag: "e1"}
	for _, tt := range []struct {
		name   string
		up     Upload
		parts  []Part
		refuse string // the code for a request with checksums
		want   []string
		err    error
	}{
		{"in order", Upload{CRC32: true}, []Part{two, one}, "", []string{both}, nil},
		{"one sum is missing, none promised", Upload{}, []Part{bare, two}, "", []string{plain}, nil},
		{"not promised and refused", Upload{}, []Part{one, two}, "InvalidPart", []string{both, plain}, nil},
		{"promised, and told wrongly by the server", Upload{CRC32: true}, []Part{one, two}, "InvalidArgument", []string{both, plain}, nil},
		{"refused for good", Upload{CRC32: true}, []Part{one, two}, "EntityTooSmall", []string{both}, Refused},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var got []string
			c := once(against(t, func(w http.ResponseWriter, r *http.Request) {
				b, _ := io.ReadAll(r.Body)
				s := string(b)
				s = s[strings.Index(s, "<Part>"):strings.LastIndex(s, "</Complete")]
				got = append(got, s)
				if r.Header.Get("X-Amz-Mp-Object-Size") != "9" {
					t.Errorf("size %q", r.Header.Get("X-Amz-Mp-Object-Size"))
				}
				if tt.refuse != "" && strings.Contains(s, "CRC32") {
					refuse(w, 400, tt.refuse)
					return
				}
				yes(w, r)
			}))
			given := slices.Clone(tt.parts)
			tt.up.Key, tt.up.ID = "k", "u"
			if _, err := c.Complete(t.Context(), tt.up, tt.parts,
				9, Condition{}); !errors.Is(err, tt.err) {
				t.Errorf("Complete: %v, want %v", err, tt.err)
			}
			if !slices.Equal(got, tt.want) {
				t.Errorf("sent %q, want %q", got, tt.want)
			}
			if !slices.Equal(given, tt.parts) {
				t.Error("Complete changed its caller's parts")
			}
		})
	}
}

func TestAbort(t *testing.T) {
	for _, tt := range []struct {
		status int
		code   string
		want   error
	}{{204, "", nil}, {404, "NoSuchUpload", nil}, {403, "AccessDenied", Denied}} {
		c := once(against(t,
			func(w http.ResponseWriter, r *http.Request) { refuse(w, tt.status, tt.code) }))
		if err := c.Abort(t.Context(), Upload{Key: "k", ID: "u"}); !errors.Is(err, tt.want) {
			t.Errorf("Abort answered %d %s: %v, want %v", tt.status, tt.code, err, tt.want)
		}
	}
}

func TestPartSize(t *testing.T) {
	for _, tt := range []struct{ size, least, want int64 }{
		{1, copyPartSize, copyPartSize},
		{copyPartSize * int64(MaxParts), copyPartSize, copyPartSize},
		{copyPartSize*int64(MaxParts) + 1, copyPartSize, copyPartSize + 1},
		{MaxPartSize * int64(MaxParts), copyPartSize, MaxPartSize},
		{MaxPartSize*int64(MaxParts) + 1, copyPartSize, 0},
	} {
		if got, err := partSize(tt.size, tt.least); got != tt.want ||
			(err != nil) != (tt.want == 0) {
			t.Errorf("partSize(%d) = %d, %v, want %d", tt.size, got, err, tt.want)
		}
	}
}

// TestCopyLarge: the ranges tile the source; and a failure or a caller who
// leaves aborts the upload and tells the one reason.
func TestCopyLarge(t *testing.T) {
	src := Object{Key: "s", ETag: "e", Size: 6<<30 + 1,
		Header: &Header{ContentType: "a/b", TagCount: 1}}
	for _, tt := range []struct {
		name   string
		failAt string // a part number, "complete", or "leave"
		want   error
	}{
		{"all", "", nil},
		{"a part is refused", "3", Denied},
		{"complete is refused", "complete", Denied},
		{"the caller leaves", "leave", context.Canceled},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var mu sync.Mutex
			ranges := map[string]string{}
			aborted := 0
			var created http.Header
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			c := once(against(t, func(w http.ResponseWriter, r *http.Request) {
				mu.Lock()
				defer mu.Unlock()
				q := r.URL.Query()
				switch {
				case r.Method == "DELETE":
					aborted++
				case r.Method == "POST" && q.Has("uploads"):
					created = r.Header.Clone()
				case q.Has("partNumber"):
					ranges[q.Get("partNumber")] = r.Header.Get("X-Amz-Copy-Source-Range")
				}
				if tt.failAt == "leave" && len(ranges) == 2 {
					cancel()
				}
				if n := q.Get("partNumber"); n != "" && n == tt.failAt ||
					tt.failAt == "complete" && r.Method == "POST" && !q.Has("uploads") {
					refuse(w, 403, "AccessDenied")
					return
				}
				yes(w, r)
			}))
			c.notAWS = false
			obj, err := c.Copy(ctx, src, "k", nil, Condition{IfNoneMatch: true})
			if !errors.Is(err, tt.want) {
				t.Fatalf("Copy = %v, want %v", err, tt.want)
			}
			if created.Get("Content-Type") != "a/b" || created.Get("X-Amz-Tagging") != "a+b=1%262" {
				t.Errorf("the upload begins with %v", created)
			}
			if (err != nil) != (aborted == 1) {
				t.Errorf("after %v the upload was aborted %d times", err, aborted)
			}
			if err != nil {
				return
			}
			if obj.Size != src.Size || obj.ETag != "e" || len(ranges) != 13 {
				t.Errorf("Copy = %+v in %d parts", obj, len(ranges))
			}
			for n, want := range map[string]string{
				"1": "bytes=0-536870911", "2": "bytes=536870912-1073741823", "13": "bytes=6442450944-6442450944",
			} {
				if ranges[n] != want {
					t.Errorf("part %s is %q, want %q", n, ranges[n], want)
				}
			}
		})
	}
}
