package ui

import (
	"cmp"
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"strings"
	"syscall"

	awsconfig "github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials/ssocreds"
	"github.com/aws/smithy-go"

	"github.com/s3share/s3share/cmd/s3share/internal/config"
	"github.com/s3share/s3share/cmd/s3share/internal/hint"
	"github.com/s3share/s3share/s3backend"
)

// clockSkewCode is S3's code for a request that was signed at another time than its own.
const clockSkewCode = "RequestTimeTooSkewed"

// loginSentence returns why S3 refuses the credentials. S3's codes are the ones of the S3 API
// Reference, "Error responses".
func loginSentence(t config.Destination, e *s3backend.Error) (cause, hint string) {
	cause, hint = refusedLoginSentence(t, e)
	var answer *s3backend.UnsignedAnswer
	switch {
	case !errors.As(e, &answer):
	case !answer.Exists:
		cause += fmt.Sprintf(
			"; to a request without credentials it answers that there is no bucket %q", t.Bucket)
		hint += "; and check the bucket's name"
	case answer.Region != "":
		cause += fmt.Sprintf("; the bucket %q exists, in %s", t.Bucket, answer.Region)
	default:
		cause += fmt.Sprintf("; the bucket %q exists", t.Bucket)
	}
	return cause, hint
}

// newLogin is what to do where other credentials are needed, which a person gets as how says.
func newLogin(t config.Destination, how string) string {
	switch {
	case t.FixedKeys && t.Dir != "":
		return "the credentials come from the environment of the mount: s3share unmount --keep " +
			hint.ShellQuote(t.Dir) + ", and mount again with new ones"
	case t.FixedKeys:
		return "the credentials come from the environment: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, and AWS_SESSION_TOKEN if they have one, to new ones"
	case t.Dir != "":
		return "s3share login " + hint.ShellQuote(t.Dir) + ", or " + how + ": it goes on by itself"
	}
	return how
}

func refusedLoginSentence(t config.Destination, e *s3backend.Error) (cause, hint string) {
	renew, check := newLogin(t, "renew the credentials where they are kept"), newLogin(t,
		"check the access key where it is kept")
	if t.Profile != "" {
		renew = newLogin(t,
			fmt.Sprintf("renew the profile %q, by aws sso login --profile %s or the way you got it",
				t.Profile, t.Profile))
		check = newLogin(t, fmt.Sprintf("check the profile %q", t.Profile))
	}
	switch e.Code() {
	case "ExpiredToken", "TokenRefreshRequired", "ExpiredTokenException":
		return t.ServerName() + " refused the credentials: expired", renew
	case clockSkewCode:
		return t.ServerName() + " refused the request: this machine's clock is wrong",
			"set the clock; timedatectl tells whether it is kept right"
	case "InvalidAccessKeyId", "InvalidClientTokenId", "InvalidToken":
		return t.ServerName() + " refused the credentials: it does not know the access key", check
	case "SignatureDoesNotMatch":
		return t.ServerName() +
			" refused the credentials: the secret key is not the access key's", check
	case "":
		return noLoginSentence(t, e.Err)
	}
	return fmt.Sprintf("%s refused the credentials: %s", t.ServerName(), e.Code()), renew
}

// noLoginSentence returns why there are no credentials to send.
func noLoginSentence(t config.Destination, err error) (cause, advice string) {
	var (
		noProfile awsconfig.SharedConfigProfileNotExistError
		staleSSO  *ssocreds.InvalidTokenError
		request   *smithy.OperationError
	)
	advice = "name a profile with --profile, or set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
	if t.Dir != "" { // of a mount there were some
		advice = newLogin(t, "put the credentials where they were")
	}
	switch {
	case errors.Is(err, s3backend.ErrNeedsCode) && t.Dir != "":
		return "the session has expired, and its role asks for a new MFA code", "s3share login " +
			hint.ShellQuote(t.Dir) + " asks for it"
	case errors.Is(err, s3backend.ErrNeedsCode):
		return "the session has expired, and its role asks for a new MFA code",
			"s3share mount asks for it at a terminal, and s3share login where it is mounted"
	case errors.As(err, &noProfile):
		return fmt.Sprintf("there is no AWS profile %q",
			noProfile.Profile), "aws configure list-profiles lists them"
	case errors.As(err, &staleSSO):
		if t.Profile == "" {
			return "the login has expired", newLogin(t, "renew it with aws sso login")
		}
		return fmt.Sprintf("the login of the profile %q has expired", t.Profile), newLogin(t,
			"renew it with aws sso login --profile "+t.Profile)
	case errors.As(err, &request) && request.Service() == "ec2imds": // what the chain asks last
		return "no credentials are found: not in the environment, not in a profile", advice
	}
	return fmt.Sprintf("no usable credentials: %v", hint.Innermost(err)), advice
}

// serverOf names who was asked: S3, or the service of AWS that gives out the credentials.
func serverOf(t config.Destination, err error) string {
	var request *smithy.OperationError
	if errors.As(err, &request) && request.Service() != "S3" {
		return "the service of AWS that gives out credentials (" + request.Service() + ")"
	}
	return t.ServerName()
}

// otherSentence returns the cause of an error without a kind, mostly the network, and of what
// S3 refuses for good.
func otherSentence(t config.Destination, e *s3backend.Error, object string) (cause, advice string) {
	err := e.Err
	code := e.Code()
	server := serverOf(t, err)
	switch code {
	case "KeyTooLongError":
		return "the name of " + object + " is too long for S3", "give it a shorter name"
	case "AuthorizationHeaderMalformed", "PermanentRedirect", "IllegalLocationConstraintException":
		var api smithy.APIError
		errors.As(err, &api)
		return fmt.Sprintf("the region %q is not the bucket's: %s", t.Region, api.ErrorMessage()),
			"leave the region out; it is found by itself"
	}
	if cause, advice = unanswered(t, err, server); cause != "" {
		return cause, advice
	}
	if errors.Is(e, s3backend.ErrNoVersions) {
		return fmt.Sprintf("%s lists no versions", t.ServerName()), ""
	}
	if e.Op == "Open" { // in s3backend's own words
		return err.Error(), ""
	}
	if code == "" && e.Status() == 0 {
		if err == nil {
			err = e.Kind
		}
		return fmt.Sprintf("%s to %s failed: %v", e.Op, server, hint.Innermost(err)), ""
	}
	what := cmp.Or(code, fmt.Sprintf("status %d", e.Status()))
	var api smithy.APIError
	if errors.As(err, &api) && api.ErrorMessage() != "" && api.ErrorMessage() != code {
		what += ": " + api.ErrorMessage()
	}
	switch {
	case strings.HasPrefix(code, "KMS."):
		advice = "ask the bucket's owner about the key that encrypts it"
	case e.Kind == s3backend.Refused:
		advice = "ask the bucket's owner what " + cmp.Or(code, "that") + " means there"
	}
	return fmt.Sprintf("%s answered %s with %s", t.ServerName(), e.Op, what), advice
}

// unanswered says why nobody answered at the server; "" if that is not why the request failed.
func unanswered(t config.Destination, err error, server string) (cause, advice string) {
	var (
		dns       *net.DNSError
		unknownCA x509.UnknownAuthorityError
		badName   x509.HostnameError
		late      interface{ Timeout() bool }
	)
	switch {
	case errors.As(err, &dns) && !dns.IsNotFound:
		return fmt.Sprintf("the name of the host %q cannot be looked up: %s", dns.Name,
			dns.Err), "check the network, and the name server"
	case errors.As(err, &dns):
		return fmt.Sprintf("there is no host %q",
			dns.Name), "check the endpoint, the region and the network"
	case errors.Is(err, syscall.ECONNREFUSED):
		advice = "check the network, and the proxy if there is one"
		if t.Endpoint != "" {
			advice = "check the endpoint's address and port, and that the server runs"
		}
		return "nothing answers at " + server, advice
	case errors.Is(err, syscall.ENETUNREACH), errors.Is(err, syscall.EHOSTUNREACH):
		return server + " cannot be reached", "check the network"
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &late) && late.Timeout():
		return "no answer from " + server + " in time", "check the endpoint and the network"
	case errors.As(err, &unknownCA), errors.As(err, &badName):
		return fmt.Sprintf("the certificate of %s is not trusted: %v",
			server, hint.Innermost(err)), "AWS_CA_BUNDLE can name further authorities"
	}
	return "", ""
}
