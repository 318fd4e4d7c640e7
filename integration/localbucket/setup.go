package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"

	"github.com/s3share/s3share/integration/localbucket/internal/bucket"
)

// setup makes the bucket on a server that is already running, whose accounts
// have the ids of ours, and prints the same line as serve does. The keys come
// from the environment: OWNER_KEY and OWNER_SECRET, CLIENT_..., THIRD_....
func setup(ctx context.Context, args []string, out io.Writer) error {
	var o options
	fs := flag.NewFlagSet("localbucket setup", flag.ContinueOnError)
	o.register(fs)
	endpoint := fs.String("endpoint", "", "the server's `URL`")
	style := fs.String("principal-style", string(bucket.RGW),
		"how the server names principals: rgw, aws")
	if err := parse(fs, args); err != nil {
		return err
	}
	kinds := map[string]bucket.Kind{"rgw": bucket.RGW, "aws": bucket.Local}
	kind, ok := kinds[*style]
	if !ok || *endpoint == "" {
		return fmt.Errorf("%w: --endpoint and a --principal-style of rgw or aws are needed",
			errUsage)
	}
	account := func(name, id string) bucket.Account {
		return bucket.Account{
			AccessKeyID: os.Getenv(name + "_KEY"), SecretAccessKey: os.Getenv(name + "_SECRET"),
			AccountID: id, Principal: kind.Principal(id),
		}
	}
	line := bucket.Line{
		Kind: kind, Endpoint: *endpoint, Region: o.region, Bucket: o.bucket,
		Owner:  account("OWNER", bucket.OwnerID),
		Client: account("CLIENT", bucket.ClientID),
		Third:  account("THIRD", bucket.ThirdID),
	}
	policy, err := o.document(line)
	if err != nil {
		return err
	}
	if err := bucket.Setup(ctx, line, ownerships["writer"], policy); err != nil {
		return err
	}
	return json.NewEncoder(out).Encode(line)
}
