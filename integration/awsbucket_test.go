package integration

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

// awsBuckets are buckets that AWS treats otherwise than a plain one. In each of them a
// mount does all that it does there.
var awsBuckets = []struct {
	name string
	make func(x *exchange) (options []string) // makes the bucket an exchange where all is granted
}{
	{"a plain one", func(x *exchange) []string { return x.initFull() }},
	{"Requester Pays", func(x *exchange) []string {
		x.initFull()
		x.setPayer(types.PayerRequester)
		return []string{"--requester-pays"}
	}},
	{"a policy that refuses bodies that are not signed", func(x *exchange) []string {
		x.initFull()
		x.govern(x.t, append(x.policy(x.t), map[string]any{
			"Effect": "Deny", "Principal": x.principal(x.Client), "Action": "s3:*", "Resource": x.arn("") + "*",
			"Condition": map[string]any{"StringEquals": map[string]any{"s3:x-amz-content-sha256": "UNSIGNED-PAYLOAD"}},
		})...)
		return nil
	}},
	{"Object Lock", func(x *exchange) []string {
		lock := true
		if _, err := x.api[owner].CreateBucket(x.t.Context(),
			&s3.CreateBucketInput{Bucket: &x.Bucket,
				ObjectLockEnabledForBucket: &lock}); err != nil {
			x.t.Fatal(err)
		}
		return x.initFull("--versioning")
	}},
	{"the ARN of an access point", func(x *exchange) []string {
		x.initFull()
		return []string{"--bucket",
			"arn:aws:s3:" + x.Region + ":" + x.Owner.AccountID + ":accesspoint/" + x.Bucket}
	}},
	{"the alias of an access point", func(x *exchange) []string {
		x.initFull()
		return []string{"--bucket", x.Bucket + "-localbucket-s3alias"}
	}},
	{"a name of the account's own", func(x *exchange) []string {
		x.Bucket = "e-" + x.Bucket[len(x.Bucket)-8:] + "-" +
			x.Owner.AccountID + "-" + x.Region + "-an"
		return x.initFull()
	}},
}

// initFull makes the exchange with all granted.
func (x *exchange) initFull(flags ...string) []string {
	x.t.Helper()
	out, code := x.init(x.t, append([]string{"--grant", "full"}, flags...)...)
	if code != 0 {
		x.t.Fatalf("init ends with %d:\n%s", code, out)
	}
	return nil
}

// setPayer has somebody pay for the bucket's requests.
func (x *exchange) setPayer(p types.Payer) {
	x.t.Helper()
	if _, err := x.api[owner].PutBucketRequestPayment(x.t.Context(),
		&s3.PutBucketRequestPaymentInput{
			Bucket:                      &x.Bucket,
			RequestPaymentConfiguration: &types.RequestPaymentConfiguration{Payer: p},
		}); err != nil {
		x.t.Fatal(err)
	}
}

// TestAWSBuckets does in each kind of bucket what a mount does where all is granted.
func TestAWSBuckets(t *testing.T) {
	t.Parallel()
	const want = "ok | ok | ok | ok | ok | ok | ok | ok | ok | ok | ok | ok ok ok ok"
	for _, b := range awsBuckets {
		t.Run(b.name, func(t *testing.T) {
			t.Parallel()
			x := newAWSPlace(t)
			options := b.make(x)
			if got := awsRow(t, x, client, delivery, options...); got != want {
				t.Errorf("the row is\n%s\nwant\n%s", got, want)
			}
		})
	}
}

// TestRequesterPaysIsAgreedTo: who has not agreed to pay is told so, by each command, and
// the line of init says who pays.
func TestRequesterPaysIsAgreedTo(t *testing.T) {
	t.Parallel()
	x := newAWSPlace(t)
	x.initFull()
	x.put(owner, submissions+"file", []byte("to be paid for"), true)
	plain, _ := x.init(t, "--grant", "full")
	x.setPayer(types.PayerRequester)
	paid, _ := x.init(t, "--grant", "full")
	line := regexp.MustCompile(`s3share:[^ \n]+`)

	const says = "Requester Pays"
	if m, err := x.tryMount(t, client); err == nil || !strings.Contains(m.log.String(), says) {
		t.Errorf("it mounts: %v\n%s", err, m.log)
	}
	if d := x.doctor(t, client, nil); d.code != 1 ||
		!strings.Contains(d.find("bucket", "").Found, says) {
		t.Errorf("doctor ends with %d and says %+v", d.code, d.find("bucket", ""))
	}
	if out, err := newDesk(t, x, client).types(t,
		"s3share join "+line.FindString(plain)); err == nil || !strings.Contains(out, says) {
		t.Errorf("join: %v\n%s", err, out)
	}
	for command, text := range map[string]string{"s3share join --requester-pays ": plain,
		"s3share join ": paid} {
		d := newDesk(t, x, client)
		d.unmountLater(t)
		out, err := d.types(t, command+line.FindString(text)+" exchange")
		if err != nil || !strings.Contains(out, "your account pays") {
			t.Errorf("%s: %v\n%s", command, err, out)
		}
		await(t, "the file", func() bool {
			got, err := os.ReadFile(d.home + "/exchange/" + submissions + "file")
			return err == nil && string(got) == "to be paid for"
		})
	}
	if d := x.doctor(t, client, nil, "--requester-pays"); d.code != 0 {
		t.Errorf("doctor, who pays, ends with %d: %+v", d.code, d.Findings)
	}
}
