package s3backend

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"strconv"
	"sync"
	"unicode/utf8"

	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/smithy-go"
	"github.com/aws/smithy-go/middleware"
	smithyhttp "github.com/aws/smithy-go/transport/http"
)

// fastListDecoder decodes the reply to one ListObjectsV2 in place of the SDK, whose decoder takes
// ten times as long as S3 takes to answer. It leaves all errors to the SDK, and every reply that
// is not written as plainly as S3 and other servers do (see xmlScanner). Signing and retries
// are the SDK's in any case.
type fastListDecoder struct {
	listing *listing // nil if the SDK has to read it
}

// install is an option of the request.
func (p *fastListDecoder) install(o *s3.Options) {
	o.APIOptions = append(o.APIOptions, func(stack *middleware.Stack) error {
		return stack.Deserialize.Insert(p, "OperationDeserializer", middleware.After)
	})
}

const (
	// mostTags is how many a page of a listing may have: S3's have some 30,000 at most,
	// 26 for each of a thousand objects.
	mostTags = 100_000
	// mostKept is the largest buffer that is used again, in bytes.
	mostKept = 1 << 20
)

func (p *fastListDecoder) ID() string { return "s3share:plainReply" }

// bodies are buffers for replies, which have 300 KB for a full page.
var bodies = sync.Pool{New: func() any { return new(bytes.Buffer) }}

// HandleDeserialize stands between the SDK's decoder and its look for errors in
// disguise.
func (p *fastListDecoder) HandleDeserialize(ctx context.Context, in middleware.DeserializeInput,
	next middleware.DeserializeHandler) (
	middleware.DeserializeOutput, middleware.Metadata, error,
) {
	p.listing = nil
	out, meta, err := next.HandleDeserialize(ctx, in)
	reply, ok := out.RawResponse.(*smithyhttp.Response)
	if err != nil || !ok || reply.StatusCode/100 != 2 {
		return out, meta, err
	}
	buf := bodies.Get().(*bytes.Buffer)
	buf.Reset()
	if _, err := buf.ReadFrom(reply.Body); err != nil {
		return out, meta, &smithy.DeserializationError{Err: err}
	}
	if bytes.Count(buf.Bytes(), []byte("<")) > mostTags {
		return out, meta, &smithy.DeserializationError{Err: errors.New(
			"the listing has more elements than a page of S3's")}
	}
	l, ok := readListing(buf.Bytes())
	if !ok {
		reply.Body = replayed{buf, reply.Body}
		return out, meta, nil
	}
	if buf.Cap() <= mostKept {
		bodies.Put(buf)
	}
	p.listing = l
	reply.Body = replayed{http.NoBody, reply.Body} // for the SDK, an empty listing
	return out, meta, nil
}

// replayed is a body that was read already.
type replayed struct {
	io.Reader
	io.Closer
}

// readListing reads a reply that is as plain as the scanner wants it.
func readListing(body []byte) (*listing, bool) {
	s := xmlScanner{rest: body, bad: !utf8.Valid(body)}
	if string(s.child("")) != "ListBucketResult" {
		return nil, false
	}
	l := &listing{page: Page{Objects: make([]Object, 0, bytes.Count(body, []byte("<Contents>")))}}
	for name := s.child("ListBucketResult"); name != nil; name = s.child("ListBucketResult") {
		switch string(name) {
		case "Contents":
			l.page.Objects = append(l.page.Objects, s.object())
		case "CommonPrefixes":
			for name := s.child("CommonPrefixes"); name != nil; name = s.child("CommonPrefixes") {
				if string(name) == "Prefix" {
					l.page.Prefixes = append(l.page.Prefixes, string(s.text(name)))
				} else {
					s.skip(name)
				}
			}
		case "EncodingType":
			l.encoded = string(s.text(name)) == "url"
		case "IsTruncated":
			l.truncated = string(s.text(name)) == "true"
		case "NextContinuationToken":
			l.page.Next = string(s.text(name))
		default:
			s.skip(name)
		}
	}
	return l, s.ended()
}

// object reads what is in a Contents.
func (s *xmlScanner) object() (o Object) {
	for name := s.child("Contents"); name != nil; name = s.child("Contents") {
		switch string(name) {
		case "Key":
			o.Key = string(s.text(name))
		case "ETag":
			etag := string(s.text(name))
			o.ETag = unquote(&etag)
		case "Size":
			n, err := strconv.ParseInt(string(s.text(name)), 10, 64)
			o.Size, s.bad = n, s.bad || err != nil
		case "LastModified":
			t, ok := modified(s.text(name))
			o.Modified, s.bad = t, s.bad || !ok
		case "StorageClass":
			if o.Class = "STANDARD"; string(s.text(name)) != o.Class {
				o.Class = string(s.last)
			}
		case "Owner":
			for name := s.child("Owner"); name != nil; name = s.child("Owner") {
				if string(name) == "ID" {
					o.Owner = string(s.text(name))
				} else {
					s.skip(name)
				}
			}
		default:
			s.skip(name)
		}
	}
	return o
}
