package access

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

// object is one of JSON; its names come out sorted.
type object = map[string]any

// CloudFormation is the plan as a template. Both resources are kept when the stack
// is deleted, and can be imported into one.
func (p *Plan) CloudFormation() (string, error) {
	if p.Setup.Elsewhere {
		return "", ErrOnlyAWS
	}
	notes := []string{"A template makes no objects: the folders come with the first file in them."}
	bucket := object{
		"BucketName":        p.Setup.Bucket,
		"OwnershipControls": object{"Rules": []object{{"ObjectOwnership": ownershipNames[p.Setup.Ownership]}}},
	}
	if RegionOfName(p.Setup.Bucket) != "" {
		bucket["BucketNamespace"] = types.BucketNamespaceAccountRegional
	}
	if p.staysPublic() {
		notes = append(notes,
			"The policy has a public statement, so Block Public Access is left out.")
	} else {
		bucket["PublicAccessBlockConfiguration"] = object{
			"BlockPublicAcls": true, "BlockPublicPolicy": true, "IgnorePublicAcls": true,
			"RestrictPublicBuckets": true,
		}
	}
	if e := encryptionProperty(p.encryption); e != nil {
		bucket["BucketEncryption"] = object{"ServerSideEncryptionConfiguration": []object{e}}
	}
	if p.onlyOurRules() {
		rules := []object{}
		for _, r := range p.lifecycle {
			rules = append(rules, ruleProperty(r))
		}
		bucket["LifecycleConfiguration"] = object{"Rules": rules}
	} else {
		notes = append(notes,
			"The bucket has lifecycle rules of others, which are left out here. One has to end incomplete uploads after seven days."+p.keepNote())
	}
	if p.Setup.Versioning || p.Found.Versioning == types.BucketVersioningStatusEnabled {
		bucket["VersioningConfiguration"] = object{"Status": "Enabled"}
	}
	about := object{"Notes": notes, "TheClientRuns": "s3share join " + p.Invitation().String()}
	if p.needsKey() {
		about["ThePolicyOfTheKeyNeeds"] = p.keyStatement()
	}
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	err := enc.Encode(object{
		"AWSTemplateFormatVersion": "2010-09-09",
		"Description": "The exchange " + p.Setup.Bucket +
			", as s3share init sets it up.",
		"Metadata": object{"s3share": about},
		"Resources": object{
			"Exchange": object{"Type": "AWS::S3::Bucket", "DeletionPolicy": "Retain",
				"UpdateReplacePolicy": "Retain", "Properties": bucket},
			"ExchangePolicy": object{
				"Type": "AWS::S3::BucketPolicy", "DeletionPolicy": "Retain",
				"UpdateReplacePolicy": "Retain",
				"Properties": object{"Bucket": object{"Ref": "Exchange"},
					"PolicyDocument": p.Policy},
			},
		},
	})
	return b.String(), err
}

// onlyOurRules reports whether all of the lifecycle rules are as s3share writes them. A template,
// or a resource of Terraform, would remove those of others.
func (p *Plan) onlyOurRules() bool {
	_, err := p.Setup.keepDays(p.lifecycle)
	return len(p.lifecycle) > 0 && err == nil &&
		!slices.ContainsFunc(p.lifecycle, func(r types.LifecycleRule) bool { return !ourRule(r) })
}

// keepNote says what else a rule has to do, after a sentence about what one has to do.
func (p *Plan) keepNote() string {
	if days, err := p.Setup.keepDays(p.lifecycle); err == nil && days > 0 {
		return fmt.Sprintf(" Two have to delete what is below %s/ and %s/ after %s.",
			p.Setup.Shared, p.Setup.Delivered, plural(int(days), "day", "days"))
	}
	return ""
}

// ruleProperty is a lifecycle rule of ours.
func ruleProperty(r types.LifecycleRule) object {
	rule := object{"Id": aws.ToString(r.ID), "Status": r.Status}
	if u := r.AbortIncompleteMultipartUpload; u != nil {
		rule["AbortIncompleteMultipartUpload"] =
			object{"DaysAfterInitiation": aws.ToInt32(u.DaysAfterInitiation)}
		return rule
	}
	rule["Prefix"] = aws.ToString(r.Filter.Prefix)
	rule["ExpirationInDays"] = aws.ToInt32(r.Expiration.Days)
	rule["NoncurrentVersionExpiration"] =
		object{"NoncurrentDays": aws.ToInt32(r.NoncurrentVersionExpiration.NoncurrentDays)}
	return rule
}

func encryptionProperty(r types.ServerSideEncryptionRule) object {
	d := r.ApplyServerSideEncryptionByDefault
	if d == nil {
		return nil
	}
	by := object{"SSEAlgorithm": d.SSEAlgorithm}
	if key := aws.ToString(d.KMSMasterKeyID); key != "" {
		by["KMSMasterKeyID"] = key
	}
	e := object{"ServerSideEncryptionByDefault": by}
	if isTrue(r.BucketKeyEnabled) {
		e["BucketKeyEnabled"] = true
	}
	return e
}
