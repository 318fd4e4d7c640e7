package access

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/s3share/s3share/s3backend"
)

// ofClient reports whether a statement of ours is for a client, by its Sid. For an account
// that are those for its users and roles too.
func ofClient(s Statement, client string) bool {
	m := mark(client)
	whole := m == principalAccount(client)
	for _, what := range []string{sidList, sidGet, sidDeliver, sidACL, sidDelete,
		sidNeedACL, sidMissing, sidListVersions, sidGetVersions} {
		if rest, ours := strings.CutPrefix(s.Sid, sidPrefix+what+m); ours && m != "" {
			return rest == "" || whole || what == sidMissing
		}
	}
	return false
}

// Without returns the policy without the statements of ours for a client, and the names of
// those of others that still let it in. A Deny of ours stays while one does.
func (d Document) without(client string) (after Document, left []string) {
	after.members = d.members
	account := principalAccount(client)
	for i, s := range d.Statement {
		if s.Effect != Allow || ofClient(s, client) {
			continue
		}
		if s.about(client) ||
			s.Principal != nil && slices.ContainsFunc(s.Principal.By["AWS"], func(n string) bool {
				return account != "" && client == accountIn(partitionOfARN(client), account) &&
					principalAccount(n) == account
			}) {
			left = append(left, d.name(i))
		}
	}
	for _, s := range d.Statement {
		if ofClient(s, client) && (s.Effect == Allow || len(left) == 0) {
			continue
		}
		after.Statement = append(after.Statement, s)
	}
	return after, left
}

// PlanRemoval is what has to be done to a bucket so that the client is let in no more. left
// are statements of others that still let it in.
func PlanRemoval(want Setup, found Bucket) (p *Plan, left []string) {
	want.Elsewhere = found.Endpoint != ""
	p = &Plan{Setup: want, Found: found}
	const what = "policy"
	if found.Policy == nil {
		p.step(what, Done, nil, "the bucket has none")
		return p, nil
	}
	p.Policy, left = found.Policy.without(want.Client)
	switch n := len(found.Policy.Statement) - len(p.Policy.Statement); {
	case n == 0:
		p.step(what, Done, nil, "it has no statement of s3share for %s", want.Client)
	case len(p.Policy.Statement) == 0:
		p.step(what, Change, deletePolicy(found.Policy),
			"remove it: every statement in it is for %s", want.Client)
	default:
		p.step(what, Change, putPolicy(found.Policy, p.Policy), "remove %s for %s",
			plural(n, "statement", "statements"), want.Client)
	}
	return p, left
}

// Staying are the things of a client that is taken out which stay, in words.
func (p *Plan) Staying() (all []string) {
	switch {
	case p.Setup.Elsewhere:
		all = append(all, "the objects that it has put")
	case p.Found.Ownership == Writer:
		all = append(all,
			"the objects that it has put, which belong to it, so that S3 still lets it read them")
	default:
		all = append(all, "the objects that it has put, which belong to the bucket's owner")
	}
	all = append(all, "what it has downloaded")
	if len(p.Found.Encryption) > 0 {
		if d := p.Found.Encryption[0].ApplyServerSideEncryptionByDefault; d != nil &&
			d.KMSMasterKeyID != nil {
			all = append(all, "its statement in the policy of the key "+*d.KMSMasterKeyID+
				", which you remove at KMS")
		}
	}
	return all
}

// deletePolicy removes the policy, if it is still what it was.
func deletePolicy(was *Document) act {
	return func(ctx context.Context, c *s3backend.Client) error {
		now, err := readPolicy(ctx, c)
		if err != nil {
			return err
		}
		if now == nil || !bytes.Equal(now.Bytes(), was.Bytes()) {
			return ErrChanged
		}
		_, err = c.API().DeleteBucketPolicy(ctx,
			&s3.DeleteBucketPolicyInput{Bucket: aws.String(c.Bucket())}, retryConflicts)
		return s3backend.Wrap(ctx, "DeleteBucketPolicy", "", err)
	}
}

// StillIn is the error for a client that statements of others may let in.
func StillIn(client string, left []string) error {
	return fmt.Errorf("%s may still get in by statements that s3share did not write: %s",
		client, strings.Join(left, ", "))
}
