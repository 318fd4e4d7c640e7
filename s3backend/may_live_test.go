package s3backend

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

// liveRule allows the client actions on the bucket (""), or on keys.
type liveRule struct {
	on      string
	actions []string
}

var (
	liveList   = liveRule{"", []string{"s3:ListBucket"}}
	liveAll    = "/*"
	livePut    = []string{"s3:PutObject", "s3:PutObjectAcl"}
	livePolicy = map[string][]liveRule{
		"article":     {liveList, {liveAll, append([]string{"s3:GetObject"}, livePut...)}},
		"folders":     {liveList, {"/Delivery/*", livePut}, {"/Submissions/*", []string{"s3:GetObject"}}},
		"dropbox":     {liveList, {liveAll, livePut}},
		"blind":       {{liveAll, livePut}},
		"full":        {liveList, {liveAll, append([]string{"s3:GetObject", "s3:DeleteObject", "s3:AbortMultipartUpload"}, livePut...)}},
		"read-only":   {liveList, {liveAll, []string{"s3:GetObject"}}},
		"without acl": {liveList, {liveAll, []string{"s3:GetObject", "s3:PutObject"}}},
		"none":        nil,
	}
)

// liveBucket makes a bucket with a policy, and returns it as its owner and as its
// client see it.
func liveBucket(t *testing.T, policy []liveRule, deny ...map[string]any) (owner, client *Client) {
	t.Helper()
	owner, server := live(t, asOwner)
	client, _ = live(t, asClient)
	name := fmt.Sprintf("may-%x", rand.Uint64())
	owner.bucket, client.bucket = name, name
	in := &s3.CreateBucketInput{Bucket: &name}
	if server.Kind != "rgw" {
		in.ObjectOwnership = types.ObjectOwnershipObjectWriter
	}
	if _, err := owner.s3.CreateBucket(t.Context(), in); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx := context.Background()
		for _, o := range listAll(t, owner, ListInput{}).Objects {
			if err := owner.Delete(ctx, o.Key, Condition{}); err != nil {
				t.Errorf("clean up: %v", err)
			}
		}
		// Uploads may be left in it.
		_, _ = owner.s3.DeleteBucket(ctx, &s3.DeleteBucketInput{Bucket: &name})
	})
	principal := map[string]any{"AWS": []string{"arn:aws:iam::" + server.Client.Account + ":root"}}
	if server.Kind == "rgw" {
		principal["AWS"] = []string{"arn:aws:iam:::user/" + server.Client.Account}
	}
	var statements []map[string]any
	for _, r := range policy {
		statements = append(statements, map[string]any{"Effect": "Allow", "Action": r.actions,
			"Resource": []string{"arn:aws:s3:::" + name + r.on}})
	}
	for _, d := range deny {
		d["Effect"], d["Resource"] = "Deny", []string{"arn:aws:s3:::" + name + "/*"}
		statements = append(statements, d)
	}
	if len(statements) == 0 {
		return owner, client
	}
	for _, s := range statements {
		s["Principal"] = principal
	}
	doc, err := json.Marshal(map[string]any{"Version": "2012-10-17", "Statement": statements})
	if err != nil {
		t.Fatal(err)
	}
	text := string(doc)
	if _, err := owner.s3.PutBucketPolicy(t.Context(),
		&s3.PutBucketPolicyInput{Bucket: &name, Policy: &text}); err != nil {
		t.Fatal(err)
	}
	return owner, client
}

// TestLiveMay holds what each probe says against what the real operation does, and
// proves that the probes have changed nothing.
func TestLiveMay(t *testing.T) {
	_, server := live(t, asOwner)
	rgw := server.Kind == "rgw"
	for name, policy := range livePolicy {
		t.Run(name, func(t *testing.T) {
			owner, c := liveBucket(t, policy)
			ctx := t.Context()
			for _, prefix := range []string{"Delivery/", "Submissions/"} {
				there := prefix + "there"
				if _, err := owner.Put(ctx, there, bytes.NewReader([]byte("owner's")),
					7, nil, Condition{}); err != nil {
					t.Fatal(err)
				}
				before := fmt.Sprint(listAll(t, owner, ListInput{}).Objects)
				mayList := c.Rights().MayList(ctx, prefix)
				mayGet := c.Rights().MayGet(ctx, prefix, mayList)
				left, mayPut := c.Rights().MayPut(ctx, prefix, Upload{})
				mayDelete, mayAbort, mayACL := c.Rights().MayDelete(ctx, prefix),
					c.Rights().MayAbort(ctx, prefix), c.Rights().MayPutACL(ctx, prefix, mayList)
				if left.ID != "" {
					t.Errorf("%s: an upload is left: %+v", prefix, left)
				}
				if after := fmt.Sprint(listAll(t, owner, ListInput{}).Objects); after != before {
					t.Errorf("%s: probing has changed %s to %s", prefix, before, after)
				}
				if out, err := owner.s3.ListMultipartUploads(ctx,
					&s3.ListMultipartUploadsInput{Bucket: &owner.bucket}); err != nil ||
					len(out.Uploads) > 0 {
					t.Errorf("%s: uploads after probing: %+v, %v", prefix, out, err)
				}

				_, list := c.List(ctx, ListInput{Prefix: prefix, Delimiter: "/"})
				_, get := c.Head(ctx, there)
				_, put := c.Put(ctx, prefix+"new", bytes.NewReader([]byte("client's")),
					8, nil, Condition{IfNoneMatch: true})
				up, create := c.CreateUpload(ctx, prefix+"multipart", nil)
				acl := c.Ownership().GrantOwner(ctx, there)
				remove := c.Delete(ctx, there, Condition{})
				for _, op := range []struct {
					name       string
					says, does error
				}{
					{"list", mayList, list}, {"get", mayGet, get}, {"put", mayPut, put},
					{"multipart", mayPut, create}, {"delete", mayDelete, remove}, {"ACL", mayACL, acl},
				} {
					switch {
					case errors.Is(op.says, ErrUnknown) &&
						(op.name == "get" || op.name == "ACL") && mayList != nil:
					case errors.Is(op.says, ErrUnknown) && op.name == "ACL" && rgw:
					// Nothing named its version.
					case errors.Is(op.says, ErrUnknown) && op.name == "delete" && rgw && get != nil:
					case op.says == nil != (op.does == nil),
						op.says != nil && !errors.Is(op.says, Denied):
						t.Errorf("%s %s: the probe says %v, the operation %v", prefix,
							op.name, op.says, op.does)
					}
				}
				if create == nil {
					if err := c.Abort(ctx, up); err != nil {
						t.Logf("%s abort: %v (the probe says %v)", prefix, err, mayAbort)
						_ = owner.Abort(ctx, up)
					}
				}
			}
		})
	}
}

// TestLiveMayDemandsACL probes under a policy that refuses what comes without the ACL.
func TestLiveMayDemandsACL(t *testing.T) {
	demand := map[string]any{
		"Action": "s3:PutObject", "Condition": map[string]any{"StringNotEquals": map[string]any{"s3:x-amz-acl": "bucket-owner-full-control"}},
	}
	owner, c := liveBucket(t, livePolicy["folders"], demand)
	if _, err := c.Rights().MayPut(t.Context(), "Delivery/", Upload{}); err != nil {
		t.Errorf("MayPut = %v, want nil", err)
	}
	if _, err := c.Put(t.Context(), "Delivery/new", bytes.NewReader(nil), 0, nil,
		Condition{}); err != nil {
		t.Errorf("Put = %v, want nil", err)
	}
	if _, err := c.Rights().MayPut(t.Context(), "Submissions/", Upload{}); !errors.Is(err, Denied) {
		t.Errorf("MayPut where it is not granted = %v, want Denied", err)
	}
	if all := listAll(t, owner, ListInput{}).Objects; len(all) != 1 {
		t.Errorf("the bucket holds %v, want what was put alone", all)
	}
}
