package gateway

import (
	"encoding/xml"
	"net/url"
	"strings"

	"github.com/gofiber/fiber/v3"
	"github.com/versity/versitygw/s3api/utils"
	"github.com/versity/versitygw/s3err"

	"github.com/s3share/s3share/integration/localbucket/internal/awsrules"
	"github.com/s3share/s3share/integration/localbucket/internal/front"
)

// originalPath is the gateway's name for the path that was signed, where that of the
// request was changed since.
const originalPath = utils.ContextKey("original-uri-path")

// route puts the bucket of a host name into the path: BUCKET.s3.REGION.amazonaws.com, or
// that of an access point, NAME-ACCOUNT.s3-accesspoint.REGION.amazonaws.com. A bucket has
// one access point, which has its name.
func (l *layer) route(ctx fiber.Ctx) {
	host, _, _ := strings.Cut(string(ctx.Request().Host()), ":")
	domain := "." + l.aws.region + "." + awsrules.DomainOf(l.aws.region)
	host, ok := strings.CutSuffix(host, domain)
	if !ok {
		return
	}
	signed := string(ctx.Request().URI().PathOriginal())
	bucketName := ""
	if name, isPoint := strings.CutSuffix(host, ".s3-accesspoint"); isPoint {
		at := strings.LastIndexByte(name, '-')
		bucketName = name[:max(at, 0)]
	} else if bucketName, ok = strings.CutSuffix(host, ".s3"); !ok {
		return // "s3" alone: the path names the bucket
	}
	if alias, is := strings.CutSuffix(bucketName, aliasSuffix); is {
		bucketName = alias
	}
	ctx.RequestCtx().SetUserValue(routed, bucketName)
	if plain, err := url.PathUnescape(signed); err == nil {
		originalPath.Set(ctx, plain)
	}
	path := "/" + bucketName
	if signed != "/" {
		path += signed
	}
	ctx.Path(path)
}

// routed is the value of a request under which the bucket of its host name stands.
const routed = "routed"

// aliasSuffix ends the alias of a bucket's access point.
const aliasSuffix = "-localbucket-s3alias"

// call is the request as the rules see it.
func (l *layer) call(ctx fiber.Ctx) awsrules.Call {
	r := ctx.RequestCtx()
	query, _ := url.ParseQuery(string(r.QueryArgs().QueryString()))
	c := awsrules.Call{
		Method: ctx.Method(), Query: query, Header: func(name string) string {
			return ctx.Get(name)
		},
		Address: ctx.IP(), Secure: ctx.Secure() || ctx.Get(front.SecureHeader) != "",
	}
	c.Bucket, c.Key = target(r)
	if source := ctx.Get("X-Amz-Copy-Source"); source != "" {
		c.From, _ = awsrules.CopySource(source)
		if l.isPoint(c.From.Bucket) {
			c.From.Bucket = c.Bucket
		}
	}
	upload := query.Get("uploadId")
	if upload == "" || l.ruled(c.Bucket, awsrules.PartsWithoutACL) {
		return c
	}
	// Without that rule a part falls under the ACL that its upload was begun with.
	canned := l.store.upload(c.Bucket, c.Key, upload)[metaCanned]
	plain := c.Header
	c.Header = func(name string) string {
		if v := plain(name); v != "" || !strings.EqualFold(name, "x-amz-acl") {
			return v
		}
		return canned
	}
	return c
}

// isPoint reports whether a bucket is named by its access point.
func (l *layer) isPoint(name string) bool {
	return strings.HasPrefix(name, "arn:") || strings.HasSuffix(name, aliasSuffix)
}

// deletedKeys are those that DeleteObjects is about.
func deletedKeys(body []byte) (keys []string, err error) {
	var doc struct {
		Objects []struct{ Key string } `xml:"Object"`
	}
	if err := xml.Unmarshal(body, &doc); err != nil {
		return nil, s3err.GetAPIError(s3err.ErrMalformedXML)
	}
	for _, o := range doc.Objects {
		keys = append(keys, o.Key)
	}
	return keys, nil
}
