package s3backend

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/s3"
	smithyhttp "github.com/aws/smithy-go/transport/http"
)

// verifyTries are how long each try of VerifyBucketSoon waits. The second goes over a connection of
// its own: one that has died proves nothing.
var verifyTries = []time.Duration{6 * time.Second, 4 * time.Second}

// VerifyBucketSoon is VerifyBucket for people who wait for it: where S3 has not answered two tries
// in ten seconds, its error says so.
func (c *Client) VerifyBucketSoon(ctx context.Context) error {
	return c.verifyBucket(ctx, func(try int) (context.Context, context.CancelFunc) {
		return context.WithTimeout(ctx, verifyTries[try])
	})
}

// verifyBucket is VerifyBucketSoon, with a context for each try.
func (c *Client) verifyBucket(ctx context.Context, contextOf func(try int) (context.Context, context.CancelFunc)) error {
	for try := range verifyTries {
		trying, cancel := contextOf(try)
		err := c.VerifyBucket(trying)
		cancel()
		if !errors.Is(err, context.DeadlineExceeded) || ctx.Err() != nil {
			return err
		}
		c.CloseIdle()
	}
	return &Error{Op: "Open", Err: errOutage}
}

// VerifyBucket checks that the bucket answers, and finds its region. It costs one HeadBucket. A
// reply to a HEAD has no body, so if that is a refusal, or does not look like S3's, a listing
// finds out why. If neither names the region, or the credentials are refused, an unsigned
// HeadBucket follows. Its errors are those of Open. Nothing else may use the client meanwhile.
func (c *Client) VerifyBucket(ctx context.Context) error {
	for range 3 { // the region is found at most once; no server can make it endless
		header, err := c.headBucket(ctx)
		if err == nil && fromS3(header) {
			c.confirm(*c.owner.Load())
			return nil
		}
		is := ""
		if err != nil {
			is = header.Get("X-Amz-Bucket-Region")
		}
		if is == "" || is == c.region {
			err = c.explainHeadBucket(ctx, err)
			if !namesAnotherRegion(err) {
				return c.ExplainLogin(ctx, err)
			}
			var unknown error
			if is, unknown = c.bucketRegion(ctx); unknown != nil || is == "" || is == c.region {
				return err
			}
		}
		if c.regionGiven {
			return regionError(c.bucket, is, c.region)
		}
		c.setRegion(is)
	}
	return protocolError("Open", "", "bucket %q names a new region each time it is asked", c.bucket)
}

func (c *Client) headBucket(ctx context.Context, options ...func(*s3.Options)) (http.Header, error) {
	out, err := c.s3.HeadBucket(ctx, &s3.HeadBucketInput{Bucket: &c.bucket}, options...)
	if err != nil {
		var reply *smithyhttp.ResponseError
		if errors.As(err, &reply) && reply.Response != nil {
			c.answer.Store(&reply.Response.Header)
			return reply.Response.Header, wrapError(ctx, "HeadBucket", "", err)
		}
		return http.Header{}, wrapError(ctx, "HeadBucket", "", err)
	}
	reply, _ := rawReply(out.ResultMetadata)
	c.answer.Store(&reply)
	return reply, nil
}

// explainHeadBucket finds out by a listing what headErr, or a strange reply, meant. A refusal of
// the listing is an answer too: the bucket exists.
func (c *Client) explainHeadBucket(ctx context.Context, headErr error) error {
	if headErr != nil && statusOf(headErr) == 0 {
		return headErr // nobody answered
	}
	max := int32(1)
	out, err := c.s3.ListObjectsV2(ctx, &s3.ListObjectsV2Input{Bucket: &c.bucket, MaxKeys: &max, Prefix: opt(c.prefix)})
	err = wrapError(ctx, "ListObjectsV2", "", err)
	var e *Error
	switch {
	case err == nil && val(out.Name) == "":
		return c.notS3()
	case err == nil:
		return nil
	case !errors.As(err, &e):
		return err // the context's
	case e.Kind == Denied:
		if err := c.checkOwner(ctx); err != nil {
			return err
		}
		return c.checkPayer(ctx)
	case e.Kind == NotExist && e.Code() != "NoSuchKey" || e.Status() != 0 && e.Code() == "":
		return c.notS3() // a page, not an error of S3's
	}
	return err
}

// checkOwner learns whether all is refused because the bucket is another's than
// the expected owner's: such a bucket answers once nobody is expected.
func (c *Client) checkOwner(ctx context.Context) error {
	owner := *c.owner.Load()
	if owner == "" {
		return nil
	}
	if _, err := c.headBucket(ctx, withoutOwner); err != nil {
		return nil // no wiser
	}
	return &Error{Op: "Open", Kind: WrongOwner,
		Err: fmt.Errorf("bucket %q does not belong to the account %s", c.bucket, owner)}
}

func (c *Client) notS3() error {
	where := "the endpoint"
	if u := c.s3.Options().BaseEndpoint; u != nil {
		where = *u
	}
	return protocolError("Open", "", "%s answers, but does not speak S3", where)
}

// fromS3 reports by the headers whether an S3 server answered: all that are
// known send a request id or a region, and a web server sends neither.
func fromS3(h http.Header) bool {
	for name := range h {
		if strings.HasPrefix(name, "X-Amz-") {
			return true
		}
	}
	return false
}

// setRegion makes the client sign for another region. Only for Open: the
// client is in one goroutine's hands until then.
func (c *Client) setRegion(region string) {
	c.loaded.Region = region
	o := c.s3.Options()
	o.Region = region
	c.s3 = s3.New(o)
	c.region = region
}
