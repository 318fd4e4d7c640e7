package main

import (
	"flag"
	"fmt"
	"os"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/s3share/s3share/integration/localbucket/internal/awsrules"
	"github.com/s3share/s3share/integration/localbucket/internal/bucket"
)

// options say what the bucket is to be like; both commands take them.
type options struct {
	bucket     string
	region     string
	policy     string
	policyFile string
}

func (o *options) register(fs *flag.FlagSet) {
	fs.StringVar(&o.bucket, "bucket", "exchange", "the bucket's `name`")
	fs.StringVar(&o.region, "region", "us-east-1", "the `region` the server says it is in")
	fs.StringVar(&o.policy, "policy", "article",
		"what the client may do: "+strings.Join(bucket.Policies(), ", "))
	fs.StringVar(&o.policyFile, "policy-file", "", "put the policy in this `file` instead")
}

// document is the policy for the line's bucket.
func (o *options) document(l bucket.Line) (string, error) {
	if o.policyFile != "" {
		doc, err := os.ReadFile(o.policyFile)
		if err != nil {
			return "", fmt.Errorf("read policy: %w", err)
		}
		return string(doc), nil
	}
	doc, err := bucket.Policy(o.policy, l.Bucket, l.Client.Principal)
	if err != nil {
		return "", fmt.Errorf("%w: %w", errUsage, err)
	}
	return doc, nil
}

// rulesFlag is the value of --aws, which may have none.
type rulesFlag struct{ rules awsrules.Set }

func (f *rulesFlag) String() string { return "" }

// IsBoolFlag lets the value be left out.
func (f *rulesFlag) IsBoolFlag() bool { return true }

// Set implements flag.Value.
func (f *rulesFlag) Set(text string) (err error) {
	switch text {
	case "true":
		text = "all"
	case "false":
		text = ""
	}
	f.rules, err = awsrules.Parse(text)
	return err
}

// ownerships are the values of --ownership.
var ownerships = map[string]types.ObjectOwnership{
	"writer":    types.ObjectOwnershipObjectWriter,
	"preferred": types.ObjectOwnershipBucketOwnerPreferred,
	"enforced":  types.ObjectOwnershipBucketOwnerEnforced,
}
