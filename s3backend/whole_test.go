package s3backend

import (
	"bytes"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
)

// TestWholeUploadCountsWhatIsRead: of a part, and of a small file, it is told how much was read
// while the request is in flight, the sum never counts a byte twice, and in the end nothing is.
func TestWholeUploadCountsWhatIsRead(t *testing.T) {
	for name, size := range map[string]int64{"one request": 3 << 20, "parts": WholePart + 3<<20} {
		// fails: the first request with a body fails, and is sent again.
		for _, fails := range []bool{false, true} {
			var failed sync.Once
			var inFlight, most, amid atomic.Int64
			c := against(t, func(w http.ResponseWriter, r *http.Request) {
				switch {
				case r.Method == http.MethodPost && r.URL.Query().Has("uploads"):
					_, _ = w.Write(
						[]byte(
							"<InitiateMultipartUploadResult><UploadId>u</UploadId></InitiateMultipartUploadResult>"))
				case r.Method == http.MethodPost:
					_, _ = w.Write(
						[]byte(
							`<CompleteMultipartUploadResult><ETag>"e"</ETag></CompleteMultipartUploadResult>`))
				default:
					if n, err := io.CopyN(io.Discard, r.Body, 1<<20); err != nil || n != 1<<20 {
						t.Errorf("%s: %v", name, err)
					}
					if now := inFlight.Load(); now >= 1<<20 {
						amid.Store(now)
					}
					again := false
					failed.Do(func() { again = fails })
					_, _ = io.Copy(io.Discard, r.Body)
					if again {
						refuse(w, 500, "InternalError")
						return
					}
					w.Header().Set("ETag", `"e"`)
				}
			})
			_, err := WholeUpload{
				Key: "k", Body: bytes.NewReader(make([]byte, size)), Size: size,
				Read: func(n int64) {
					now := inFlight.Add(n)
					for m := most.Load(); now > m && !most.CompareAndSwap(m, now); m = most.Load() {
					}
				},
			}.Upload(t.Context(), c)
			if err != nil && !strings.Contains(err.Error(), "ETag") {
				t.Fatalf("%s: %v", name, err)
			}
			if amid.Load() == 0 || most.Load() > size || inFlight.Load() != 0 {
				t.Errorf(
					"%s, fails: %v: amid a request %d bytes are in flight, at most %d of %d, in the end %d", name, fails, amid.Load(), most.Load(), size, inFlight.Load())
			}
		}
	}
}
