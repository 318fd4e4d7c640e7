package s3backend

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
)

// TestMay holds each probe against the answers of servers.
func TestMay(t *testing.T) {
	for _, tt := range []struct {
		name   string
		answer func(w http.ResponseWriter, r *http.Request)
		probe  func(*Client) error
		want   error
	}{
		{"a part of no upload", func(w http.ResponseWriter, _ *http.Request) { refuse(w, 404, "NoSuchUpload") }, mayPut, nil},
		{"a part refused, an upload not", func(w http.ResponseWriter, r *http.Request) {
			switch {
			case r.URL.Query().Has("partNumber"):
				refuse(w, 403, "AccessDenied")
			case r.URL.Query().Has("uploads"):
				if r.Header.Get("X-Amz-Acl") != "bucket-owner-full-control" {
					refuse(w, 403, "AccessDenied")
					return
				}
				w.Write([]byte("<InitiateMultipartUploadResult><UploadId>u</UploadId></InitiateMultipartUploadResult>"))
			default:
				w.WriteHeader(http.StatusNoContent)
			}
		}, mayPut, nil},
		{"both refused", func(w http.ResponseWriter, _ *http.Request) { refuse(w, 403, "AccessDenied") }, mayPut, Denied},
		{"login", func(w http.ResponseWriter, _ *http.Request) { refuse(w, 403, "ExpiredToken") }, mayPut, BadLogin},
		{"a key that is not there, on no known server", func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Query().Has("list-type") {
				w.Write([]byte("<ListBucketResult><Name>bkt</Name></ListBucketResult>"))
				return
			}
			refuse(w, 404, "NoSuchKey")
		}, func(c *Client) error { return c.MayGet(t.Context(), "Delivery/", nil) }, ErrUntold},
		{"refused to who may not list", func(w http.ResponseWriter, _ *http.Request) { refuse(w, 403, "AccessDenied") },
			func(c *Client) error { return c.MayGet(t.Context(), "Delivery/", Denied) }, ErrUntold},
		{"PutObjectAcl on no known server", func(w http.ResponseWriter, r *http.Request) {
			if r.Method == http.MethodPut {
				t.Error("PutObjectAcl was sent, which may be taken for an upload")
			}
		}, func(c *Client) error { return c.MayPutACL(t.Context(), "Delivery/", nil) }, ErrUntold},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if err := tt.probe(once(against(t, tt.answer))); !errors.Is(err, tt.want) {
				t.Errorf("= %v, want %v", err, tt.want)
			}
		})
	}
}

func mayPut(c *Client) error {
	_, err := c.MayPut(context.Background(), "Delivery/", Upload{})
	return err
}

// TestMayPutLeaves leaves one upload at most where S3 lets none be aborted.
func TestMayPutLeaves(t *testing.T) {
	begun := 0
	c := once(against(t, func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.RawQuery, "uploads=") || r.URL.Query().Has("uploads") {
			begun++
			w.Write([]byte("<InitiateMultipartUploadResult><UploadId>u</UploadId></InitiateMultipartUploadResult>"))
			return
		}
		refuse(w, 403, "AccessDenied")
	}))
	left, err := c.MayPut(context.Background(), "Delivery/", Upload{})
	if err != nil || left.ID != "u" {
		t.Fatalf("MayPut = %+v, %v, want the upload that is left", left, err)
	}
	if again, err := c.MayPut(context.Background(), "Delivery/", left); !errors.Is(err, ErrUntold) || again != left {
		t.Errorf("MayPut again = %+v, %v, want the same upload and ErrUntold", again, err)
	}
	if begun != 1 {
		t.Errorf("%d uploads were begun, want one", begun)
	}
}
