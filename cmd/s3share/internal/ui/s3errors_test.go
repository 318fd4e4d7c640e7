package ui

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"

	awsconfig "github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials/ssocreds"
	"github.com/aws/smithy-go"

	"github.com/s3share/s3share/cmd/s3share/internal/config"
	"github.com/s3share/s3share/cmd/s3share/internal/hint"
	"github.com/s3share/s3share/s3backend"
)

// TestExplain tells each kind of failure as people read it.
func TestExplain(t *testing.T) {
	failed := func(kind s3backend.Kind, err error) error {
		return fmt.Errorf("below: %w",
			&s3backend.Error{Op: "GetObject", Key: "Delivery/q3.csv", Kind: kind, Err: err})
	}
	login := func(code string) error {
		return failed(s3backend.BadLogin, &smithy.GenericAPIError{Code: code})
	}
	for _, tt := range []struct {
		err  error
		want string // the sentence, " | ", and a part of the hint
	}{
		{failed(s3backend.NotExist, nil), `no object "Delivery/q3.csv"`},
		{failed(s3backend.NoBucket, nil), `no bucket "team" at https://s3.example.com | check its name`},
		{failed(s3backend.Denied, nil), `access denied (s3:GetObject on Delivery/) | send the owner the statement`},
		{&s3backend.Error{Op: "ListObjectsV2", Kind: s3backend.Denied}, `access denied to the bucket "team" (ListObjectsV2) | bucket policy`},
		{&s3backend.Error{Op: "Open", Kind: s3backend.WrongOwner}, `the bucket "team" does not belong to the account 111122223333 any more | ask the owner`},
		{login("ExpiredToken"), "https://s3.example.com refused the credentials: expired | aws sso login --profile p"},
		{login("RequestTimeTooSkewed"), "https://s3.example.com refused the request: this machine's clock is wrong | set the clock"},
		{login("InvalidAccessKeyId"), "https://s3.example.com refused the credentials: it does not know the access key | check the profile"},
		{login("SignatureDoesNotMatch"), "https://s3.example.com refused the credentials: the secret key is not the access key's | check the profile"},
		{login("InvalidClientTokenId"), "https://s3.example.com refused the credentials: it does not know the access key | check the profile"},
		{failed(s3backend.BadLogin, &s3backend.UnsignedAnswer{Err: &smithy.GenericAPIError{Code: "InvalidAccessKeyId"}}),
			`https://s3.example.com refused the credentials: it does not know the access key; to a request without credentials it answers that there is no bucket "team" | and check the bucket's name`},
		{failed(s3backend.BadLogin, &s3backend.UnsignedAnswer{Err: &smithy.GenericAPIError{Code: "ExpiredToken"}, Exists: true, Region: "eu-west-1"}),
			`https://s3.example.com refused the credentials: expired; the bucket "team" exists, in eu-west-1 | aws sso login --profile p`},
		{failed(s3backend.BadLogin, &s3backend.UnsignedAnswer{Err: &smithy.GenericAPIError{Code: "ExpiredToken"}, Exists: true}),
			`https://s3.example.com refused the credentials: expired; the bucket "team" exists | aws sso login --profile p`},
		{login("InvalidSecurity"), "https://s3.example.com refused the credentials: InvalidSecurity | renew the profile"},
		{failed(s3backend.BadLogin, awsconfig.SharedConfigProfileNotExistError{Profile: "p"}), `there is no AWS profile "p" | list-profiles`},
		{failed(s3backend.BadLogin, &ssocreds.InvalidTokenError{}), `the login of the profile "p" has expired | aws sso login --profile p`},
		{failed(s3backend.BadLogin, &smithy.OperationError{ServiceID: "ec2imds", Err: errors.New("no route")}),
			"no credentials are found: not in the environment, not in a profile | --profile"},
		{failed(s3backend.BadLogin, errors.New("process exited with 3")), "no usable credentials: process exited with 3 | --profile"},
		{failed(s3backend.Stale, nil), `"Delivery/q3.csv" changed in the bucket`},
		{failed(s3backend.Archived, nil), `"Delivery/q3.csv" is archived | restore it`},
		{failed(s3backend.TooLarge, nil), `"Delivery/q3.csv" is larger than S3 takes | split it`},
		{failed(s3backend.Busy, nil), "https://s3.example.com is throttling, and did so at each attempt | later"},
		{failed(s3backend.Other, syscall.ECONNREFUSED), "nothing answers at https://s3.example.com | that the server runs"},
		{failed(s3backend.Other, &net.DNSError{Name: "s3.example.com", IsNotFound: true}), `there is no host "s3.example.com" | check the endpoint`},
		{failed(s3backend.Other, &net.DNSError{Name: "s3.example.com", Err: "server misbehaving", IsTemporary: true}),
			`the name of the host "s3.example.com" cannot be looked up: server misbehaving | check the network`},
		{failed(s3backend.Other, &net.OpError{Op: "dial", Err: os.ErrDeadlineExceeded}), "no answer from https://s3.example.com in time | check the endpoint"},
		{failed(s3backend.Other, &net.OpError{Op: "dial", Err: syscall.ETIMEDOUT}), "no answer from https://s3.example.com in time | check the endpoint"},
		{failed(s3backend.Other, syscall.ENETUNREACH), "https://s3.example.com cannot be reached | check the network"},
		{failed(s3backend.Other, context.DeadlineExceeded), "no answer from https://s3.example.com in time | check the endpoint"},
		{failed(s3backend.Other, &smithy.GenericAPIError{Code: "AuthorizationHeaderMalformed", Message: "expecting 'eu-west-1'"}),
			`the region "r" is not the bucket's: expecting 'eu-west-1' | leave the region out`},
		{failed(s3backend.Other, &smithy.GenericAPIError{Code: "InternalError", Message: "oops"}), `https://s3.example.com answered GetObject with InternalError: oops`},
		{&s3backend.Error{Op: "Open", Kind: s3backend.Other, Err: errors.New("endpoint is odd")}, "endpoint is odd"},
		{errors.New("plain"), "plain"},
	} {
		told := Explain(config.Destination{Bucket: "team", Region: "r",
			Endpoint: "https://s3.example.com", Profile: "p", Owner: "111122223333"}, tt.err)
		want, advice, _ := strings.Cut(tt.want, " | ")
		code, gotHint := hint.ExitCode(told)
		if told.Error() != want || !strings.Contains(gotHint, advice) ||
			(advice == "") != (gotHint == "") || code != hint.ExitFailed {
			t.Errorf(
				"explain(%v) = %q, hint %q, exit code %d, want %q, a hint with %q, exit code 1",
				tt.err, told, gotHint, code, want, advice)
		}
		if !errors.Is(told, tt.err) {
			t.Errorf("explain(%v) lost the error", tt.err)
		}
	}
}

// TestOneHintForALogin: whoever tells of refused credentials, of the exchange or of a file, says to
// do the same: what helps where the credentials come from.
func TestOneHintForALogin(t *testing.T) {
	const dir = "/home/ann/my exchange"
	for _, code := range []string{"ExpiredToken", "InvalidAccessKeyId", "SignatureDoesNotMatch",
		"InvalidSecurity", ""} {
		for _, of := range []config.Destination{
			{}, {Profile: "p"}, {FixedKeys: true}, {Dir: dir}, {Dir: dir, Profile: "p"}, {Dir: dir, FixedKeys: true},
		} {
			err := &s3backend.Error{Op: "PutObject", Key: "Delivery/a", Kind: s3backend.BadLogin,
				Err: &smithy.GenericAPIError{Code: code}}
			if code == "" {
				err.Err = errors.New("process exited with 3")
			}
			_, got := hint.ExitCode(Explain(of, err))
			if _, file := ExplainFile(of, "Delivery/a", err); file != got {
				t.Errorf("%s, %+v: %q of a file, and %q of the exchange", code, of, file, got)
			}
			for part, want := range map[string]bool{
				"s3share login '/home/ann/my exchange'":          of.Dir != "" && !of.FixedKeys,
				"s3share unmount --keep '/home/ann/my exchange'": of.Dir != "" && of.FixedKeys,
				"set AWS_ACCESS_KEY_ID and":                      of.Dir == "" && of.FixedKeys || of.Dir == "" && code == "",
			} {
				if strings.Contains(got, part) != want {
					t.Errorf("%q, %+v: the hint is %q; it has %q: %v", code, of, got, part, !want)
				}
			}
		}
	}
	sts := &s3backend.Error{Op: "Open", Err: &smithy.OperationError{ServiceID: "STS",
		OperationName: "AssumeRole", Err: syscall.ECONNREFUSED}}
	if told := Explain(config.Destination{}, sts).
		Error(); told != "nothing answers at the service of AWS that gives out credentials (STS)" {
		t.Errorf("of a service that is away: %q", told)
	}
}

func TestTell(t *testing.T) {
	for _, tt := range []struct {
		err  error
		code int
		want string
	}{
		{nil, hint.ExitOK, ""},
		{errors.New("a\nb"), hint.ExitFailed, "s3share: a b\n"},
		{fmt.Errorf("cannot x: %w", hint.With(errors.New("y"), "do z")), hint.ExitFailed, "s3share: cannot x: y\ns3share: hint: do z\n"},
		{hint.With(hint.Usage("first", "y"), "second"), hint.ExitUsage, "s3share: y\ns3share: hint: first\n"},
		{hint.With(hint.Usage("", "y"), "second"), hint.ExitUsage, "s3share: y\ns3share: hint: second\n"},
		{hint.Silent(2), hint.ExitUsage, ""},
		{errors.Join(errors.New("x"), errors.Join(hint.With(errors.New("a\nb"), "do a"), nil), hint.With(errors.New("c"), "do c")), hint.ExitFailed,
			"s3share: x\ns3share: a b\ns3share: hint: do a\ns3share: c\ns3share: hint: do c\n"},
		{fmt.Errorf("cannot x: %w", errors.Join(errors.New("y"), errors.New("z"))), hint.ExitFailed, "s3share: cannot x: y z\n"},
		{fmt.Errorf("%w, and %w", errors.New("y"), errors.New("z")), hint.ExitFailed, "s3share: y, and z\n"},
	} {
		var out bytes.Buffer
		if code := hint.PrintError(&out, tt.err); code != tt.code || out.String() != tt.want {
			t.Errorf("tell(%v) = %d and prints %q, want %d and %q",
				tt.err, code, &out, tt.code, tt.want)
		}
	}
}
