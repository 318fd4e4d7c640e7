package s3backend

import (
	"encoding/base64"
	"encoding/binary"
	"hash/crc32"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
)

// TestKeys sees that a key arrives byte for byte, in the path and in the name
// of a copy's source.
func TestKeys(t *testing.T) {
	var path, source string
	c := against(t, func(w http.ResponseWriter, r *http.Request) {
		path, source = r.URL.Path, r.Header.Get("X-Amz-Copy-Source")
		yes(w, r)
	})
	for _, key := range []string{
		"plain", "a//b", "//", "/lead", "x/../y", "..", ".", "./a", "trail/", "trail//", "a b+c%20ü", "%2F", "?q=1#f", "~!@$&'()*,;=:",
		"\u0001\u007f", "日本語", "e\u0301 is not \u00e9", "\xff\xfe", `back\slash`, "a\nb",
	} {
		want := "/bkt/" + key
		if _, err := c.Head(t.Context(), key); err != nil || path != want {
			t.Errorf("Head(%q): path %q, %v, want %q", key, path, err, want)
		}
		if _, err := c.Put(t.Context(), key, strings.NewReader(""),
			0, nil, Condition{}); err != nil || path != want {
			t.Errorf("Put(%q): path %q, %v, want %q", key, path, err, want)
		}
		if _, err := c.Copy(t.Context(), Object{Key: key}, "k", nil, Condition{}); err != nil {
			t.Errorf("Copy(%q): %v", key, err)
		}
		if got := unescape(t, source); got != "bkt/"+key {
			t.Errorf("Copy(%q): source %q is read as %q", key, source, got)
		}
	}
}

// unescape reads a copy source as S3 does: percent escapes, and plus as space.
func unescape(t *testing.T, s string) string {
	t.Helper()
	u, err := http.NewRequest("GET", "http://h/?q="+s, nil)
	if err != nil {
		t.Fatal(err)
	}
	return u.URL.Query().Get("q")
}

// TestBody looks at how bodies go out: not hashed, not chunked, with their
// CRC-32, from where the reader stands and no further.
func TestBody(t *testing.T) {
	data := strings.Repeat("0123456789abcdef", 300<<10/16)
	var mu sync.Mutex
	var got *http.Request
	var body []byte
	c := against(t, func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		mu.Lock()
		got, body = r, b
		mu.Unlock()
		r.Body = http.NoBody
		yes(w, r)
	})
	for _, tt := range []struct {
		name  string
		skip  int64
		size  int64
		write func(body io.ReadSeeker, size int64) error
	}{
		{"put", 0, 300 << 10, func(b io.ReadSeeker, n int64) error {
			_, err := c.Put(t.Context(), "k", b, n, nil, Condition{})
			return err
		}},
		{"put of nothing", 0, 0, func(b io.ReadSeeker, n int64) error {
			_, err := c.Put(t.Context(), "k", b, n, nil, Condition{})
			return err
		}},
		{"part out of the middle", 1000, 200 << 10, func(b io.ReadSeeker, n int64) error {
			_, err := c.UploadPart(t.Context(), Upload{Key: "k", ID: "u"}, 1, b, n)
			return err
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := strings.NewReader(data)
			r.Seek(tt.skip, io.SeekStart)
			if err := tt.write(r, tt.size); err != nil {
				t.Fatal(err)
			}
			want := data[tt.skip : tt.skip+tt.size]
			if string(body) != want || got.ContentLength != tt.size {
				t.Errorf("%d bytes arrived, Content-Length %d, want %d", len(body),
					got.ContentLength, tt.size)
			}
			sum := base64.StdEncoding.EncodeToString(binary.BigEndian.AppendUint32(nil,
				crc32.ChecksumIEEE([]byte(want))))
			for name, want := range map[string]string{
				"X-Amz-Checksum-Crc32": sum, "X-Amz-Content-Sha256": "UNSIGNED-PAYLOAD", "X-Amz-Trailer": "", "Expect": "",
			} {
				if v := got.Header.Get(name); v != want {
					t.Errorf("%s: %q, want %q", name, v, want)
				}
			}
		})
	}
}

// TestShortBody sees that a body which ends too soon is never delivered.
func TestShortBody(t *testing.T) {
	c := against(t, func(w http.ResponseWriter, r *http.Request) {
		t.Errorf("a request went out: %s %s", r.Method, r.URL)
	})
	if _, err := c.Put(t.Context(), "k", strings.NewReader("abc"),
		4, nil, Condition{}); err == nil {
		t.Error("Put of 4 bytes of a body of 3: no error")
	}
	if _, err := c.UploadPart(t.Context(), Upload{}, 1, strings.NewReader("abc"), -1); err == nil {
		t.Error("UploadPart of -1 bytes: no error")
	}
	if _, err := c.Put(t.Context(), "k", strings.NewReader("abc"), maxPut+1, nil,
		Condition{}); !isKind(err, TooLarge) {
		t.Errorf("Put above 5 GiB: %v, want TooLarge", err)
	}
}

// TestHeaderTravels sends all of a Header with each request that takes one.
func TestHeaderTravels(t *testing.T) {
	h := &Header{
		ContentType: "text/csv", ContentEncoding: "gzip",
		ContentDisposition: "inline", ContentLanguage: "de",
		CacheControl: "no-cache", Expires: "tomorrow, perhaps",
		User: map[string]string{"Mode": "1"}, Tagging: "a=1&b=2",
		TagCount: 2,
	}
	want := map[string]string{
		"Content-Type": "text/csv", "Content-Encoding": "gzip", "Content-Disposition": "inline", "Content-Language": "de",
		"Cache-Control": "no-cache", "Expires": "tomorrow, perhaps", "X-Amz-Meta-Mode": "1", "X-Amz-Tagging": "a=1&b=2",
	}
	var got http.Header
	c := against(t, func(w http.ResponseWriter, r *http.Request) {
		got = r.Header.Clone()
		yes(w, r)
	})
	for name, send := range map[string]func() error{
		"Put": func() error {
			_, err := c.Put(t.Context(), "k", strings.NewReader("x"), 1, h, Condition{})
			return err
		},
		"CreateUpload": func() error { _, err := c.CreateUpload(t.Context(), "k", h); return err },
		"Copy":         func() error { _, err := c.Copy(t.Context(), Object{Key: "s"}, "k", h, Condition{}); return err },
	} {
		if err := send(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		for k, v := range want {
			if got.Get(k) != v {
				t.Errorf("%s sends %s: %q, want %q", name, k, got.Get(k), v)
			}
		}
		if !strings.Contains(got.Get("Authorization"), ";expires;") {
			t.Errorf("%s does not sign Expires: %s", name, got.Get("Authorization"))
		}
	}
}

// TestTagging escapes tags as a request's header wants them.
func TestTagging(t *testing.T) {
	c := against(t, yes)
	if got, err := c.Tagging(t.Context(), "k"); err != nil || got != "a+b=1%262" {
		t.Errorf("Tagging = %q, %v", got, err)
	}
}
