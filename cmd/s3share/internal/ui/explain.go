// Package ui is what people see: sentences and advice for each kind of error ([Explain] and
// the tables that it reads), the table of status ([PrintStates]), what is not delivered
// ([PrintUndelivered]), and bars and lines while something goes on. It shows the values of package
// control and decides nothing. Tests compare its texts with what the documentation quotes.
package ui

import (
	"cmp"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/s3share/s3share/cache/outbox"
	"github.com/s3share/s3share/cmd/s3share/internal/config"
	"github.com/s3share/s3share/cmd/s3share/internal/control"
	"github.com/s3share/s3share/cmd/s3share/internal/hint"
	"github.com/s3share/s3share/s3backend"
	"github.com/s3share/s3share/s3backend/access"
)

// A kindSentence turns an error of one kind into a cause and a hint. object is how the
// sentence calls the object: by its key in quotes, or "it".
type kindSentence struct {
	kind     s3backend.Kind
	sentence func(t config.Destination, e *s3backend.Error, object string) (cause, hint string)
}

// kindSentences is the one table from kinds to sentences.
var kindSentences = []kindSentence{
	{s3backend.NotExist,
		func(_ config.Destination, _ *s3backend.Error, object string) (string, string) {
			if object == it {
				return "it is not in the bucket", ""
			}
			return "no object " + object, ""
		}},
	{s3backend.NoBucket, func(t config.Destination, _ *s3backend.Error, _ string) (string, string) {
		return fmt.Sprintf("no bucket %q at %s",
			t.Bucket, t.ServerName()), "check its name, its region and the endpoint"
	}},
	{s3backend.Denied, deniedSentence},
	{s3backend.WrongOwner,
		func(t config.Destination, _ *s3backend.Error, _ string) (string, string) {
			return fmt.Sprintf("the bucket %q does not belong to the account %s any more",
					t.Bucket, t.Owner),
				"nothing was written to it; ask the owner, and change the owner in the config file only if they say so"
		}},
	{s3backend.BadLogin, func(t config.Destination, e *s3backend.Error, _ string) (string, string) {
		return loginSentence(t, e)
	}},
	{s3backend.Stale,
		func(_ config.Destination, _ *s3backend.Error, object string) (string, string) {
			return object + " changed in the bucket", ""
		}},
	{s3backend.Archived,
		func(_ config.Destination, e *s3backend.Error, object string) (string, string) {
			var at *s3backend.ArchivedError
			if !errors.As(e, &at) {
				return object + " is archived", "restore it in S3 first"
			}
			if at.Key != e.Key { // it is what was to be copied
				object = strconv.Quote(at.Key)
			}
			return fmt.Sprintf("%s is archived in the storage class %s", object,
					cmp.Or(at.Class, "of archives")), "it can be read once it is restored: " +
					at.Command()
		}},
	{s3backend.CustomerKey,
		func(_ config.Destination, _ *s3backend.Error, object string) (string, string) {
			return object + " is encrypted with a key that whoever put it keeps (SSE-C)",
				"ask them to put it without; s3share has no such keys"
		}},
	{s3backend.TooLarge,
		func(_ config.Destination, _ *s3backend.Error, object string) (string, string) {
			return object + " is larger than S3 takes", "split it: S3 takes no object of that size"
		}},
	{s3backend.Busy, func(t config.Destination, _ *s3backend.Error, _ string) (string, string) {
		return t.ServerName() + " is throttling, and did so at each attempt", "try again later"
	}},
	{s3backend.Refused, otherSentence},
	{s3backend.Other, otherSentence},
}

// it is what a sentence calls an object that was named before.
const it = "it"

// rights are the permissions that requests take; of a copy, several.
var rights = map[string]string{
	"GetObject": access.GetObject, "HeadObject": access.GetObject,
	"ListObjectsV2": access.ListBucket,
	"PutObject":     access.PutObject, "CreateMultipartUpload": access.PutObject,
	"UploadPart": access.PutObject, "CompleteMultipartUpload": access.PutObject,
	"PutObjectAcl": access.PutObjectACL, "AbortMultipartUpload": access.AbortUpload,
	"DeleteObject": access.DeleteObject, "DeleteObjects": access.DeleteObject,
}

// KeyRefused and KeyRefusedHint say that the owner of an encryption key does not let this
// account use it.
const (
	KeyRefused     = "the encryption key is refused to this account"
	KeyRefusedHint = "the key's owner has to allow kms:GenerateDataKey and kms:Decrypt in the key policy, and your own account by IAM"
)

// versionsAdvice is what the bucket's owner can do about earlier versions.
const versionsAdvice = "the bucket's owner grants it by s3share init --client-versions: docs/versions.md"

func deniedSentence(t config.Destination, e *s3backend.Error,
	object string) (cause, advice string) {
	switch {
	case errors.Is(e, s3backend.ErrVersionsRefused):
		return fmt.Sprintf(
			"this account may not list versions in the bucket %q (s3:ListBucketVersions)",
			t.Bucket), versionsAdvice
	case errors.Is(e, s3backend.ErrVersionRefused):
		return "this account may not read that version of it (s3:GetObjectVersion)", versionsAdvice
	case errors.Is(e, s3backend.ErrVersionAnnotationsRefused),
		errors.Is(e, s3backend.ErrVersionTagsRefused):
		return "that version cannot be copied: it has tags or annotations, or may have some",
			"the bucket's owner has to grant s3:GetObjectVersionTagging and s3:PutObjectTagging, or s3:ListObjectVersionAnnotations, s3:GetObjectVersionAnnotation and s3:PutObjectAnnotation"
	case errors.Is(e, s3backend.ErrAnnotationsRefused) && errors.Is(e, s3backend.ErrTagsRefused):
		return object + " cannot be copied: it has tags or annotations, or may have some",
			"the bucket's owner has to grant s3:GetObjectTagging, s3:PutObjectTagging, s3:ListObjectAnnotations, s3:GetObjectAnnotation and s3:PutObjectAnnotation"
	case errors.Is(e, s3backend.ErrAnnotationsRefused):
		return object + " cannot be copied: it has annotations, or may have some",
			"the bucket's owner has to grant s3:ListObjectAnnotations, s3:GetObjectAnnotation and s3:PutObjectAnnotation"
	case errors.Is(e, s3backend.ErrTagsRefused):
		return object + " cannot be copied: it has tags, or may have some",
			"the bucket's owner has to grant s3:GetObjectTagging and s3:PutObjectTagging"
	case errors.Is(e, s3backend.ErrRequesterPays):
		return fmt.Sprintf(
				"the bucket %q refuses requests for which whoever asks does not pay (Requester Pays)", t.Bucket),
			"if your account is to pay, say --requester-pays, or requester-pays = true in the config file"
	case s3backend.IsOfKey(e):
		return KeyRefused, KeyRefusedHint
	case e.Key == "":
		return fmt.Sprintf("access denied to the bucket %q (%s)", t.Bucket, e.Op),
			"the bucket's owner has to let this account in, by the bucket policy"
	}
	folder, _, _ := strings.Cut(e.Key, "/")
	return fmt.Sprintf("access denied (%s on %s/)", cmp.Or(rights[e.Op], e.Op), folder),
		"send the owner the statement that s3share doctor prints"
}

// Explain makes an error of s3backend one that people can act on. Any other error
// it returns as it is.
func Explain(t config.Destination, err error) error {
	var e *s3backend.Error
	if !errors.As(err, &e) {
		return err
	}
	cause, advice := sentenceOf(t, e, strconv.Quote(e.Key))
	return &hint.Error{Err: Reword(cause, err), Hint: advice, Code: hint.ExitFailed}
}

func sentenceOf(t config.Destination, e *s3backend.Error, object string) (cause, advice string) {
	for _, s := range kindSentences {
		if errors.Is(e.Kind, s.kind) {
			return s.sentence(t, e, object)
		}
	}
	return otherSentence(t, e, object)
}

// ExplainFile returns what people are told of the failure err of the file under key, whose
// name they have read already: a sentence without it, and what to do. Of an error that is not
// of s3backend that is its own text.
func ExplainFile(t config.Destination, key string, err error) (reason, advice string) {
	var suspended *outbox.SuspendedError
	if errors.As(err, &suspended) {
		p := control.NewPause(suspended, cmp.Or(t.Dir, t.Bucket))
		return p.Reason, p.Hint
	}
	var e *s3backend.Error
	if !errors.As(err, &e) {
		_, advice = hint.ExitCode(err)
		return hint.OneLine(err.Error()), hint.OneLine(advice)
	}
	object := strconv.Quote(e.Key)
	if e.Key == key {
		object = it
	}
	reason, advice = sentenceOf(t, e, object)
	// What was being done when the request failed, unless that names the file once more.
	doing, wrapped := strings.CutSuffix(err.Error(), e.Error())
	if wrapped && !strings.Contains(doing, strconv.Quote(key)) {
		reason = doing + reason
	}
	return hint.OneLine(reason), hint.OneLine(advice)
}

// reworded is err in other words.
type reworded struct {
	words string
	err   error
}

// Reword returns an error that wraps err and says words in its place.
func Reword(words string, err error) error { return &reworded{words, err} }

func (c *reworded) Error() string { return c.words }

func (c *reworded) Unwrap() error { return c.err }
