package access

import (
	"context"
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/s3share/s3share/s3backend"
)

// abortDays is how long an upload may take, from its beginning to its last part,
// before S3 ends it and its parts cost the owner nothing more.
const abortDays = 7

// abortRuleID is the name of the lifecycle rule of ours.
const abortRuleID = "s3share-incomplete-uploads"

// planLifecycle adds the rule that ends incomplete uploads, unless one is there, and those for
// how long objects are kept. All rules are put by one request.
func (p *Plan) planLifecycle() {
	uploads, rules := endUploads(p.Found.Lifecycle)
	rules, keep := p.planKeep(rules)
	p.lifecycle = rules
	put := putLifecycle(p.Found.Lifecycle, p.lifecycle, p.Found.TransitionSize)
	for _, s := range []*Step{uploads, keep} {
		if s == nil {
			continue
		}
		if s.State == Change {
			// The first of these settings puts all of them.
			s.do, put = put, func(context.Context, *s3backend.Client) error { return nil }
		}
		p.Steps = append(p.Steps, *s)
	}
}

// endUploads returns the lifecycle rules with one that ends incomplete uploads.
func endUploads(found []types.LifecycleRule) (*Step, []types.LifecycleRule) {
	s := &Step{What: "incomplete uploads"}
	rules := make([]types.LifecycleRule, 0, len(found)+1)
	others := 0
	for _, r := range found {
		ours := aws.ToString(r.ID) == abortRuleID
		if days, all := abortsAll(r); all && (ours || days <= abortDays) {
			s.State, s.Detail = Done, "ended after "+plural(int(days), "day", "days")
			return s, found
		}
		if !ours {
			rules = append(rules, r)
		}
		if !ourRule(r) {
			others++
		}
	}
	s.State, s.Detail = Change, fmt.Sprintf("ended after %d days", abortDays)
	if others > 0 {
		s.Detail += "; " + plural(others, "lifecycle rule", "lifecycle rules") + " of others kept"
	}
	return s, append(rules, abortRule())
}

func abortRule() types.LifecycleRule {
	return types.LifecycleRule{
		ID: aws.String(abortRuleID), Status: types.ExpirationStatusEnabled,
		Filter:                         &types.LifecycleRuleFilter{Prefix: aws.String("")},
		AbortIncompleteMultipartUpload: &types.AbortIncompleteMultipartUpload{DaysAfterInitiation: aws.Int32(abortDays)},
	}
}

// abortsAll returns after how many days a rule ends incomplete uploads, and whether
// it does so in all of the bucket.
func abortsAll(r types.LifecycleRule) (days int32, all bool) {
	if r.Status != types.ExpirationStatusEnabled || r.AbortIncompleteMultipartUpload == nil {
		return 0, false
	}
	if f := r.Filter; f != nil && (f.And != nil || f.Tag != nil || f.ObjectSizeGreaterThan != nil ||
		f.ObjectSizeLessThan != nil || aws.ToString(f.Prefix) != "") {
		return 0, false
	}
	//lint:ignore SA1019 rules that were made long ago have it
	if aws.ToString(r.Prefix) != "" {
		return 0, false
	}
	return aws.ToInt32(r.AbortIncompleteMultipartUpload.DaysAfterInitiation), true
}

// planEncryption sets the default encryption, and says what a KMS key needs: its
// own policy has to let the client in, which its owner sets, at KMS.
func (p *Plan) planEncryption() {
	const what = "encryption"
	var now types.ServerSideEncryptionRule
	if len(p.Found.Encryption) > 0 {
		now = p.Found.Encryption[0]
	}
	algorithm, key := types.ServerSideEncryption(""), ""
	if d := now.ApplyServerSideEncryptionByDefault; d != nil {
		algorithm, key = d.SSEAlgorithm, aws.ToString(d.KMSMasterKeyID)
	}
	p.encryption = now
	switch {
	case p.Setup.KMSKey == "" && algorithm == "":
		p.encryption = encryptionRule(now, types.ServerSideEncryptionAes256, "")
		p.step(what, Change, putEncryption(p.encryption), "with keys of S3 (SSE-S3)")
	case p.Setup.KMSKey == "" && algorithm == types.ServerSideEncryptionAes256:
		p.step(what, Done, nil, "with keys of S3 (SSE-S3)")
	case p.Setup.KMSKey == "" && key == "":
		p.step(what, Done, nil,
			"%s with the key aws/s3, which no other account can use: choose another with --kms",
			algorithm)
	case p.Setup.KMSKey == "":
		p.step(what, Done, nil, "%s with the key %s", algorithm, key)
		p.needKey(key)
	case isKMS(algorithm) && key == p.Setup.KMSKey:
		p.step(what, Done, nil, "%s with the key %s", algorithm, key)
		p.needKey(key)
	default:
		was := ""
		if isKMS(algorithm) {
			was = " (now " + orWord(key, "aws/s3") + ")"
		} else {
			algorithm = types.ServerSideEncryptionAwsKms
		}
		p.encryption = encryptionRule(now, algorithm, p.Setup.KMSKey)
		p.step(what, Change, putEncryption(p.encryption), "%s with the key %s%s",
			algorithm, p.Setup.KMSKey, was)
		p.needKey(p.Setup.KMSKey)
	}
}

func isKMS(a types.ServerSideEncryption) bool { return strings.HasPrefix(string(a), "aws:kms") }

func orWord(s, word string) string {
	if s == "" {
		return word
	}
	return s
}

// encryptionRule is now with another algorithm and key. A bucket key saves a
// request to KMS for each object; the double encryption has none.
func encryptionRule(now types.ServerSideEncryptionRule, algorithm types.ServerSideEncryption,
	key string) types.ServerSideEncryptionRule {
	now.ApplyServerSideEncryptionByDefault =
		&types.ServerSideEncryptionByDefault{SSEAlgorithm: algorithm}
	if key != "" {
		now.ApplyServerSideEncryptionByDefault.KMSMasterKeyID = &key
		now.BucketKeyEnabled = aws.Bool(algorithm == types.ServerSideEncryptionAwsKms)
	}
	return now
}

func (p *Plan) needKey(key string) {
	if !strings.HasPrefix(key, "arn:") {
		p.step("key's name", byHand, nil,
			"%s is not a full ARN, and means another key in the client's account: set it again by its full ARN, with --kms", key)
	}
	p.step("key policy", byHand, nil,
		"add the statement below to the policy of the key; the client's users need the same by IAM")
}

// keyActions are what putting and reading takes where a KMS key encrypts; parts take both.
var keyActions = Strings{"kms:GenerateDataKey", "kms:Decrypt"}

// keyStatement is what the policy of a KMS key needs for the client to read and
// write what the key encrypts, by way of S3 alone. In a key's policy the resource
// is the key itself.
func (s Setup) keyStatement(region string) Statement {
	return Statement{
		Sid: s.sid("UsesKey"), Effect: Allow, Principal: AWS(s.Client),
		Action: keyActions, Resource: Strings{"*"},
		Condition: Condition{"StringEquals": {"kms:ViaService": {"s3." + region +
			"." + s3backend.Domain(region)}}}.endingAt(s.Until),
	}
}

// needsKey reports whether the plan is about a KMS key, whose policy needs KeyStatement.
func (p *Plan) needsKey() bool {
	for _, s := range p.Steps {
		if s.State == byHand {
			return true
		}
	}
	return false
}
