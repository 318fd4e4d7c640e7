package integration

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"net/http"
	"net/url"
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

// onAWS is a localbucket that answers by AWS's names and rules, which all tests that
// need it share.
var onAWS = sync.OnceValues(func() (l line, err error) {
	l, stopAWS, err = serve("--aws", "--empty")
	return l, err
})

// stopAWS ends that server; nil where no test has needed it.
var stopAWS func() error

// client reaches the server by AWS's names.
func (w *awsWay) client(t *testing.T) *http.Client {
	t.Helper()
	proxy, err := url.Parse(w.Proxy)
	if err != nil {
		t.Fatal(err)
	}
	authority, err := os.ReadFile(w.Authority)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(authority)
	transport := &http.Transport{Proxy: http.ProxyURL(proxy),
		TLSClientConfig: &tls.Config{RootCAs: pool}}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}

// newAWSPlace is an exchange on AWS that is yet to be made.
func newAWSPlace(t *testing.T) *exchange {
	t.Helper()
	if server.onRGW() {
		t.Skip("the rules of AWS are localbucket's")
	}
	l, err := onAWS()
	if err != nil {
		t.Fatal(err)
	}
	l.Bucket = "t-" + strings.ToLower(rand.Text()[:16])
	return exchangeOf(t, l)
}

// newAWSExchange is an exchange on AWS, made by `s3share init` with these flags.
func newAWSExchange(t *testing.T, flags ...string) *exchange {
	t.Helper()
	x := newAWSPlace(t)
	out, code := x.init(t, flags...)
	if code != 0 {
		t.Fatalf("init %s ends with %d:\n%s", flags, code, out)
	}
	return x
}

// init runs `s3share init` for the client of the exchange, as the bucket's owner.
func (x *exchange) init(t *testing.T, flags ...string) (string, int) {
	t.Helper()
	d := newDesk(t, x, owner)
	out, err := d.types(t,
		"s3share init "+x.Bucket+" --yes --client "+x.Client.AccountID+" "+strings.Join(flags, " "))
	return out, exitCode(t, err)
}

// ownerID is how listings and ACLs name the bucket's owner.
func (x *exchange) ownerID(ctx context.Context) string {
	x.t.Helper()
	if x.AWS == nil {
		return x.Owner.AccountID
	}
	out, err := x.api[owner].GetBucketAcl(ctx, &s3.GetBucketAclInput{Bucket: &x.Bucket})
	if err != nil {
		x.t.Fatalf("get the bucket's ACL: %v", err)
	}
	return *out.Owner.ID
}

// tag sets the one tag of an object, as the bucket's owner.
func (x *exchange) tag(key, name, value string) {
	x.t.Helper()
	_, err := x.api[owner].PutObjectTagging(x.t.Context(), &s3.PutObjectTaggingInput{
		Bucket: &x.Bucket,
		Key:    &key, Tagging: &types.Tagging{TagSet: []types.Tag{{Key: &name, Value: &value}}},
	})
	if err != nil {
		x.t.Fatalf("tag %q: %v", key, err)
	}
}
