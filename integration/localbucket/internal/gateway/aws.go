package gateway

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"sync"

	"github.com/gofiber/fiber/v3"
	"github.com/valyala/fasthttp"
	"github.com/versity/versitygw/auth"
	"github.com/versity/versitygw/s3api/middlewares"
	"github.com/versity/versitygw/s3api/utils"
	"github.com/versity/versitygw/s3err"

	"github.com/s3share/s3share/integration/localbucket/internal/awsrules"
	"github.com/s3share/s3share/integration/localbucket/internal/iam"
)

// aws has the gateway judge requests as AWS documents it. Its middleware, judge, stands
// before the gateway's handlers: it verifies the signature, asks the rules what the
// request needs, and refuses it or lets it pass. The gateway's own judgement of what
// has passed is then answered with a policy that allows it.
type aws struct {
	region    string
	rules     awsrules.Set
	iam       map[string]string // files with the policies of accounts' own IAM, by account id
	root      middlewares.RootUserConfig
	byBucket  sync.Map // awsrules.Set by bucket, for tests
	partition string
}

// judged is the value of a request under which it says that it has been judged.
const judged = "judged"

// verdict is what came of judging a request.
type verdict struct {
	account auth.Account
	policy  []byte // for the gateway's own judgement
	call    awsrules.Call
	rules   awsrules.Set
}

// SetRules has other rules hold in one bucket than in all others.
func (g *Gateway) SetRules(bucketName string, rules awsrules.Set) {
	g.aws.byBucket.Store(bucketName, rules)
}

// rulesOf are the rules that hold in a bucket.
func (a *aws) rulesOf(bucketName string) awsrules.Set {
	if s, ok := a.byBucket.Load(bucketName); ok {
		return s.(awsrules.Set)
	}
	return a.rules
}

// ruled reports whether a rule holds in a bucket.
func (l *layer) ruled(bucketName string, r awsrules.Rule) bool {
	return l.aws.rulesOf(bucketName)[r]
}

// verdictOf is what came of judging the request of ctx, nil where no rule holds.
func verdictOf(ctx context.Context) *verdict {
	if r := request(ctx); r != nil {
		v, _ := r.UserValue(judged).(*verdict)
		return v
	}
	return nil
}

// judge is the middleware.
func (l *layer) judge(ctx fiber.Ctx) error {
	l.route(ctx)
	c := l.call(ctx)
	rules := l.aws.rulesOf(c.Bucket)
	if len(rules) == 0 {
		return ctx.Next()
	}
	acct, err := l.authenticate(ctx, c)
	if err == nil {
		c.Account = l.accounts.id(acct.Access)
		if c.Account != "" {
			c.Principal = "arn:" + l.aws.partitionOf(rules) + ":iam::" + c.Account + ":root"
		}
		err = l.refusal(ctx, c, rules)
	}
	if err != nil {
		return refuse(ctx, err)
	}
	switch c.Op() {
	case "ListBuckets":
		return l.after(ctx, c, rules, ctx.Next())
	case "CreateBucket":
		return l.after(ctx, c, rules, l.created(ctx, c, rules))
	}
	v := &verdict{account: acct, call: c, rules: rules}
	if v.policy, err = l.passes(ctx, c, rules); err != nil {
		return refuse(ctx, err)
	}
	ctx.RequestCtx().SetUserValue(judged, v)
	if acct.Access != "" {
		utils.ContextKeyAuthenticated.Set(ctx, true) // GetBucketAcl says as whom
	}
	served, err := l.serveSetting(ctx, c, rules)
	if !served && err == nil {
		served, err = l.serveAnnotations(ctx, c, v)
	}
	if err != nil {
		return refuse(ctx, err)
	}
	if served {
		return nil
	}
	l.translateRequest(ctx, c, rules)
	return l.after(ctx, c, rules, ctx.Next())
}

func (a *aws) partitionOf(rules awsrules.Set) string {
	if rules[awsrules.Partitions] {
		return a.partition
	}
	return "aws"
}

// authenticate verifies who calls. Without a signature it is nobody.
func (l *layer) authenticate(ctx fiber.Ctx, c awsrules.Call) (auth.Account, error) {
	if ctx.Get("Authorization") == "" && !utils.IsPresignedURLAuth(ctx) {
		return auth.Account{}, nil
	}
	utils.ContextKeyAccount.Set(ctx, auth.Account{})
	path := string(ctx.Request().URI().PathOriginal())
	defer func() { ctx.Path(path) }()
	if err := middlewares.DecodeURL(ctx); err != nil { // it is signed so, and decoded again later
		return auth.Account{}, err
	}
	op := c.Op()
	streams := op == "PutObject" || op == "UploadPart"
	for _, verify := range []fiber.Handler{
		middlewares.VerifyPresignedV4Signature(l.aws.root, l.accounts, l.aws.region, streams),
		middlewares.VerifyV4Signature(l.aws.root, l.accounts, l.aws.region, streams,
			false, op == "ListBuckets" || op == "CreateBucket"),
	} {
		if err := verify(ctx); err != nil {
			return auth.Account{}, err
		}
	}
	acct, _ := utils.ContextKeyAccount.Get(ctx).(auth.Account)
	if op == "ListBuckets" || op == "CreateBucket" { // which the gateway verifies itself
		utils.ContextKeyAuthenticated.Delete(ctx)
	}
	return acct, nil
}

// refusal is why a request is refused, nil for not.
func (l *layer) refusal(ctx fiber.Ctx, c awsrules.Call, rules awsrules.Set) error {
	owner := l.store.bucketOwner(c.Bucket)
	switch op := c.Op(); {
	case op == "ListBuckets" || op == "CreateBucket" || owner == "":
		return nil // the gateway says what is wrong with it
	case c.Header("X-Amz-Expected-Bucket-Owner") != "" &&
		c.Header("X-Amz-Expected-Bucket-Owner") != owner:
		return accessDenied()
	case rules[awsrules.RequesterPays] && l.store.requesterPays(c.Bucket) && c.Account != owner &&
		c.Header("X-Amz-Request-Payer") != "requester":
		return accessDenied()
	}
	p, err := l.policies(c, rules)
	if err != nil {
		return err
	}
	for _, n := range rules.Needs(c, l.store) {
		if !rules.Permits(c, n, p, l.grants(c, n)) {
			return accessDenied()
		}
	}
	if op := c.Op(); rules[awsrules.LockNeedsChecksum] &&
		(op == "PutObject" || op == "UploadPart") && l.store.locked(c.Bucket) && !c.HasChecksum() {
		return apiError(http.StatusBadRequest, "InvalidRequest",
			"Content-MD5 OR x-amz-checksum- HTTP header is required for Put Object requests with Object Lock parameters")
	}
	return nil
}

// policies are those that a call is judged by.
func (l *layer) policies(c awsrules.Call, rules awsrules.Set) (awsrules.Policies, error) {
	p := awsrules.Policies{Owner: l.store.bucketOwner(c.Bucket),
		Partition: l.aws.partitionOf(rules)}
	if text := l.store.setting(c.Bucket, "policy"); text != nil {
		d, err := iam.Parse(text)
		if err != nil {
			return p, fmt.Errorf("read policy of %q: %w", c.Bucket, err)
		}
		p.Bucket = &d
	}
	if file := l.aws.iam[c.Account]; file != "" {
		text, err := os.ReadFile(file)
		if err != nil {
			return p, fmt.Errorf("read the policy of %s: %w", c.Account, err)
		}
		d, err := iam.Parse(text)
		if err != nil {
			return p, fmt.Errorf("read the policy of %s: %w", c.Account, err)
		}
		p.Caller = &d
	}
	return p, nil
}

// grants reports whether something else than a policy grants what is needed: the ACL of
// the object, or that the caller has begun the upload.
func (l *layer) grants(c awsrules.Call, n awsrules.Need) bool {
	switch n.Action {
	case "s3:AbortMultipartUpload", "s3:ListMultipartUploadParts":
		return c.Account != "" &&
			l.store.initiator(c.Bucket, c.Key, c.Query.Get("uploadId")) == c.Account
	}
	need, can := aclPermissions[auth.Action(n.Action)]
	// A new object has no ACL yet.
	if !can || n.Place.Key == "" || n.Action == "s3:PutObjectAcl" && c.Op() != "PutObjectAcl" {
		return false
	}
	acl, ok := l.objectACL(n.Place.Bucket, n.Place.Key)
	return ok && acl.Allows(c.Account, need)
}

// passes is the policy by which the gateway lets pass what has been judged. Of
// DeleteObjects each key is judged by itself.
func (l *layer) passes(ctx fiber.Ctx, c awsrules.Call, rules awsrules.Set) ([]byte, error) {
	const all = `{"Effect":"Allow","Principal":"*","Action":"s3:*","Resource":[%[1]q,%[2]q]}`
	arn := auth.ResourceArnPrefix + c.Bucket
	policy := fmt.Sprintf(all, arn, arn+"/*")
	if c.Op() == "DeleteObjects" {
		keys, err := deletedKeys(ctx.BodyRaw())
		if err != nil {
			return nil, err
		}
		p, err := l.policies(c, rules)
		if err != nil {
			return nil, err
		}
		for _, key := range keys {
			if !rules.Permits(c, rules.Deletion(c, l.store, key), p, false) {
				policy += fmt.Sprintf(
					`,{"Effect":"Deny","Principal":"*","Action":"s3:DeleteObject","Resource":%q}`,
					arn+"/"+key)
			}
		}
	}
	return []byte(`{"Version":"2012-10-17","Statement":[` + policy + `]}`), nil
}

// mayBeTold reports whether the caller of a judged request may be told that a key is
// missing.
func (l *layer) mayBeTold(v *verdict) bool {
	p, err := l.policies(v.call, v.rules)
	return err == nil && v.rules.Permits(v.call, v.rules.Listing(v.call, l.store), p, false)
}

func accessDenied() error { return s3err.GetAPIError(s3err.ErrAccessDenied) }

func apiError(status int, code, text string) error {
	return s3err.APIError{Code: code, Description: text, HTTPStatusCode: status}
}

// refuse answers with an error, as the gateway's own handlers do.
func refuse(ctx fiber.Ctx, err error) error {
	var api s3err.S3Error
	if !errors.As(err, &api) {
		fmt.Fprintln(os.Stderr, "localbucket:", err)
		api = s3err.GetAPIError(s3err.ErrInternalError)
	}
	requestID, hostID := utils.EnsureRequestIDs(ctx)
	ctx.Response().Header.SetContentType(fiber.MIMEApplicationXML)
	return ctx.Status(api.StatusCode()).Send(api.XMLBody(requestID, hostID))
}

// asCaller has the gateway take a judged request for its caller's.
func asCaller(r *fasthttp.RequestCtx, v *verdict) {
	if v.account.Access != "" {
		r.SetUserValue(string(utils.ContextKeyAccount), v.account)
	}
}
