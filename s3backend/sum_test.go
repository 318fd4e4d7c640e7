package s3backend

import (
	"fmt"
	"hash/crc64"
	"net/http"
	"testing"
)

// TestSum learns the checksum of a whole object, and of no other kind.
func TestSum(t *testing.T) {
	// Source: CRC catalogue, "CRC-64/NVME", check.
	if got := crc64.Checksum([]byte("123456789"),
		crc64.MakeTable(crc64NVME)); got != 0xae8b14860a799888 {
		t.Fatalf("CRC-64/NVME of the check is %x", got)
	}
	const text = "123456789"
	for _, tt := range []struct {
		name   string
		header map[string]string
		want   bool
	}{
		{"CRC-64", map[string]string{"X-Amz-Checksum-Crc64nvme": "rosUhgp5mIg=", "X-Amz-Checksum-Type": "FULL_OBJECT"}, true},
		{"CRC-32", map[string]string{"X-Amz-Checksum-Crc32": "y/Q5Jg=="}, true},
		{"SHA-256", map[string]string{"X-Amz-Checksum-Sha256": "FeKw08M4kQD+EKU2gCSTLQ3Fu3PkBmEzdlVtvCiZ3yU="}, false},
		{"of parts", map[string]string{"X-Amz-Checksum-Crc32": "y/Q5Jg==", "X-Amz-Checksum-Type": "COMPOSITE"}, false},
		{"no base64", map[string]string{"X-Amz-Checksum-Crc32": "y/Q5Jg==-3"}, false},
		{"none", nil, false},
	} {
		c := against(t, func(w http.ResponseWriter, r *http.Request) {
			if r.Header.Get("X-Amz-Checksum-Mode") != "ENABLED" ||
				r.Header.Get("If-Match") != `"e"` {
				t.Errorf("asked with %v", r.Header)
			}
			for k, v := range tt.header {
				w.Header().Set(k, v)
			}
		})
		sum, err := c.Sum(t.Context(), Object{Key: "k", ETag: "e"})
		if err != nil {
			t.Fatal(err)
		}
		got := false
		if sum.New != nil {
			h := sum.New()
			fmt.Fprint(h, text)
			got = sum.Matches(h)
		}
		if got != tt.want {
			t.Errorf("%s: matches %v, want %v", tt.name, got, tt.want)
		}
	}
}

// TestHeadSum returns what both parties are told of a version, with the checksum as S3 shows it.
func TestHeadSum(t *testing.T) {
	for want, header := range map[string]map[string]string{
		"":                       nil,
		"CRC64NVME rosUhgp5mIg=": {"X-Amz-Checksum-Crc64nvme": "rosUhgp5mIg=", "X-Amz-Checksum-Crc32": "y/Q5Jg=="},
		"CRC32 y/Q5Jg==-3":       {"X-Amz-Checksum-Crc32": "y/Q5Jg==-3", "X-Amz-Checksum-Type": "COMPOSITE"},
	} {
		c := against(t, func(w http.ResponseWriter, r *http.Request) {
			if r.Method != http.MethodHead || r.Header.Get("X-Amz-Checksum-Mode") != "ENABLED" {
				t.Errorf("asked by %s with %v", r.Method, r.Header)
			}
			h := w.Header()
			h.Set("ETag", `"e"`)
			h.Set("Content-Length", "9")
			h.Set("X-Amz-Version-Id", "v")
			h.Set("Last-Modified", "Mon, 30 Nov 2026 08:12:00 GMT")
			for k, v := range header {
				h.Set(k, v)
			}
		})
		obj, sum, err := c.HeadSum(t.Context(), "k")
		if err != nil || sum != want || obj.Key != "k" || obj.ETag != "e" || obj.Size != 9 ||
			obj.Version != "v" || obj.Modified.Unix() != 1796026320 {
			t.Errorf("HeadSum = %+v, %q, %v, want %q", obj, sum, err, want)
		}
	}
}
