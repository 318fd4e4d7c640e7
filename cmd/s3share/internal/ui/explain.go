// Package ui is what people see: sentences and advice for each kind of error ([Explain] and
// the tables that it reads), the table of status ([PrintStates]), what is not delivered
// ([PrintUndelivered]), and bars and lines while something goes on. It shows the values of package
// control and decides nothing. Tests compare its texts with what the documentation quotes.
package ui

import (
	"cmp"
	"errors"
	"fmt"

	"github.com/s3share/s3share/cmd/s3share/internal/config"
	"github.com/s3share/s3share/cmd/s3share/internal/hint"
	"github.com/s3share/s3share/s3backend"
)

// A kindSentence turns an error of one kind into a cause and a hint.
type kindSentence struct {
	kind     s3backend.Kind
	sentence func(config.Destination, *s3backend.Error) (cause, hint string)
}

// kindSentences is the one table from kinds to sentences.
var kindSentences = []kindSentence{
	{s3backend.NotExist, func(_ config.Destination, e *s3backend.Error) (string, string) {
		return fmt.Sprintf("no object %q", e.Key), ""
	}},
	{s3backend.NoBucket, func(t config.Destination, _ *s3backend.Error) (string, string) {
		return fmt.Sprintf("no bucket %q at %s", t.Bucket, t.ServerName()), "check its name, its region and the endpoint"
	}},
	{s3backend.Denied, func(t config.Destination, e *s3backend.Error) (string, string) {
		if errors.Is(e, s3backend.ErrTagsRefused) {
			return fmt.Sprintf("%q cannot be copied: it has tags, or may have some", e.Key),
				"the bucket's owner has to grant s3:GetObjectTagging and s3:PutObjectTagging"
		}
		if errors.Is(e, s3backend.ErrRequesterPays) {
			return fmt.Sprintf("the bucket %q refuses requests for which whoever asks does not pay (Requester Pays)", t.Bucket),
				"if your account is to pay, say --requester-pays, or requester-pays = true in the config file"
		}
		what := fmt.Sprintf("the bucket %q", t.Bucket)
		if e.Key != "" {
			what = fmt.Sprintf("%q", e.Key)
		}
		return fmt.Sprintf("access denied to %s (%s)", what, e.Op),
			"the bucket's owner has to let this account in, by the bucket policy"
	}},
	{s3backend.WrongOwner, func(t config.Destination, _ *s3backend.Error) (string, string) {
		return fmt.Sprintf("the bucket %q does not belong to the account %s any more", t.Bucket, t.Owner),
			"nothing was written to it; ask the owner, and change the owner in the config file only if they say so"
	}},
	{s3backend.BadLogin, loginSentence},
	{s3backend.Stale, func(_ config.Destination, e *s3backend.Error) (string, string) {
		return fmt.Sprintf("%q was changed by the other party", e.Key), ""
	}},
	{s3backend.Archived, func(_ config.Destination, e *s3backend.Error) (string, string) {
		var at *s3backend.ArchivedError
		if !errors.As(e, &at) {
			return fmt.Sprintf("%q is archived", e.Key), "restore it in S3 first"
		}
		return fmt.Sprintf("%q is archived in the storage class %s", at.Key, cmp.Or(at.Class, "of archives")), "it can be read once it is restored: " + at.Command()
	}},
	{s3backend.CustomerKey, func(_ config.Destination, e *s3backend.Error) (string, string) {
		return fmt.Sprintf("%q is encrypted with a key that whoever put it keeps (SSE-C)", e.Key), "ask them to put it without; s3share has no such keys"
	}},
	{s3backend.TooLarge, func(_ config.Destination, e *s3backend.Error) (string, string) {
		return fmt.Sprintf("%q is larger than S3 takes", e.Key), ""
	}},
	{s3backend.Busy, func(t config.Destination, _ *s3backend.Error) (string, string) {
		return t.ServerName() + " is throttling, and did so at each attempt", "try again later"
	}},
	{s3backend.Refused, otherSentence},
	{s3backend.Other, otherSentence},
}

// Explain makes an error of s3backend one that people can act on. Any other error
// it returns as it is.
func Explain(t config.Destination, err error) error {
	var e *s3backend.Error
	if !errors.As(err, &e) {
		return err
	}
	for _, s := range kindSentences {
		if errors.Is(e.Kind, s.kind) {
			cause, advice := s.sentence(t, e)
			return &hint.Error{Err: Reword(cause, err), Hint: advice, Code: hint.ExitFailed}
		}
	}
	return err
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
