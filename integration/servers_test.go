package integration

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

// serverKinds are servers that refuse what AWS does not. All these are allowed answers.
var serverKinds = []struct {
	name   string
	answer func(x *exchange, op string, w http.ResponseWriter, r *http.Request) bool
}{
	{"refuses the checksums of parts, never finds the ETag of an upload in parts, and has no policies",
		func(x *exchange, op string, w http.ResponseWriter, r *http.Request) bool {
			switch {
			case op == "GetBucketPolicy":
				return refuse(w, r, http.StatusNotImplemented, "NotImplemented")
			case op == "CompleteMultipartUpload" && strings.Contains(spy(r), "<Checksum"):
				return refuse(w, r, http.StatusBadRequest, "MalformedXML")
			case op == "CompleteMultipartUpload":
				return x.completeFor(w, r)
			case strings.Contains(r.Header.Get("X-Amz-Copy-Source-If-Match"), "-"):
				return refuse(w, r, http.StatusPreconditionFailed, "PreconditionFailed")
			}
			return false
		}},
	{"copies no parts into an upload with a checksum, and knows no s3:PutObjectAcl",
		func(x *exchange, op string, w http.ResponseWriter, r *http.Request) bool {
			switch {
			case op == "UploadPartCopy":
				return refuse(w, r, http.StatusBadRequest, "InvalidArgument")
			case op == "PutBucketPolicy" && strings.Contains(spy(r), "s3:PutObjectAcl"):
				return refuse(w, r, http.StatusBadRequest, "MalformedPolicy")
			}
			return false
		}},
	{"copies no parts, for want of a length",
		func(x *exchange, op string, w http.ResponseWriter, r *http.Request) bool {
			return op == "UploadPartCopy" &&
				refuse(w, r, http.StatusLengthRequired, "MissingContentLength")
		}},
	{"refuses the conditions of copies",
		func(x *exchange, op string, w http.ResponseWriter, r *http.Request) bool {
			asks := r.Header.Get("X-Amz-Copy-Source-If-Match") + r.Header.Get(
				"If-Match") + r.Header.Get("If-None-Match")
			return (op == "CopyObject" || op == "UploadPartCopy") && asks != "" &&
				refuse(w, r, http.StatusNotImplemented, "NotImplemented")
		}},
}

// completeFor completes an upload by the checksums that the server has of its parts, which
// localbucket, as AWS, wants to be told where the upload was begun with checksums.
func (x *exchange) completeFor(w http.ResponseWriter, r *http.Request) bool {
	key, id := strings.TrimPrefix(r.URL.Path, "/"+x.Bucket+"/"), r.URL.Query().Get("uploadId")
	list, err := x.api[client].ListParts(r.Context(),
		&s3.ListPartsInput{Bucket: &x.Bucket, Key: &key, UploadId: &id})
	if err != nil {
		return refuse(w, r, status(err), "NoSuchUpload")
	}
	in := &s3.CompleteMultipartUploadInput{Bucket: &x.Bucket, Key: &key, UploadId: &id,
		MultipartUpload: &types.CompletedMultipartUpload{}}
	for _, p := range list.Parts {
		in.MultipartUpload.Parts = append(in.MultipartUpload.Parts,
			types.CompletedPart{PartNumber: p.PartNumber, ETag: p.ETag,
				ChecksumCRC32: p.ChecksumCRC32})
	}
	if v := r.Header.Get("If-Match"); v != "" {
		in.IfMatch = &v
	}
	if v := r.Header.Get("If-None-Match"); v != "" {
		in.IfNoneMatch = &v
	}
	out, err := x.api[client].CompleteMultipartUpload(r.Context(), in)
	switch {
	case status(err) == http.StatusPreconditionFailed:
		return refuse(w, r, http.StatusPreconditionFailed, "PreconditionFailed")
	case err != nil:
		return refuse(w, r, http.StatusInternalServerError, "InternalError")
	}
	fmt.Fprintf(w,
		"<CompleteMultipartUploadResult><Key>%s</Key><ETag>%s</ETag></CompleteMultipartUploadResult>", key, *out.ETag)
	return true
}

// spy returns the body of a request, which stays to be read.
func spy(r *http.Request) string {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	return string(body)
}

// TestServersThatCannotDoAll sets an exchange up and works in it with large files, on
// servers that refuse what AWS does not: init ends well, again too, and everything arrives.
func TestServersThatCannotDoAll(t *testing.T) {
	t.Parallel()
	if server.onRGW() {
		t.Skip("these servers are localbucket behind a gateway")
	}
	for _, kind := range serverKinds {
		t.Run(kind.name, func(t *testing.T) {
			t.Parallel()
			x, g := newExchange(t, "full").in(t).through(t)
			g.when(func(op string, w http.ResponseWriter, r *http.Request) bool {
				return kind.answer(x, op, w, r)
			})
			d := newDesk(t, x, owner)
			for range 2 {
				out, err := d.types(t,
					"s3share init "+x.Bucket+" --yes --widen --grant full --client "+clientName(x))
				if err != nil || !strings.Contains(out, "s3share:"+x.Bucket) ||
					strings.Contains(out, "SDK ") {
					t.Fatalf("init: %v\n%s", err, out)
				}
			}
			m := x.mount(client)
			content := randomBytes(30 * mib)
			m.write(delivery+"large", content)
			x.awaitObject(delivery+"large", content)

			change := func(what string, flags int, at int64, patch []byte) {
				t.Helper()
				f, err := os.OpenFile(m.path(delivery+"large"), flags, 0)
				if err != nil {
					t.Fatal(err)
				}
				if flags&os.O_APPEND != 0 {
					_, err = f.Write(patch)
					content = append(content, patch...)
				} else {
					_, err = f.WriteAt(patch, at)
					copy(content[at:], patch)
				}
				if cerr := f.Close(); err != nil || cerr != nil {
					t.Fatalf("%s: %v, %v", what, err, cerr)
				}
				x.awaitObject(delivery+"large", content)
			}
			change("edit", os.O_RDWR, 14*mib, []byte("edited"))
			change("append", os.O_WRONLY|os.O_APPEND, 0, []byte("appended"))
			when := time.Date(2001, 2, 3, 4, 5, 6, 0, time.UTC)
			if err := os.Chtimes(m.path(delivery+"large"), when, when); err != nil {
				t.Error(err)
			}
			m.awaitDelivered(delivery + "large")
			for _, name := range []string{"renamed", "again"} {
				old := map[string]string{"renamed": "large", "again": "renamed"}[name]
				if err := os.Rename(m.path(delivery+old), m.path(delivery+name)); err != nil {
					t.Fatalf("rename to %s: %v", name, err)
				}
				x.awaitObject(delivery+name, content)
				x.awaitGone(delivery + old)
			}
			if err := os.Remove(m.path(delivery + "again")); err != nil {
				t.Error(err)
			}
			x.awaitGone(delivery + "again")
			if left, err := m.owed(); err != nil || len(left) > 0 {
				t.Errorf("not delivered: %+v, %v", left, err)
			}
			if out, code := x.as(t, owner, nil, "repair"); code != 0 {
				t.Errorf("repair ends with %d:\n%s", code, out)
			}
		})
	}
}
