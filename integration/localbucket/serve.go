package main

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/s3share/s3share/integration/localbucket/internal/awsrules"
	"github.com/s3share/s3share/integration/localbucket/internal/bucket"
	"github.com/s3share/s3share/integration/localbucket/internal/front"
	"github.com/s3share/s3share/integration/localbucket/internal/gateway"
)

// serve runs the server until ctx ends or stdin does.
func serve(ctx context.Context, args []string, stdin io.Reader, out io.Writer) (err error) {
	var o options
	fs := flag.NewFlagSet("localbucket", flag.ContinueOnError)
	o.register(fs)
	listen := fs.String("listen", "127.0.0.1:0",
		"the loopback `address` to listen on; port 0 takes a free one")
	dir := fs.String("dir", "",
		"the `directory` that holds the objects (a temporary one, removed at exit, when left out)")
	empty := fs.Bool("empty", false, "make no bucket: only the three accounts are there")
	var rules rulesFlag
	fs.Var(&rules, "aws",
		"hold requests against these `rules` of AWS, with commas between (all without a value; those but for NAME: -NAME), and answer by its host names: "+strings.Join(awsrules.Names(), ", "))
	clientIAM := fs.String("client-iam", "",
		"under both-halves, the `file` with the policy that the client's own account gives its users")
	ownership := fs.String("ownership", "writer", "who owns an object: writer, preferred, enforced")
	if err := parse(fs, args); err != nil {
		return err
	}
	owns, ok := ownerships[*ownership]
	if !ok {
		return fmt.Errorf("%w: no ownership %q", errUsage, *ownership)
	}
	line := bucket.Line{
		Kind: bucket.Local, Region: o.region, Bucket: o.bucket,
		Owner: newAccount(bucket.OwnerID), Client: newAccount(bucket.ClientID),
		Third: newAccount(bucket.ThirdID),
	}
	if rules.rules[awsrules.Partitions] {
		for _, a := range []*bucket.Account{&line.Owner, &line.Client, &line.Third} {
			a.Principal = strings.Replace(a.Principal, "arn:aws:",
				"arn:"+awsrules.PartitionOf(o.region)+":", 1)
		}
	}
	policy, err := o.document(line)
	if err != nil {
		return err
	}
	if *dir == "" {
		if *dir, err = os.MkdirTemp("", "localbucket-"); err != nil {
			return fmt.Errorf("make directory: %w", err)
		}
		// The gateway moves the working directory into it.
		if *dir, err = filepath.Abs(*dir); err != nil {
			return fmt.Errorf("find directory: %w", err)
		}
		defer func() { err = errors.Join(err, os.RemoveAll(*dir)) }()
	}

	var iamFiles map[string]string
	if *clientIAM != "" {
		file, err := filepath.Abs(*clientIAM) // the working directory will be another
		if err != nil {
			return fmt.Errorf("find %q: %w", *clientIAM, err)
		}
		iamFiles = map[string]string{bucket.ClientID: file}
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() {
		// Nobody writes here: this waits for whoever started us to go.
		_, _ = io.Copy(io.Discard, stdin)
		cancel()
	}()
	g, err := gateway.Start(ctx, gateway.Config{
		Listen: *listen, Dir: *dir, Region: o.region,
		Parties:  []bucket.Account{line.Owner, line.Client, line.Third},
		Versions: len(rules.rules) > 0, Rules: rules.rules, IAM: iamFiles,
	})
	if err != nil {
		return ended(ctx, err)
	}
	line.Endpoint = g.Endpoint
	if len(rules.rules) > 0 {
		f, ferr := front.Start(front.Config{
			Gateway: g.Endpoint, Authority: filepath.Join(*dir, "authority.pem"),
			Partition: awsrules.PartitionOf(o.region), Account: line.AccountOf,
		})
		if ferr != nil {
			return errors.Join(ferr, g.Close())
		}
		defer func() { err = errors.Join(err, f.Close()) }()
		line.AWS = &bucket.AWS{Proxy: f.Proxy, Authority: filepath.Join(*dir, "authority.pem")}
	}
	if *empty {
		line.Bucket = ""
	} else {
		err = bucket.Setup(ctx, line, owns, policy)
	}
	if err == nil {
		err = json.NewEncoder(out).Encode(line)
	}
	if err != nil {
		return errors.Join(ended(ctx, err), g.Close())
	}
	select {
	case <-ctx.Done():
		return g.Close()
	case err := <-g.Ended():
		return fmt.Errorf("server ended: %w", err)
	}
}

// ended is err, or nil where it comes from being told to stop.
func ended(ctx context.Context, err error) error {
	if ctx.Err() != nil && errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}

// newAccount is a party with keys of its own for this run.
func newAccount(id string) bucket.Account {
	return bucket.Account{
		AccessKeyID:     "LB" + rand.Text()[:18],
		SecretAccessKey: rand.Text() + rand.Text()[:14],
		AccountID:       id,
		Principal:       bucket.Local.Principal(id),
	}
}
