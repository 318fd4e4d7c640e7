package gateway

import (
	"net/http"
	"strings"

	"github.com/gofiber/fiber/v3"
	"github.com/versity/versitygw/auth"
	"github.com/versity/versitygw/s3api/utils"
	"github.com/versity/versitygw/s3err"
)

// finish is a middleware around all of the gateway's handlers that puts right
// two answers: GetObjectAcl's document, and what is said of a missing key.
func (l *layer) finish(ctx fiber.Ctx) error {
	err := ctx.Next()
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
	method := ctx.Method()
	if ctx.Response().StatusCode() != http.StatusNotFound || (method != http.MethodGet && method != http.MethodHead) {
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
