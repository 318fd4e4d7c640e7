// Package access holds the tests of who may do what with which object. They
// talk to a server of which they know no more than the line it printed: an
// embedded bucket by default, or the one whose line S3SHARE_TEST_S3 holds.
package access

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/s3share/s3share/integration/localbucket/internal/bucket"
	"github.com/s3share/s3share/integration/localbucket/internal/gateway"
)

// server is the line of the server under test, its bucket aside: each test
// makes buckets of its own.
var server bucket.Line

// local is the gateway where the tests have started it, nil for another server.
var local *gateway.Gateway

func TestMain(m *testing.M) {
	code, err := run(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

func run(m *testing.M) (code int, err error) {
	if raw := os.Getenv("S3SHARE_TEST_S3"); raw != "" {
		if err := json.Unmarshal([]byte(raw), &server); err != nil {
			return 0, fmt.Errorf("S3SHARE_TEST_S3: %w", err)
		}
		return m.Run(), nil
	}
	dir, err := os.MkdirTemp("", "access-")
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	account := func(id string) bucket.Account {
		return bucket.Account{
			AccessKeyID: "KEY" + id, SecretAccessKey: rand.Text(),
			AccountID: id, Principal: bucket.Local.Principal(id),
		}
	}
	server = bucket.Line{
		Kind: bucket.Local, Region: "us-east-1",
		Owner: account(bucket.OwnerID), Client: account(bucket.ClientID),
		Third: account(bucket.ThirdID),
	}
	g, err := gateway.Start(context.Background(), gateway.Config{
		Listen: "127.0.0.1:0", Dir: dir, Region: server.Region, Versions: true,
		Parties: []bucket.Account{server.Owner, server.Client, server.Third},
	})
	if err != nil {
		return 0, err
	}
	local, server.Endpoint = g, g.Endpoint
	code = m.Run()
	return code, g.Close()
}

// onRGW reports whether the server is Ceph RGW.
func onRGW() bool { return server.Kind == bucket.RGW }

// newBucket makes a bucket for the test with a policy of the given name.
func newBucket(t *testing.T, policy string, ownership types.ObjectOwnership) bucket.Line {
	t.Helper()
	l := server
	l.Bucket = "t-" + strings.ToLower(rand.Text()[:16])
	doc, err := bucket.Policy(policy, l.Bucket, l.Client.Principal)
	if err != nil {
		t.Fatal(err)
	}
	setup(t, l, ownership, doc)
	return l
}

func setup(t *testing.T, l bucket.Line, ownership types.ObjectOwnership, policy string) {
	t.Helper()
	if err := bucket.Setup(t.Context(), l, ownership, policy); err != nil {
		t.Fatal(err)
	}
}

// answer puts a request's outcome in a word: OK, or the HTTP status with the
// code where the answer has one: "403 AccessDenied".
func answer(err error) string {
	if err == nil {
		return "OK"
	}
	var kr keyRefused
	if errors.As(err, &kr) {
		return string(kr)
	}
	var re *smithyhttp.ResponseError
	if !errors.As(err, &re) {
		return err.Error()
	}
	word := fmt.Sprint(re.HTTPStatusCode())
	var ae smithy.APIError
	if errors.As(err, &ae) {
		word += " " + ae.ErrorCode()
	}
	return word
}

// want fails the test unless the outcome is the wanted one: OK, or a status, or
// a status and a code.
func want(t *testing.T, call string, err error, outcome string) {
	t.Helper()
	got := answer(err)
	if got != outcome && !strings.HasPrefix(got, outcome+" ") {
		t.Errorf("%s = %s, want %s (%v)", call, got, outcome, err)
	}
}

// outcome is what a server is to answer: want, but for RGW where it is known to
// differ, and why.
type outcome struct {
	want string
	rgw  string // "" like the others
	why  string
}

func same(want string) outcome { return outcome{want: want} }

// here is the outcome on the server under test.
func (o outcome) here() string {
	if onRGW() && o.rgw != "" {
		return o.rgw
	}
	return o.want
}
