package s3backend

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
)

// TestTruncatedReplyIsAskedForAgain has the connection end in the midst of the first
// reply to a request, wherever that is; the second reply is whole.
func TestTruncatedReplyIsAskedForAgain(t *testing.T) {
	t.Parallel()
	up := Upload{Key: "k", ID: "u"}
	for _, c := range []struct {
		op    string
		reply string
		do    func(ctx context.Context, c *Client) error
	}{
		{"List",
			`<ListBucketResult><Contents><Key>k</Key><ETag>"e"</ETag><Size>3</Size></Contents></ListBucketResult>`, func(ctx context.Context, c *Client) error {
				p, err := c.List(ctx, ListInput{})
				if err == nil && len(p.Objects) != 1 {
					err = fmt.Errorf("lists %v", p.Objects)
				}
				return err
			}},
		{"Copy", `<CopyObjectResult><ETag>"e"</ETag></CopyObjectResult>`,
			func(ctx context.Context, c *Client) error {
				_, err := c.Copy(ctx, Object{Key: "src", Size: 3, ETag: "e"}, "k", nil,
					Condition{IfNoneMatch: true})
				return err
			}},
		{"CreateUpload",
			`<InitiateMultipartUploadResult><UploadId>u</UploadId></InitiateMultipartUploadResult>`,
			func(ctx context.Context, c *Client) error {
				_, err := c.CreateUpload(ctx, "k", nil)
				return err
			}},
		{"CopyPart", `<CopyPartResult><ETag>"e"</ETag></CopyPartResult>`,
			func(ctx context.Context, c *Client) error {
				_, err := c.CopyPart(ctx, up, 1, Object{Key: "src", Size: 3, ETag: "e"}, 0, 3)
				return err
			}},
		{"Complete",
			`<CompleteMultipartUploadResult><ETag>"e-1"</ETag></CompleteMultipartUploadResult>`,
			func(ctx context.Context, c *Client) error {
				_, err := c.Complete(ctx, up, []Part{{Number: 1, ETag: "e", Size: 3}},
					3, Condition{IfNoneMatch: true})
				return err
			}},
		{"DeleteAll",
			`<DeleteResult><Deleted><Key>k</Key></Deleted><Deleted><Key>l</Key></Deleted></DeleteResult>`, func(ctx context.Context, c *Client) error {
				failed, err := c.DeleteAll(ctx, []Object{{Key: "k"}, {Key: "l"}})
				if err == nil && len(failed) > 0 {
					err = fmt.Errorf("failed: %v", failed)
				}
				return err
			}},
	} {
		for _, cut := range []int{1, len(c.reply) - 1} {
			for _, sized := range []bool{true, false} {
				t.Run(fmt.Sprint(c.op, " after ", cut, " bytes, sized ", sized),
					func(t *testing.T) {
						t.Parallel()
						var asked atomic.Int64
						client := against(t, func(w http.ResponseWriter, r *http.Request) {
							_, _ = io.Copy(io.Discard, r.Body)
							if r.Method == http.MethodHead { // a look at what a condition is about
								if strings.HasSuffix(r.URL.Path, "/src") {
									w.Header().Set("ETag", `"e"`)
									w.Header().Set("Content-Length", "3")
								} else {
									w.WriteHeader(http.StatusNotFound)
								}
								return
							}
							w.Header().Set("Content-Type", "application/xml")
							if sized {
								w.Header().Set("Content-Length", fmt.Sprint(len(c.reply)))
							}
							if asked.Add(1) > 1 {
								_, _ = io.WriteString(w, c.reply)
								return
							}
							_, _ = io.WriteString(w, c.reply[:cut])
							_ = http.NewResponseController(w).Flush()
							panic(http.ErrAbortHandler)
						})
						if err := c.do(t.Context(), client); err != nil {
							t.Error(err)
						}
						if n := asked.Load(); n != 2 {
							t.Errorf("asked %d times, want 2", n)
						}
					})
			}
		}
	}
}
