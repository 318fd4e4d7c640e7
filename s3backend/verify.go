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

// opening finds out that the bucket is there, in which region, and whose it is.
type opening struct {
	*endpoint
	regionGiven bool // the region is given, not found out
}

// verifyTries are how long each try of VerifyBucketSoon waits. The second goes over a connection of
// its own: one that has died proves nothing.
var verifyTries = []time.Duration{6 * time.Second, 4 * time.Second}

// VerifyBucketSoon is VerifyBucket for people who wait for it: where S3 has not answered two tries
// in ten seconds, its error says so.
func (o *opening) VerifyBucketSoon(ctx context.Context) error {
	return o.verifyBucket(ctx, func(try int) (context.Context, context.CancelFunc) {
		return context.WithTimeout(ctx, verifyTries[try])
	})
}

// verifyBucket is VerifyBucketSoon, with a context for each try.
func (o *opening) verifyBucket(ctx context.Context,
	contextOf func(try int) (context.Context, context.CancelFunc)) error {
	for try := range verifyTries {
		trying, cancel := contextOf(try)
		err := o.VerifyBucket(trying)
		cancel()
		if !errors.Is(err, context.DeadlineExceeded) || ctx.Err() != nil {
			return err
		}
		o.CloseIdle()
	}
	return &Error{Op: "Open", Err: errOutage}
}

// VerifyBucket checks that the bucket answers, and finds its region. It costs one HeadBucket. A
// reply to a HEAD has no body, so if that is a refusal, or does not look like S3's, a listing
// finds out why. If neither names the region, or the credentials are refused, an unsigned
// HeadBucket follows. Its errors are those of Open. Nothing else may use the client meanwhile.
func (o *opening) VerifyBucket(ctx context.Context) error {
	for range 3 { // the region is found at most once; no server can make it endless
		header, err := o.headBucket(ctx)
		if err == nil && fromS3(header) {
			o.confirm(*o.owner.Load())
			return nil
		}
		is := ""
		if err != nil {
			is = header.Get("X-Amz-Bucket-Region")
		}
		if is == "" || is == o.region {
			err = o.explainHeadBucket(ctx, err)
			if !namesAnotherRegion(err) {
				return o.ExplainLogin(ctx, err)
			}
			var unknown error
			if is, unknown = o.bucketRegion(ctx); unknown != nil || is == "" || is == o.region {
				return err
			}
		}
		if o.regionGiven {
			return regionError(o.bucket, is, o.region)
		}
		o.setRegion(is)
	}
	return protocolError("Open", "", "bucket %q names a new region each time it is asked", o.bucket)
}

func (e *endpoint) headBucket(ctx context.Context,
	options ...func(*s3.Options)) (http.Header, error) {
	out, err := e.s3.HeadBucket(ctx, &s3.HeadBucketInput{Bucket: &e.bucket}, options...)
	if err != nil {
		var reply *smithyhttp.ResponseError
		if errors.As(err, &reply) && reply.Response != nil {
			e.answer.Store(&reply.Response.Header)
			return reply.Response.Header, wrapError(ctx, "HeadBucket", "", err)
		}
		return http.Header{}, wrapError(ctx, "HeadBucket", "", err)
	}
	reply, _ := rawReply(out.ResultMetadata)
	e.answer.Store(&reply)
	return reply, nil
}

// explainHeadBucket finds out by a listing what headErr, or a strange reply, meant. A refusal of
// the listing is an answer too: the bucket exists.
func (o *opening) explainHeadBucket(ctx context.Context, headErr error) error {
	if headErr != nil && statusOf(headErr) == 0 {
		return headErr // nobody answered
	}
	max := int32(1)
	out, err := o.s3.ListObjectsV2(ctx,
		&s3.ListObjectsV2Input{Bucket: &o.bucket, MaxKeys: &max, Prefix: opt(o.prefix)})
	err = wrapError(ctx, "ListObjectsV2", "", err)
	var e *Error
	switch {
	case err == nil && val(out.Name) == "":
		return o.notS3()
	case err == nil:
		return nil
	case !errors.As(err, &e):
		return err // the context's
	case e.Kind == Denied:
		if err := o.checkOwner(ctx); err != nil {
			return err
		}
		return o.checkPayer(ctx)
	case e.Kind == NotExist && e.Code() != "NoSuchKey" || e.Status() != 0 && e.Code() == "":
		return o.notS3() // a page, not an error of S3's
	}
	return err
}

// checkOwner learns whether all is refused because the bucket is another's than
// the expected owner's: such a bucket answers once nobody is expected.
func (o *opening) checkOwner(ctx context.Context) error {
	owner := *o.owner.Load()
	if owner == "" {
		return nil
	}
	if _, err := o.headBucket(ctx, withoutOwner); err != nil {
		return nil // no wiser
	}
	return &Error{Op: "Open", Kind: WrongOwner,
		Err: fmt.Errorf("bucket %q does not belong to the account %s", o.bucket, owner)}
}

func (o *opening) notS3() error {
	where := "the endpoint"
	if u := o.s3.Options().BaseEndpoint; u != nil {
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
func (e *endpoint) setRegion(region string) {
	e.loaded.Region = region
	options := e.s3.Options()
	options.Region = region
	e.s3 = s3.New(options)
	e.region = region
}
