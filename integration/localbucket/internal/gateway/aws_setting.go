package gateway

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"net/http"
	"regexp"
	"time"

	"github.com/gofiber/fiber/v3"
	"github.com/versity/versitygw/auth"
	"github.com/versity/versitygw/s3err"

	"github.com/s3share/s3share/integration/localbucket/internal/awsrules"
	"github.com/s3share/s3share/integration/localbucket/internal/iam"
)

// settings are those of a bucket that are kept as they come, by the name of their
// subresource, with S3's code where there is none. The gateway has the others.
var settings = map[string]string{
	"policy":            "NoSuchBucketPolicy",
	"publicAccessBlock": "NoSuchPublicAccessBlockConfiguration",
	"encryption":        "ServerSideEncryptionConfigurationNotFoundError",
	"lifecycle":         "NoSuchLifecycleConfiguration",
	"requestPayment":    "",
}

// closed is Block Public Access as new buckets have it.
const closed = `<PublicAccessBlockConfiguration><BlockPublicAcls>true</BlockPublicAcls><IgnorePublicAcls>true</IgnorePublicAcls>` +
	`<BlockPublicPolicy>true</BlockPublicPolicy><RestrictPublicBuckets>true</RestrictPublicBuckets></PublicAccessBlockConfiguration>`

// serveSetting answers what is about a setting of the bucket, false for what is not.
func (l *layer) serveSetting(ctx fiber.Ctx, c awsrules.Call, rules awsrules.Set) (bool, error) {
	name := c.Setting()
	missing, ours := settings[name]
	if !ours || l.store.bucketOwner(c.Bucket) == "" {
		return false, nil
	}
	switch ctx.Method() {
	case http.MethodPut:
		body := bytes.Clone(ctx.BodyRaw())
		if name == "policy" {
			var err error
			if body, err = l.checkPolicy(c, rules, body); err != nil {
				return true, err
			}
		}
		ctx.Status(map[bool]int{true: http.StatusNoContent, false: http.StatusOK}[name == "policy"])
		return true, l.store.setSetting(c.Bucket, name, body)
	case http.MethodDelete:
		ctx.Status(http.StatusNoContent)
		return true, l.store.setSetting(c.Bucket, name, nil)
	}
	text := l.store.setting(c.Bucket, name)
	switch {
	case text == nil && name == "requestPayment":
		text = []byte(
			`<RequestPaymentConfiguration><Payer>BucketOwner</Payer></RequestPaymentConfiguration>`)
	case text == nil:
		return true, apiError(http.StatusNotFound, missing, "not set")
	}
	ctx.Response().Header.SetContentType(map[bool]string{true: fiber.MIMEApplicationJSON,
		false: fiber.MIMEApplicationXML}[name == "policy"])
	return true, ctx.Send(text)
}

// checkPolicy finds what S3 would refuse a policy for, and returns it as S3 keeps it.
func (l *layer) checkPolicy(c awsrules.Call, rules awsrules.Set, text []byte) ([]byte, error) {
	d, err := iam.Parse(text)
	if err == nil {
		err = rules.CheckPolicy(d, c.Bucket, l.aws.partitionOf(rules), l.accounts.known)
	}
	if err != nil {
		return nil, apiError(http.StatusBadRequest, "MalformedPolicy", err.Error())
	}
	return bareAccount.ReplaceAll(text,
		[]byte(`"arn:`+l.aws.partitionOf(rules)+`:iam::$1:root"`)), nil
}

// created makes a bucket as new ones are.
func (l *layer) created(ctx fiber.Ctx, c awsrules.Call, rules awsrules.Set) error {
	if rules[awsrules.RegionalNames] {
		if err := l.checkRegionalName(ctx, c); err != nil {
			return refuse(ctx, err)
		}
	}
	if err := ctx.Next(); err != nil || ctx.Response().StatusCode() != http.StatusOK {
		return err
	}
	if rules[awsrules.ClosedNewBuckets] {
		return l.store.setSetting(c.Bucket, "publicAccessBlock", []byte(closed))
	}
	return nil
}

// regional finds the account and the region in a name of the account's own namespace.
var regional = regexp.MustCompile(`-(\d{12})-([a-z]+(?:-[a-z]+)+-\d+)-an$`)

func (l *layer) checkRegionalName(ctx fiber.Ctx, c awsrules.Call) error {
	namespace := ctx.Get("X-Amz-Bucket-Namespace")
	f := regional.FindStringSubmatch(c.Bucket)
	switch {
	case f == nil && namespace == "account-regional",
		f != nil && namespace != "account-regional":
		return s3err.GetBucketErr(s3err.ErrInvalidBucketName, c.Bucket)
	case f != nil && (f[1] != l.accounts.id(l.accountOf(ctx)) || f[2] != l.aws.region):
		return accessDenied()
	}
	return nil
}

// accountOf is the access key of who has made the request.
func (l *layer) accountOf(ctx fiber.Ctx) string {
	acct, _ := ctx.Locals("account").(auth.Account)
	return acct.Access
}

// encryption is how objects of a bucket are stored: the algorithm, and the key for
// that of KMS.
func (s *store) encryption(bucketName string) (algorithm, key string) {
	var doc struct {
		Algorithm string `xml:"Rule>ApplyServerSideEncryptionByDefault>SSEAlgorithm"`
		Key       string `xml:"Rule>ApplyServerSideEncryptionByDefault>KMSMasterKeyID"`
	}
	if xml.Unmarshal(s.setting(bucketName, "encryption"), &doc) != nil || doc.Algorithm == "" {
		return "AES256", ""
	}
	return doc.Algorithm, doc.Key
}

// abortDate is when the bucket's lifecycle ends an upload that is begun now.
func (s *store) abortDate(bucketName string) (at time.Time, rule string) {
	var doc struct {
		Rules []struct {
			ID     string
			Status string
			Days   int `xml:"AbortIncompleteMultipartUpload>DaysAfterInitiation"`
		} `xml:"Rule"`
	}
	if xml.Unmarshal(s.setting(bucketName, "lifecycle"), &doc) != nil {
		return at, ""
	}
	for _, r := range doc.Rules {
		if r.Status == "Enabled" && r.Days > 0 {
			return time.Now().UTC().AddDate(0, 0, r.Days+1).Truncate(24 * time.Hour), r.ID
		}
	}
	return at, ""
}

// requesterPays reports whether who asks pays for the bucket.
func (s *store) requesterPays(bucketName string) bool {
	return bytes.Contains(s.setting(bucketName, "requestPayment"),
		[]byte("<Payer>Requester</Payer>"))
}

// locked reports whether the bucket has Object Lock.
func (s *store) locked(bucketName string) bool {
	raw, err := s.attrs.RetrieveAttribute(nil, bucketName, "", attrLock)
	return err == nil && bytes.Contains(raw, []byte(`true`))
}

// setting is one that is kept as it came, nil for none.
func (s *store) setting(bucketName, name string) []byte {
	raw, err := s.attrs.RetrieveAttribute(nil, bucketName, "", attrSetting+name)
	if err != nil || len(raw) == 0 {
		return nil
	}
	return raw
}

func (s *store) setSetting(bucketName, name string, text []byte) error {
	if err := s.attrs.StoreAttribute(nil, bucketName, "", attrSetting+name, text); err != nil {
		return fmt.Errorf("keep %s of %q: %w", name, bucketName, err)
	}
	return nil
}

// Tags implements awsrules.Facts.
func (s *store) Tags(p awsrules.Place) (map[string]string, bool) {
	if p.Key == "" {
		return nil, true
	}
	if _, ok := s.acl(p.Bucket, p.Key); !ok {
		return nil, false
	}
	return s.tags(p.Bucket, p.Key), true
}
