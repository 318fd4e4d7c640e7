package s3backend

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"
)

// Kind is what went wrong, in the few ways that callers distinguish. A Kind is
// an error: write errors.Is(err, s3backend.NotExist).
type Kind uint8

// The kinds of failure.
const (
	Other       Kind = iota // all else, the network too
	NotExist                // no such key, or no such upload
	NoBucket                // no such bucket
	Denied                  // the policy, the ACL or the bucket's settings refuse it
	BadLogin                // no credentials, or S3 refuses them
	Stale                   // the condition failed: S3 holds another version
	Archived                // the object must be restored before it can be read
	TooLarge                // larger than S3 takes
	Busy                    // S3 is throttling; the attempts are used up
	WrongOwner              // the bucket belongs to another account than is expected
	OtherPart               // a part is not there, or not as it was last sent
	Refused                 // S3 will refuse the same request whenever it comes
	Corrupted               // the bytes did not reach S3 as they were sent
	CustomerKey             // the object is encrypted with a key that whoever put it keeps (SSE-C)
)

// IsOfBucket reports whether an error is about the credentials or the bucket, and no object in
// particular: the next request would fail alike.
func IsOfBucket(err error) bool {
	return errors.Is(err, BadLogin) || errors.Is(err, NoBucket) || errors.Is(err, WrongOwner)
}

// Error says the kind in words, lower case.
func (k Kind) Error() string {
	switch k {
	case NotExist:
		return "does not exist"
	case NoBucket:
		return "no such bucket"
	case Denied:
		return "access denied"
	case BadLogin:
		return "credentials refused"
	case Stale:
		return "changed in S3"
	case Archived:
		return "archived"
	case TooLarge:
		return "too large"
	case Busy:
		return "S3 is throttling"
	case WrongOwner:
		return "another account's bucket"
	case OtherPart:
		return "a part is another"
	case Refused:
		return "refused"
	case Corrupted:
		return "changed on its way"
	case CustomerKey:
		return "encrypted with a key that whoever put it keeps (SSE-C)"
	}
	return "request failed"
}

// kindOfCode is the one table from S3's error codes to kinds. A code that is
// not here is judged by its status (kindOfStatus).
// Source: Amazon S3 API Reference, "List of error codes"; AWS STS API Reference and AWS KMS
// API Reference, "Common errors", of which S3 answers with "KMS." before the name; the AWS
// SDK for Go, retry.DefaultThrottleErrorCodes.
var kindOfCode = map[string]Kind{
	"NoSuchKey":     NotExist,
	"NotFound":      NotExist,
	"NoSuchUpload":  NotExist,
	"NoSuchVersion": NotExist,

	"InvalidPart": OtherPart,

	"NoSuchBucket": NoBucket,

	"AccessDenied":      Denied,
	"Forbidden":         Denied, // the status text of a HEAD: its reply has no body
	"AllAccessDisabled": Denied,
	"AccountProblem":    Denied,
	"NotSignedUp":       Denied,

	"InvalidAccessKeyId":    BadLogin,
	"SignatureDoesNotMatch": BadLogin,
	"ExpiredToken":          BadLogin,
	"InvalidToken":          BadLogin,
	"TokenRefreshRequired":  BadLogin,
	"RequestTimeTooSkewed":  BadLogin,
	"RequestExpired":        BadLogin,
	"InvalidSecurity":       BadLogin,
	"InvalidClientTokenId":  BadLogin, // of STS, which init asks first
	"ExpiredTokenException": BadLogin,

	"PreconditionFailed":         Stale,
	"ConditionalRequestConflict": Stale, // Put and Copy try it twice

	"InvalidObjectState":         Archived,
	"ObjectNotInActiveTierError": Archived, // of a copy's source

	"EntityTooLarge": TooLarge,

	"SlowDown":               Busy,
	"ServiceUnavailable":     Busy,
	"TooManyRequests":        Busy,
	"Throttling":             Busy,
	"ThrottlingException":    Busy,
	"RequestLimitExceeded":   Busy,
	"RequestThrottled":       Busy,
	"BandwidthLimitExceeded": Busy,

	"ThrottledException":                     Busy,
	"RequestThrottledException":              Busy,
	"TooManyRequestsException":               Busy,
	"ProvisionedThroughputExceededException": Busy,
	"LimitExceededException":                 Busy,
	"EC2ThrottledException":                  Busy,
	"KMS.ThrottlingException":                Busy,

	"IncompleteBody":              Corrupted,
	"BadDigest":                   Corrupted,
	"XAmzContentSHA256Mismatch":   Corrupted,
	"XAmzContentChecksumMismatch": Corrupted,

	// Of 400 and passing all the same.
	"RequestTimeout":                 Other, // S3 waited too long for the next byte
	"RequestTimeoutException":        Other,
	"TransactionInProgressException": Other,
	"PriorRequestNotComplete":        Other,
	"KMS.KMSInternalException":       Other,
	"KMS.DependencyTimeoutException": Other,
	"KMS.KeyUnavailableException":    Other,

	// For good, also where a reply names them without a status, as it does of each key
	// of a DeleteObjects.
	"KeyTooLongError":   Refused,
	"InvalidArgument":   Refused,
	"InvalidRequest":    Refused,
	"InvalidURI":        Refused,
	"MethodNotAllowed":  Refused,
	"MalformedXML":      Refused,
	"MetadataTooLarge":  Refused,
	"NotImplemented":    Refused,
	"PermanentRedirect": Refused, // another region's bucket

	// A full server says so with 403, 500 or 507: not a matter of permission.
	"QuotaExceeded":       Other,
	"StorageFull":         Other,
	"XMinioStorageFull":   Other,
	"InsufficientStorage": Other,
}

// kindOfStatus judges a reply whose code says nothing: some servers refuse
// with an empty body. All of 4xx are for good but the four that RFC 9110, 8470 and 6585
// let be sent again as they are.
func kindOfStatus(status int) Kind {
	switch status {
	case http.StatusUnauthorized:
		return BadLogin
	case http.StatusForbidden:
		return Denied
	case http.StatusNotFound:
		return NotExist
	case http.StatusPreconditionFailed:
		return Stale
	case http.StatusRequestEntityTooLarge:
		return TooLarge
	case http.StatusTooManyRequests, http.StatusServiceUnavailable:
		return Busy
	case http.StatusRequestTimeout, http.StatusConflict, http.StatusTooEarly:
		return Other
	}
	if status/100 == 4 || status == http.StatusNotImplemented {
		return Refused
	}
	return Other
}

// Error says which request failed, on what, and how.
type Error struct {
	Op   string // S3's own name: "GetObject"; or "Open"
	Key  string // "" where the request is about the bucket
	Kind Kind
	Err  error // the SDK's, with status and request id
	Lost bool  // the reply to an attempt was lost; see Ambiguous
	// Unsent is set if the request was not sent: it is of the look before it, or S3 is known
	// to be out of reach.
	Unsent bool
	// Offline is set while S3 is out of reach or refuses the credentials: see ErrOffline.
	Offline bool
}

// Error is one line: the operation, the key, the kind, and S3's own words.
func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString(e.Op)
	if e.Key != "" {
		fmt.Fprintf(&b, " %q", e.Key)
	}
	if e.Kind != Other {
		b.WriteString(": " + e.Kind.Error())
	}
	if e.Err == nil {
		return b.String()
	}
	err := e.Err
	for r, ok := err.(*reasonError); ok; r, ok = err.(*reasonError) {
		b.WriteString(": " + r.reason.Error())
		err = r.err
	}
	var api smithy.APIError
	if !errors.As(err, &api) {
		b.WriteString(": " + withoutLayers(err).Error())
		if status := e.Status(); status != 0 {
			fmt.Fprintf(&b, " (status %d)", status)
		}
		return b.String()
	}
	b.WriteString(": " + api.ErrorCode())
	if msg := api.ErrorMessage(); msg != "" && msg != api.ErrorCode() {
		b.WriteString(": " + msg)
	}
	switch status, id := e.Status(), e.RequestID(); {
	case status != 0 && id != "":
		fmt.Fprintf(&b, " (status %d, request %s)", status, id)
	case status != 0:
		fmt.Fprintf(&b, " (status %d)", status)
	}
	return b.String()
}

// withoutLayers is what failed a request that S3 did not refuse, without what each layer of the
// SDK puts before it: "operation error S3: PutObject, exceeded maximum number of attempts".
func withoutLayers(err error) error {
	for {
		switch err.(type) {
		case *smithy.OperationError, *retry.MaxAttemptsError,
			*smithyhttp.RequestSendError, *url.Error, *lostReply:
		// It is a reply that did not come, or that the SDK could not read.
		case interface{ HTTPStatusCode() int }:
		default:
			return err
		}
		inner := errors.Unwrap(err)
		if inner == nil {
			return err
		}
		err = inner
	}
}

// Unwrap lets errors.Is see the kind and ErrOffline, and errors.As the SDK's error.
func (e *Error) Unwrap() []error {
	all := []error{e.Kind}
	if e.Err != nil {
		all = append(all, e.Err)
	}
	if e.Offline {
		all = append(all, ErrOffline)
	}
	return all
}

// Code is S3's error code, "" where none came.
func (e *Error) Code() string {
	var api smithy.APIError
	if errors.As(e.Err, &api) {
		return api.ErrorCode()
	}
	return ""
}

// RequestID is S3's id of the request, "" where no reply came.
func (e *Error) RequestID() string {
	var r interface{ ServiceRequestID() string }
	if errors.As(e.Err, &r) {
		return r.ServiceRequestID()
	}
	return ""
}

// Status is the reply's HTTP status, 0 where no reply came.
func (e *Error) Status() int {
	var r interface{ HTTPStatusCode() int }
	if errors.As(e.Err, &r) {
		return r.HTTPStatusCode()
	}
	return 0
}

// wrapError returns an *Error for what the SDK returned. An error of the caller's own
// context stays one: errors.Is(err, context.Canceled) holds, and no kind does.
func wrapError(ctx context.Context, op, key string, err error) error {
	if err == nil {
		return nil
	}
	if ctx.Err() != nil {
		if key != "" {
			op = fmt.Sprintf("%s %q", op, key)
		}
		if cause := context.Cause(ctx); !errors.Is(cause, ctx.Err()) {
			return fmt.Errorf("%s: %w: %w", op, ctx.Err(), cause)
		}
		return fmt.Errorf("%s: %w", op, ctx.Err())
	}
	var done *Error
	if errors.As(err, &done) {
		if done.Offline && done.Key == "" {
			named := *done
			named.Key = key
			return &named
		}
		return err
	}
	var lost *lostReply
	e := &Error{Op: op, Key: key, Err: err, Lost: errors.As(err, &lost)}
	e.Kind = e.kind()
	return e
}

func (e *Error) kind() Kind {
	var login *loginError
	if errors.As(e.Err, &login) {
		if login.away {
			return Other
		}
		return BadLogin
	}
	if k, ok := kindOfCode[e.Code()]; ok {
		return k
	}
	return kindOfStatus(e.Status())
}

// protocolError returns an error of kind Other for a reply that S3 must not send.
func protocolError(op, key, format string, args ...any) error {
	return &Error{Op: op, Key: key, Kind: Other, Err: fmt.Errorf(format, args...)}
}

// IsOfKey reports whether it was the encryption key that refused the request: S3 passes
// on what KMS says.
func IsOfKey(err error) bool {
	var e *Error
	if !errors.As(err, &e) {
		return false
	}
	return strings.HasPrefix(e.Code(), "KMS.") || strings.Contains(e.Error(), "kms:")
}

// codeOf and statusOf return the code and the status of an error of wrapError.
func codeOf(err error) string {
	var e *Error
	if errors.As(err, &e) {
		return e.Code()
	}
	return ""
}

func statusOf(err error) int {
	var e *Error
	if errors.As(err, &e) {
		return e.Status()
	}
	return 0
}
