package access

import (
	"bytes"
	"encoding/json"

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
		notes = append(notes, "The policy has a public statement, so Block Public Access is left out.")
	} else {
		bucket["PublicAccessBlockConfiguration"] = object{
			"BlockPublicAcls": true, "BlockPublicPolicy": true, "IgnorePublicAcls": true, "RestrictPublicBuckets": true,
		}
	}
	if e := encryptionProperty(p.encryption); e != nil {
		bucket["BucketEncryption"] = object{"ServerSideEncryptionConfiguration": []object{e}}
	}
	if len(p.lifecycle) == 1 && aws.ToString(p.lifecycle[0].ID) == abortRuleID {
		bucket["LifecycleConfiguration"] = object{"Rules": []object{{
			"Id": abortRuleID, "Status": "Enabled",
			"AbortIncompleteMultipartUpload": object{"DaysAfterInitiation": p.lifecycle[0].AbortIncompleteMultipartUpload.DaysAfterInitiation},
		}}}
	} else {
		notes = append(notes, "The bucket has lifecycle rules of others, which are left out here. One has to end incomplete uploads after seven days.")
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
		"Description":              "The exchange " + p.Setup.Bucket + ", as s3share init sets it up.",
		"Metadata":                 object{"s3share": about},
		"Resources": object{
			"Exchange": object{"Type": "AWS::S3::Bucket", "DeletionPolicy": "Retain", "UpdateReplacePolicy": "Retain", "Properties": bucket},
			"ExchangePolicy": object{
				"Type": "AWS::S3::BucketPolicy", "DeletionPolicy": "Retain", "UpdateReplacePolicy": "Retain",
				"Properties": object{"Bucket": object{"Ref": "Exchange"}, "PolicyDocument": p.Policy},
			},
		},
	})
	return b.String(), err
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
