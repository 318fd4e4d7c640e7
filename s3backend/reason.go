package s3backend

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
)

// ErrTagsRefused is the reason of a Denied error if an object cannot be copied because it has tags,
// or may have some: whoever copies it needs to read and set them, whatever becomes of them.
var ErrTagsRefused = errors.New(
	"it has tags, or may have some, and the policy does not let them be copied (s3:GetObjectTagging, s3:PutObjectTagging)")

// ErrAnnotationsRefused is the reason of a Denied error if an object cannot be copied because it
// has annotations, or may have some, that are not to be lost.
var ErrAnnotationsRefused = errors.New(
	"it has annotations, or may have some, and the policy does not let them be copied (s3:ListObjectAnnotations, s3:GetObjectAnnotation, s3:PutObjectAnnotation)")

// ErrSourceRefused is the reason of a Denied error if what is to be copied may not even be looked
// at.
var ErrSourceRefused = errors.New("what is to be copied may not be read")

// ErrVersionTagsRefused is an ErrTagsRefused, and ErrVersionAnnotationsRefused an
// ErrAnnotationsRefused, of an earlier version.
var (
	ErrVersionTagsRefused error = &narrowed{ErrTagsRefused,
		"the version has tags, or may have some, and the policy does not let them be copied (s3:GetObjectVersionTagging, s3:PutObjectTagging)"}
	ErrVersionAnnotationsRefused error = &narrowed{ErrAnnotationsRefused,
		"the version has annotations, or may have some, and the policy does not let them be copied (s3:ListObjectVersionAnnotations, s3:GetObjectVersionAnnotation, s3:PutObjectAnnotation)"}
)

// narrowed is an error that is another one too, in words of its own.
type narrowed struct {
	error
	words string
}

func (e *narrowed) Error() string { return e.words }
func (e *narrowed) Unwrap() error { return e.error }

// ErrVersionRefused is the reason of a Denied error if an earlier version may not be read.
var ErrVersionRefused = errors.New(
	"the policy does not let this version be read (s3:GetObjectVersion)")

// ErrVersionsRefused is the reason of a Denied error if the versions of an object may not be
// listed.
var ErrVersionsRefused = errors.New(
	"the policy does not let versions be listed (s3:ListBucketVersions)")

// ArchivedError is the reason of an Archived: where the object is, and how it is restored.
type ArchivedError struct {
	Bucket, Key string
	Class       string // storage class, "" where it is not known
	Version     string // the version ID, "" for what the key holds
}

// Error says it in one line, with the command.
func (e *ArchivedError) Error() string {
	in := ""
	if e.Class != "" {
		in = " in the storage class " + e.Class
	}
	return fmt.Sprintf("%q is archived%s, and can be read once it is restored: %s",
		e.Key, in, e.Command())
}

// Command restores the object for some days, or for good where its class does not ask
// for how long.
// Source: Amazon S3 User Guide, "Restoring an archived object".
func (e *ArchivedError) Command() string {
	request := "Days=7"
	if e.Class == classIntelligent {
		request = "{}"
	}
	version := ""
	if e.Version != "" {
		version = " --version-id " + shellWord(e.Version)
	}
	return fmt.Sprintf("aws s3api restore-object --bucket %s --key %s%s --restore-request %s",
		shellWord(e.Bucket), shellWord(e.Key), version, shellWord(request))
}

// shellWord quotes a word for a POSIX shell, if it needs that.
func shellWord(s string) string {
	plain := func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' ||
			strings.ContainsRune("-._/:=@,+", r)
	}
	if s != "" && !strings.ContainsFunc(s, func(r rune) bool { return !plain(r) }) {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

// reasonError is what S3 answered, and a reason for it that S3 does not give.
type reasonError struct{ reason, err error }

func (e *reasonError) Error() string   { return e.reason.Error() + ": " + e.err.Error() }
func (e *reasonError) Unwrap() []error { return []error{e.reason, e.err} }

// withReason adds a reason to an *Error; any other error stays as it is.
func withReason(err, reason error) error {
	var e *Error
	if !errors.As(err, &e) || e.Err == nil {
		return err
	}
	with := *e
	with.Err = &reasonError{reason, e.Err}
	return &with
}

// versionRefused adds to the refusal of a request for obj that it is for its version ID.
func versionRefused(err error, obj Object) error {
	if obj.ByVersion && errors.Is(err, Denied) && !IsOfKey(err) {
		return withReason(err, ErrVersionRefused)
	}
	return err
}

// explainRead adds to the error of a request that reads obj what is known of the object:
// the class that it is archived in. An object that is encrypted with a key of whoever put
// it is refused as a bad request, which nothing else that we ask for is.
// Source: Amazon S3 User Guide, "Using server-side encryption with customer-provided keys".
func (c *Client) explainRead(ctx context.Context, err error, obj Object) error {
	switch {
	case errors.Is(err, Archived):
		if obj.Class == "" || obj.Class == ClassStandard {
			if now, headErr := c.head(ctx, obj); headErr == nil {
				obj.Class = now.Class
			}
		}
		if obj.Class == ClassStandard {
			obj.Class = ""
		}
		return withReason(err, &ArchivedError{c.bucket, obj.Key, obj.Class, val(obj.versionID())})
	case statusOf(err) == http.StatusBadRequest && codeOf(err) == "InvalidRequest":
		var e *Error
		if errors.As(err, &e) {
			with := *e
			with.Kind = CustomerKey
			return &with
		}
	}
	return err
}

// explain is explainRead for the error of a request that copies s.
func (s source) explain(ctx context.Context, err error) error {
	switch {
	case errors.Is(err, Archived):
		return s.c.explainRead(ctx, err, s.Object)
	case statusOf(err) == http.StatusBadRequest && codeOf(err) == "InvalidRequest":
		if _, headErr := s.c.head(ctx, s.Object); errors.Is(headErr, CustomerKey) {
			return headErr
		}
	}
	return err
}
