package s3backend

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"strings"
	"sync"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsmiddleware "github.com/aws/aws-sdk-go-v2/aws/middleware"
	"github.com/aws/aws-sdk-go-v2/aws/ratelimit"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/service/s3"
)

// Config says which bucket, and how to reach it. Only Bucket must be set.
type Config struct {
	Bucket   string // its name, or the alias or ARN of an access point of AWS
	Region   string // "": found out; else it must be the bucket's
	Endpoint string // "": AWS, or what AWS_ENDPOINT_URL_S3, AWS_ENDPOINT_URL or the profile say
	Profile  string // "": AWS_PROFILE, or the default one

	// Prefix begins the keys that Open may ask about: a policy may let others not be
	// listed. "" for all.
	Prefix string

	// ExpectedOwner is the account ID of the bucket's owner, sent with every request; "" until it
	// is known.
	ExpectedOwner string
	RequesterPays bool   // our account pays for the requests, as the bucket demands it
	UserAgent     string // added to the SDK's, as "name/version"

	// PathStyle puts the bucket into the path, not the host name. nil: path
	// style for a custom endpoint whose host is an IP address or loopback.
	PathStyle *bool

	Limits Limits // of what all requests send and receive

	Attempts int          // of each request; 0 is the SDK's three
	Logger   *slog.Logger // requests at debug level; nil: none
}

// Client makes requests to one bucket. It is safe for concurrent use. What it embeds are parts of
// it, each with a job of its own.
type Client struct {
	*endpoint
	opening
	*contact
	logins
	annotations
	largestCopy int64 // the largest object that is copied by one request
	direct      direct
	quirks      quirks
	conditions  preconditions
	// begun has the metadata of uploads that this client has begun, by their IDs: see confirmETag.
	begun        sync.Map
	payloads     payloads
	copyTags     copyTags
	recentHeads  recentHeads
	versions     versionsSeen
	listingGuard listingGuard
	waiting      waiting
}

// Open finds credentials and region and proves that the bucket is there.
//
// A bucket that refuses to be listed is no failure: it may be a write-only
// dropbox. The error is BadLogin where no credentials are found or S3 refuses
// them, NoBucket where there is no such bucket, WrongOwner where it is not that of
// the expected owner, and Other where the endpoint does not answer, does not speak S3, or is in
// another region than cfg says. Credentials may ask for an MFA code when standard input is a
// terminal.
func Open(ctx context.Context, cfg Config) (*Client, error) {
	c, err := Connect(ctx, cfg)
	if err != nil {
		return nil, err
	}
	if err := c.VerifyBucket(ctx); err != nil {
		return nil, err
	}
	return c, nil
}

// OpenSoon is Open for people who wait for it: where S3 does not answer in ten seconds, it fails.
func OpenSoon(ctx context.Context, cfg Config) (*Client, error) {
	c, err := Connect(ctx, cfg)
	if err != nil {
		return nil, err
	}
	if err := c.VerifyBucketSoon(ctx); err != nil {
		return nil, err
	}
	return c, nil
}

// Connect finds credentials, and asks S3 for nothing: the bucket need not be
// there. Its errors are among those of Open.
func Connect(ctx context.Context, cfg Config) (*Client, error) {
	if cfg.Bucket == "" {
		return nil, protocolError("Open", "", "no bucket is named")
	}
	loaded, err := load(ctx, cfg)
	if err != nil {
		return nil, err
	}
	c, err := newClient(cfg, loaded)
	if err != nil {
		return nil, err
	}
	if _, err := loaded.Credentials.Retrieve(ctx); err != nil {
		return nil, wrapError(ctx, "Open", "", err)
	}
	return c, nil
}

// newClient makes a Client without sending anything.
func newClient(cfg Config, loaded aws.Config) (*Client, error) {
	e := &endpoint{loaded: loaded, bucket: cfg.Bucket, payer: cfg.RequesterPays,
		prefix: cfg.Prefix, log: cfg.Logger}
	if e.log == nil {
		e.log = slog.New(slog.DiscardHandler)
	}
	e.counts.log = e.log
	c := &Client{endpoint: e, opening: opening{e, cfg.Region != ""},
		contact: &contact{at: e}, largestCopy: maxPut}
	c.waiting.at, c.waiting.contact = e, c.contact
	c.direct.at, c.direct.contact, c.direct.heads = e, c.contact, &c.recentHeads
	c.logins.at, c.annotations.at, c.payloads.log = e, e, e.log
	c.conditions = preconditions{e, &c.quirks, &c.direct, c}
	c.recentHeads.age = recentWindow
	c.contact.breaker.Alike = alike
	c.SetExpectedOwner(cfg.ExpectedOwner)
	var bad error
	c.s3 = s3.NewFromConfig(loaded, func(o *s3.Options) {
		if cfg.Endpoint != "" {
			o.BaseEndpoint = &cfg.Endpoint
		}
		if o.BaseEndpoint != nil { // given, or from the environment or profile
			u, err := checkEndpoint(*o.BaseEndpoint)
			if err != nil {
				bad = err
				return
			}
			c.notAWS = !isAWSHost(u.Hostname())
			o.UsePathStyle = o.UsePathStyle || isIPOrLoopback(u.Hostname())
		}
		if cfg.PathStyle != nil {
			o.UsePathStyle = *cfg.PathStyle
		}
		if region := regionOfARN(cfg.Bucket); region != "" {
			o.Region, o.UseARNRegion = region, true
		}
		c.region = o.Region
		c.setOptions(o, cfg, loaded)
	})
	if bad != nil {
		return nil, bad
	}
	return c, nil
}

func (c *Client) setOptions(o *s3.Options, cfg Config, loaded aws.Config) {
	c.http = newWatched(transportOf(loaded), cfg.Limits)
	o.HTTPClient = c.http
	// The checksums are ours (checksum.go). The SDK's would come as a trailer,
	// which not every server takes.
	o.RequestChecksumCalculation = aws.RequestChecksumCalculationWhenRequired
	o.ResponseChecksumValidation = aws.ResponseChecksumValidationWhenRequired
	o.DisableLogOutputChecksumValidationSkipped = true
	c.direct.retryer = newRetryer(cfg.Attempts)
	o.Retryer = c.direct.retryer
	if l, ok := loaded.Credentials.(*credentialSource); ok {
		o.HTTPSignerV4 = l
		o.APIOptions = append(o.APIOptions, l.middleware)
	}
	o.APIOptions = append(o.APIOptions, setACL, c.expectOwner, c.agreeToPay, c.counts.middleware,
		c.meet, noteLost, c.waiting.limitTime)
	if cfg.UserAgent != "" {
		name, version, _ := strings.Cut(cfg.UserAgent, "/")
		o.APIOptions = append(o.APIOptions, awsmiddleware.AddUserAgentKeyValue(name, version))
	}
}

// newRetryer is the SDK's standard one, with three changes. A stalled request is
// not tried again (see errStalled). A request whose reply was cut off is: the SDK
// tries again only where no reply has begun. And there is no budget of retries for
// the whole client: one part of many in trouble must not take the other parts'
// second attempt.
func newRetryer(attempts int) aws.Retryer {
	return retry.NewStandard(func(o *retry.StandardOptions) {
		if attempts > 0 {
			o.MaxAttempts = attempts
		}
		o.RateLimiter = ratelimit.None
		ours := retry.IsErrorRetryableFunc(func(err error) aws.Ternary {
			var login *loginError
			if errors.Is(err, errStalled) || errors.As(err, &login) {
				return aws.FalseTernary
			}
			if errors.Is(err, io.ErrUnexpectedEOF) {
				return aws.TrueTernary
			}
			return aws.UnknownTernary
		})
		o.Retryables = append([]retry.IsErrorRetryable{ours}, o.Retryables...)
	})
}

var _ s3.HTTPClient = (*watched)(nil)
