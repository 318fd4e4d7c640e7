package s3backend

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/smithy-go"
	"github.com/aws/smithy-go/encoding/httpbinding"
	"github.com/aws/smithy-go/middleware"
	smithyhttp "github.com/aws/smithy-go/transport/http"
)

// The SDK takes longer to prepare the request for a small object than everything else that is done
// for it. So frequent requests (GetObject, PutObject of small bodies, and the HeadObject before
// those) are built here. They use the URL, region and service of an earlier request of the SDK, its
// signer and its HTTP client, and are counted and logged like its own. The SDK sends the first
// request, repeats what is worth another attempt, and handles refused credentials.

// direct sends the frequent requests without the SDK, once that has shown the way.
type direct struct {
	at      *endpoint
	contact *contact
	heads   *recentHeads
	retryer aws.Retryer                 // judges whether another attempt is worth it
	route   atomic.Pointer[signedRoute] // nil until it is learnt
}

// signedRoute is where the SDK sends requests about objects, and what it signs them for.
type signedRoute struct {
	base      url.URL // without the key
	service   string
	region    string
	userAgent string
	ahead     time.Duration // how far S3's clock is ahead of ours; 0 up to a minute
}

// emptySum is the SHA-256 of nothing.
const emptySum = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

// url is where the request op about key goes.
func (r *signedRoute) url(op, key string) *url.URL {
	u := r.base
	u.RawPath = r.base.EscapedPath() + httpbinding.EscapePath(key, false)
	u.Path += key
	if u.RawQuery = "x-id=" + op; op == "HeadObject" {
		u.RawQuery = ""
	}
	return &u
}

// captureRoute returns an option for the SDK's request op about key, which stores the route that
// the request takes.
func (d *direct) captureRoute(op, key string) func(*s3.Options) {
	return func(o *s3.Options) {
		o.APIOptions = append(o.APIOptions, func(stack *middleware.Stack) error {
			return stack.Finalize.Add(middleware.FinalizeMiddlewareFunc("s3share:learn",
				func(ctx context.Context, in middleware.FinalizeInput,
					next middleware.FinalizeHandler) (
					middleware.FinalizeOutput, middleware.Metadata, error,
				) {
					out, meta, err := next.HandleFinalize(ctx, in)
					if req, ok := in.Request.(*smithyhttp.Request); ok && err == nil {
						d.route.Store(routeOf(op, key, req.Request))
					}
					return out, meta, err
				}), middleware.After)
		})
	}
}

// signedFor finds the region and the service that a request is signed for.
// Source: AWS General Reference, "Authorization header" of Signature Version 4.
var signedFor = regexp.MustCompile(
	`^AWS4-HMAC-SHA256 Credential=[^,]*/\d{8}/([^/,]+)/([^/,]+)/aws4_request,`)

// routeOf returns the way that a request has gone, or nil if another could not go so.
func routeOf(op, key string, req *http.Request) *signedRoute {
	prefix, ok := strings.CutSuffix(req.URL.Path, key)
	scope := signedFor.FindStringSubmatch(req.Header.Get("Authorization"))
	if !ok || scope == nil || req.Header.Get("X-Amz-S3session-Token") != "" {
		return nil
	}
	r := &signedRoute{
		base:   url.URL{Scheme: req.URL.Scheme, Host: req.URL.Host, Path: prefix},
		region: scope[1], service: scope[2], userAgent: req.Header.Get("User-Agent"),
	}
	at, err := time.Parse("20060102T150405Z", req.Header.Get("X-Amz-Date"))
	if err != nil || r.url(op, key).String() != req.URL.String() {
		return nil
	}
	if ahead := time.Until(at); ahead.Abs() > time.Minute {
		r.ahead = ahead
	}
	return r
}

// notDirect is the error of direct.send for a request that the SDK has to send.
type notDirect struct {
	first    error // of the attempt that was made already, nil for none
	attempts int   // that the SDK may make, 0 for its own number
}

func (e *notDirect) Error() string { return "left to the SDK" }

var errNotDirect error = &notDirect{}

// send sends one attempt of op about key, with these headers and body; the signature covers
// the body if signed is true. It returns the reply if that is a success. Its error is a
// *notDirect, or an *Error as of the SDK's requests.
func (d *direct) send(ctx context.Context, op, method, key string, h http.Header,
	body []byte, signed bool) (*http.Response, error) {
	req, err := d.request(ctx, op, method, key, h, body, signed)
	if err != nil {
		return nil, err
	}
	if err := d.contact.allow(ctx, op); err != nil {
		return nil, wrapError(ctx, op, key, err)
	}
	d.at.counts.add(op)
	start := time.Now()
	resp, err := d.at.http.Do(req)
	if err == nil {
		err = refusal(resp)
	} else {
		err = &smithyhttp.RequestSendError{Err: err}
	}
	d.at.counts.logDirect(ctx, op, req, resp, time.Since(start), err)
	if err == nil || !d.retryer.IsErrorRetryable(err) {
		err = d.contact.met(ctx, op, start, err) // else the SDK's next attempt decides
	}
	if err == nil {
		return resp, nil
	}
	return nil, d.after(ctx, op, key, err)
}

// request returns the signed request of send. Its error is errNotDirect.
func (d *direct) request(ctx context.Context, op, method, key string, h http.Header,
	body []byte, signed bool) (*http.Request, error) {
	r := d.route.Load()
	l, ok := d.at.loaded.Credentials.(*credentialSource)
	if r == nil || !ok {
		return nil, errNotDirect
	}
	req := (&http.Request{
		Method: method, URL: r.url(op, key), Host: r.base.Host, Header: h,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
	}).WithContext(ctx)
	sum := emptySum
	if method == http.MethodPut {
		sum = unsignedPayload
		if signed {
			of := sha256.Sum256(body)
			sum = hex.EncodeToString(of[:])
		}
		req.ContentLength, req.Body = int64(len(body)), io.NopCloser(bytes.NewReader(body))
		if len(body) == 0 {
			req.Body = http.NoBody
		}
	}
	h.Set("X-Amz-Content-Sha256", sum)
	h.Set("User-Agent", r.userAgent)
	h.Set("Accept-Encoding", "identity")
	if id := d.at.owner.Load(); id != nil && *id != "" {
		h.Set("X-Amz-Expected-Bucket-Owner", *id)
	}
	if d.at.payer {
		h.Set(requestPayer, string(types.RequestPayerRequester))
	}
	creds, err := l.Retrieve(ctx)
	if err == nil {
		err = l.SignHTTP(ctx, creds, req, sum, r.service, r.region, time.Now().Add(r.ahead))
	}
	if err != nil {
		return nil, errNotDirect // the SDK fails in the same way, and its error has the reason
	}
	return req, nil
}

// after returns the error of send for an attempt that failed with err. If the SDK is to make
// another attempt, it is a *notDirect, and after waits as long as the SDK waits before one.
func (d *direct) after(ctx context.Context, op, key string, err error) error {
	failed := wrapError(ctx, op, key, err)
	switch {
	case ctx.Err() != nil:
		return failed
	case errors.Is(failed, BadLogin):
		d.route.Store(nil) // the SDK may correct the clock, or find other credentials
		return errNotDirect
	case !d.retryer.IsErrorRetryable(err):
		return failed
	}
	wait, werr := d.retryer.RetryDelay(1, err)
	if werr != nil {
		return failed
	}
	t := time.NewTimer(wait)
	defer t.Stop()
	select {
	case <-t.C:
		return &notDirect{failed, max(1, d.retryer.MaxAttempts()-1)}
	case <-ctx.Done():
		return wrapError(ctx, op, key, ctx.Err())
	}
}

// option is an option of the SDK's request: it limits its attempts to those that are left.
func (e *notDirect) option(o *s3.Options) { o.RetryMaxAttempts = e.attempts }

// mostRefusal is how much is read of the body of an error reply, in bytes.
const mostRefusal = 64 << 10

// refusal returns nil for a 2xx reply, whose body it does not read. Of any other it closes the
// body, and returns the error that the SDK makes of it. If the body breaks off, the error is that
// of a request without a reply.
func refusal(resp *http.Response) error {
	if resp.StatusCode/100 == 2 {
		return nil
	}
	defer resp.Body.Close()
	api := &smithy.GenericAPIError{Code: strings.ReplaceAll(http.StatusText(resp.StatusCode),
		" ", "")}
	var said struct {
		XMLName xml.Name `xml:"Error"`
		Code    string
		Message string
	}
	text, err := io.ReadAll(io.LimitReader(resp.Body, mostRefusal))
	// The reason of the refusal is not known: the status alone would look like a policy's refusal.
	if err != nil {
		return &smithyhttp.RequestSendError{Err: fmt.Errorf("read why S3 refuses: %w", err)}
	}
	if xml.Unmarshal(text, &said) == nil && said.Code != "" {
		api.Code, api.Message = said.Code, said.Message
	}
	return &awshttp.ResponseError{
		RequestID: resp.Header.Get("X-Amz-Request-Id"),
		ResponseError: &smithyhttp.ResponseError{Response: &smithyhttp.Response{Response: resp},
			Err: api},
	}
}

// logDirect is logReply for a request of direct.send.
func (c *counter) logDirect(ctx context.Context, op string, req *http.Request, resp *http.Response,
	took time.Duration, err error) {
	if !c.log.Enabled(ctx, slog.LevelDebug) {
		return
	}
	var reply any
	if resp != nil {
		reply = &smithyhttp.Response{Response: resp}
	}
	c.logReply(ctx, op, &smithyhttp.Request{Request: req}, reply, took, err)
}

// date returns the Date of a reply, by S3's clock, or else the time now; both in whole seconds.
func date(resp *http.Response) time.Time {
	t, err := http.ParseTime(resp.Header.Get("Date"))
	if err != nil {
		t = time.Now()
	}
	return t.UTC().Truncate(time.Second)
}

// text returns a header of a reply, nil if it is absent or empty.
func text(resp *http.Response, name string) *string {
	if v := resp.Header.Get(name); v != "" {
		return &v
	}
	return nil
}

// get sends GetObject for a range. match is the value of If-Match, nil for none.
func (d *direct) get(ctx context.Context, key, ranged string,
	match *string) (*s3.GetObjectOutput, error) {
	h := http.Header{"Range": {ranged}}
	if match != nil {
		h.Set("If-Match", *match)
	}
	resp, err := d.send(ctx, "GetObject", http.MethodGet, key, h, nil, false)
	if err != nil {
		return nil, err
	}
	out := &s3.GetObjectOutput{Body: resp.Body, ETag: text(resp, "ETag"),
		ContentRange: text(resp, "Content-Range")}
	if resp.ContentLength >= 0 {
		out.ContentLength = &resp.ContentLength
	}
	return out, nil
}

// head returns the ETag of what the key holds.
func (d *direct) head(ctx context.Context, key string) (string, error) {
	asked := time.Now()
	resp, err := d.send(ctx, "HeadObject", http.MethodHead, key, http.Header{}, nil, false)
	if statusOf(err) == http.StatusBadRequest {
		return "", errNotDirect // Head asks why
	}
	if err != nil {
		return "", err
	}
	resp.Body.Close()
	etag := unquote(text(resp, "ETag"))
	d.heads.note(key, etag, asked)
	return etag, nil
}

// mostDirect is the largest body that goes directly: it is held in memory, so that
// another attempt need not wait until the connection has let go of it.
const mostDirect = 128 << 10

// put sends the PutObject in with the body s.
func (d *direct) put(ctx context.Context, in *s3.PutObjectInput, head *Header, s *sized,
	signed bool) (Object, error) {
	if s.size > mostDirect || d.route.Load() == nil {
		return Object{}, errNotDirect
	}
	h := http.Header{}
	setACLIn(h)
	set := func(name string, value *string) {
		if value != nil {
			h.Set(name, *value)
		}
	}
	set("If-None-Match", in.IfNoneMatch)
	set("If-Match", in.IfMatch)
	set("X-Amz-Checksum-Crc32", in.ChecksumCRC32)
	set("Content-Encoding", in.ContentEncoding)
	set("Content-Disposition", in.ContentDisposition)
	set("Content-Language", in.ContentLanguage)
	set("Cache-Control", in.CacheControl)
	set("X-Amz-Tagging", in.Tagging)
	set("X-Amz-Storage-Class", head.storageClass())
	h.Set("Content-Type", "application/octet-stream")
	set("Content-Type", in.ContentType)
	for name, value := range in.Metadata {
		h.Set("X-Amz-Meta-"+name, value)
	}
	if head != nil && head.Expires != "" {
		h.Set("Expires", head.Expires)
	}
	body := make([]byte, s.size)
	if _, err := io.ReadFull(s, body); err != nil {
		return Object{}, &Error{Op: "PutObject", Key: *in.Key,
			Err: fmt.Errorf("read what is to be sent: %w", err)}
	}
	resp, err := d.send(ctx, "PutObject", http.MethodPut, *in.Key, h, body, signed)
	if err != nil {
		return Object{}, err
	}
	// The connection is free for its next request only once the body is read.
	_, err = io.Copy(io.Discard, io.LimitReader(resp.Body, mostRefusal))
	resp.Body.Close()
	if err != nil {
		return Object{}, wrapError(ctx, "PutObject", *in.Key, err)
	}
	return Object{
		Key: *in.Key, Size: s.size, ETag: unquote(text(resp, "ETag")),
		Modified: date(resp), Version: resp.Header.Get("X-Amz-Version-Id"), Class: classOf(head),
	}, nil
}
