package s3backend

import (
	"fmt"
	"io"
	"net/http"
	"testing"
)

// TestCompleteReturnsTheETagOfItsObject completes uploads on servers that tell the object's
// ETag or another one, where somebody may have put another object since, and HEAD may be
// refused. The ETag of somebody else's object is never returned, and on a server that tells
// it right a HEAD is sent only once.
func TestCompleteReturnsTheETagOfItsObject(t *testing.T) {
	for mix := range 1 << 4 {
		bit := func(n int) bool { return mix>>n&1 == 1 }
		lies, replaced, refused, amazon := bit(0), bit(1), bit(2), bit(3)
		var commit string // what the key's object has as its metadata
		heads, n := 0, 0
		c := once(against(t, func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body) // it cannot fail here
			switch {
			case r.Method == http.MethodHead:
				heads++
				if refused {
					w.WriteHeader(http.StatusForbidden)
					return
				}
				w.Header().Set("X-Amz-Meta-Commit", commit)
				w.Header().Set("ETag", fmt.Sprintf(`"is-%d"`, n))
			case r.URL.Query().Has("uploads"):
				n++
				commit = r.Header.Get("X-Amz-Meta-Commit")
				fmt.Fprintf(w,
					"<InitiateMultipartUploadResult><UploadId>u%d</UploadId></InitiateMultipartUploadResult>", n)
			default:
				told := fmt.Sprintf("is-%d", n)
				if lies {
					told = "told"
				}
				if replaced {
					commit = "theirs"
				}
				fmt.Fprintf(w,
					`<CompleteMultipartUploadResult><Key>k</Key><ETag>"%s"</ETag></CompleteMultipartUploadResult>`, told)
			}
		}))
		c.notAWS = !amazon
		const uploads = 3
		for i := range uploads {
			up, err := c.CreateUpload(t.Context(),
				"k", &Header{User: map[string]string{"commit": fmt.Sprint(i)}})
			if err != nil {
				t.Fatal(err)
			}
			obj, err := c.Complete(t.Context(), up, []Part{{Number: 1, ETag: "p"}}, 5, Condition{})
			want := fmt.Sprintf("is-%d", n)
			if lies && (replaced || refused || amazon) {
				want = "told"
			}
			if err != nil || obj.ETag != want {
				t.Errorf("lies %v, replaced %v, refused %v, AWS %v: Complete = %q, %v, want %q",
					lies, replaced, refused, amazon, obj.ETag, err, want)
			}
		}
		most := 1
		switch {
		case amazon:
			most = 0
		case !refused && (lies || replaced):
			most = uploads
		}
		if heads > most {
			t.Errorf("lies %v, replaced %v, refused %v, AWS %v: %d HEADs, want %d at most",
				lies, replaced, refused, amazon, heads, most)
		}
		left := 0
		c.begun.Range(func(any, any) bool { left++; return true })
		if left > 0 {
			t.Errorf("%d uploads are remembered", left)
		}
	}
}
