package gateway

import (
	"io"
	"net/http"
	"strings"

	"github.com/gofiber/fiber/v3"
	"github.com/versity/versitygw/auth"
	"github.com/versity/versitygw/s3api/utils"
	"github.com/versity/versitygw/s3err"
)

// finish is a middleware around all of the gateway's handlers. It puts right
// two answers, GetObjectAcl's document and what is said of a missing key, and
// sees to it that a refusal arrives.
func (l *layer) finish(ctx fiber.Ctx) error {
	err := ctx.Next()
	drain(ctx)
	if err != nil {
		return err
	}
	switch body, _ := ctx.RequestCtx().UserValue(aclBody).([]byte); {
	case body != nil && ctx.Response().StatusCode() == http.StatusOK:
		ctx.Response().Header.SetContentType(fiber.MIMEApplicationXML)
		ctx.Response().SetBody(body)
	case l.hidesMissing(ctx):
		denied := s3err.GetAPIError(s3err.ErrAccessDenied)
		requestID, hostID := utils.EnsureRequestIDs(ctx)
		ctx.Status(denied.HTTPStatusCode)
		ctx.Response().Header.SetContentType(fiber.MIMEApplicationXML)
		ctx.Response().SetBody(denied.XMLBody(requestID, hostID))
	}
	return nil
}

// hidesMissing reports whether the answer says that a key is missing to a
// caller who may not list the bucket, and so must not learn that.
// Source: Amazon S3 API Reference, GetObject and HeadObject, "Permissions".
func (l *layer) hidesMissing(ctx fiber.Ctx) bool {
	if v := verdictOf(ctx.RequestCtx()); v != nil {
		op := v.call.Op()
		return ctx.Response().StatusCode() == http.StatusNotFound &&
			(op == "GetObject" || op == "HeadObject") && !l.mayBeTold(v)
	}
	method := ctx.Method()
	if ctx.Response().StatusCode() != http.StatusNotFound ||
		(method != http.MethodGet && method != http.MethodHead) {
		return false
	}
	bucketName, key, _ := strings.Cut(strings.TrimPrefix(ctx.Path(), "/"), "/")
	if key == "" || ctx.Query("uploadId") != "" || l.store.bucketOwner(bucketName) == "" {
		return false
	}
	acct, _ := utils.ContextKeyAccount.Get(ctx).(auth.Account)
	return auth.VerifyAccess(ctx, l, auth.AccessOptions{
		Acc:     acct,
		Bucket:  bucketName,
		Actions: []auth.Action{auth.ListBucketAction},
		Iam:     l.accounts,
	}) != nil
}

// drain reads what a refused request still has to send. The server would close
// the connection on it, and a client in the middle of a large body then finds
// its connection reset and no answer. S3 refuses before the body is sent, on
// "Expect: 100-continue", which this server answers before it asks the handlers.
// Only bodies of a known length can be read to their end twice.
func drain(ctx fiber.Ctx) {
	body := ctx.Request().BodyStream()
	if body == nil || ctx.Request().Header.ContentLength() <= 0 {
		return
	}
	// An error is the client's going away: nobody is left to be answered.
	_, _ = io.Copy(io.Discard, body)
}
