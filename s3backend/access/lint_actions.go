package access

import (
	"slices"
	"strings"
)

// An exchange needs few actions. Every other that a statement allows is reported: a short list of
// actions that only read what a client learns little from is a note, all others are too
// wide, those that nobody knows yet among them.

// neededOnBucket and neededOnObjects are what s3share does for a client.
var (
	neededOnBucket  = Strings{ListBucket, BucketLocation}
	neededOnObjects = Strings{GetObject, PutObject, PutObjectACL,
		DeleteObject, AbortUpload, ListParts}
)

// readsBucket and readsObjects only read, and more than an exchange needs.
// Source: Service Authorization Reference, "Actions, resources, and condition keys for
// Amazon S3".
var (
	readsBucket = Strings{
		"s3:ListBucketMultipartUploads", "s3:ListBucketVersions", "s3:ListAllMyBuckets",
		"s3:ListTagsForResource",
		"s3:GetAccelerateConfiguration", "s3:GetAnalyticsConfiguration",
		"s3:GetBucketAcl", "s3:GetBucketCORS",
		"s3:GetBucketLogging", "s3:GetBucketNotification", "s3:GetBucketObjectLockConfiguration",
		"s3:GetBucketOwnershipControls", "s3:GetBucketPolicy", "s3:GetBucketPolicyStatus",
		"s3:GetBucketPublicAccessBlock", "s3:GetBucketRequestPayment", "s3:GetBucketTagging",
		"s3:GetBucketVersioning",
		"s3:GetBucketWebsite", "s3:GetEncryptionConfiguration",
		"s3:GetIntelligentTieringConfiguration",
		"s3:GetInventoryConfiguration", "s3:GetLifecycleConfiguration",
		"s3:GetMetricsConfiguration",
		"s3:GetReplicationConfiguration",
	}
	readsObjects = Strings{
		"s3:GetObjectAcl", "s3:GetObjectAttributes", "s3:GetObjectLegalHold",
		"s3:GetObjectRetention",
		"s3:GetObjectTagging", "s3:GetObjectTorrent", "s3:GetObjectVersion",
		"s3:GetObjectVersionAcl",
		"s3:GetObjectVersionAttributes", "s3:GetObjectVersionForReplication",
		"s3:GetObjectVersionTagging",
		"s3:GetObjectVersionTorrent",
		"s3:ListObjectAnnotations", "s3:GetObjectAnnotation", "s3:ListObjectVersionAnnotations",
		"s3:GetObjectVersionAnnotation",
	}
)

// dangerous are actions that change what an exchange rests on, by what they let a client
// do. Source: as above.
var dangerous = []struct{ action, means string }{
	{"s3:PutBucketPolicy", "change the policy itself"},
	{"s3:DeleteBucketPolicy", "remove the policy"},
	{"s3:DeleteBucket", "delete the bucket"},
	{"s3:PutBucketAcl", "change the bucket's ACL"},
	{"s3:PutBucketPublicAccessBlock", "let the public in, by taking off Block Public Access"},
	{"s3:PutBucketOwnershipControls", "change who owns objects"},
	{"s3:PutLifecycleConfiguration", "have objects deleted by a lifecycle rule"},
	{"s3:PutReplicationConfiguration", "have all objects copied to a bucket elsewhere"},
	{"s3:PutBucketVersioning", "stop the versioning"},
	{"s3:PutBucketObjectLockConfiguration", "change how long objects are locked"},
	{"s3:PutEncryptionConfiguration", "change the key that objects are encrypted with"},
	{"s3:PutBucketNotification", "be notified of everything that happens in the bucket"},
	{"s3:PutBucketLogging", "send the access log elsewhere, or stop it"},
	{"s3:PutInventoryConfiguration", "have lists of all objects sent elsewhere"},
	{"s3:PutAnalyticsConfiguration", "have statistics of the bucket sent elsewhere"},
	{"s3:PutMetricsConfiguration", "change the bucket's metrics"},
	{"s3:PutIntelligentTieringConfiguration", "have objects archived"},
	{"s3:PutAccelerateConfiguration", "change how the bucket is reached"},
	{"s3:PutBucketCORS", "let web pages of others use the bucket"},
	{"s3:PutBucketWebsite", "make the bucket a web site"},
	{"s3:DeleteBucketWebsite", "change the bucket's web site"},
	{"s3:PutBucketRequestPayment", "change who pays for requests"},
	{"s3:PutBucketTagging", "change the bucket's tags, which other policies may judge by"},
	{"s3:TagResource", "change the bucket's tags, which other policies may judge by"},
	{"s3:UntagResource", "change the bucket's tags, which other policies may judge by"},
	{"s3:CreateBucket", "make buckets"},
	{"s3:CreateAccessPoint", "make access points to the bucket"},
	{"s3:DeleteObjectVersion", "delete old versions for good"},
	{"s3:PutObjectVersionAcl", "give old versions to others"},
	{"s3:BypassGovernanceRetention", "remove objects that are locked"},
	{"s3:PutObjectRetention", "lock objects, so that the owner cannot remove them"},
	{"s3:PutObjectLegalHold", "lock objects, so that the owner cannot remove them"},
	{"s3:PutObjectTagging", "change objects' tags, which other policies and rules may judge by"},
	{"s3:PutObjectVersionTagging",
		"change objects' tags, which other policies and rules may judge by"},
	{"s3:DeleteObjectTagging", "change objects' tags, which other policies and rules may judge by"},
	{"s3:DeleteObjectVersionTagging",
		"change objects' tags, which other policies and rules may judge by"},
	{"s3:DeleteObjectAnnotation", "delete objects' annotations for good"},
	{"s3:DeleteObjectVersionAnnotation", "delete objects' annotations for good"},
	{"s3:ObjectOwnerOverrideToBucketOwner", "change who owns replicas"},
	{"s3:InitiateReplication", "have objects replicated anew"},
	{"s3:ReplicateObject", "write replicas, which carry what their sender wants"},
	{"s3:ReplicateDelete", "delete objects as replicas"},
	{"s3:ReplicateTags", "change the tags of replicas"},
	{"s3:RestoreObject", "have archived objects restored, for which the owner pays"},
}

// judged is what a statement's actions come to.
type judged struct {
	every     bool     // it allows all of S3's actions
	dangerous []string // what it lets do, with the action
	unknown   []string // actions that nobody knows
	reads     []string // actions that only read, and are not needed
	foreign   []string // actions of other services, which S3 takes in no bucket policy
	onObjects bool     // some action is about objects, as far as it is known
}

// judgeActions sorts what an Allow allows.
func (s Statement) judgeActions() (j judged) {
	for _, pattern := range s.Action {
		service, name, found := strings.Cut(strings.ToLower(pattern), ":")
		if pattern == "*" ||
			found && service == "s3" && strings.Trim(name, "*") == "" && name != "" {
			j.every, j.onObjects = true, true
			continue
		}
		if !found || service != "s3" {
			j.foreign = append(j.foreign, pattern)
			continue
		}
		j.judge(pattern)
	}
	for _, list := range []*[]string{&j.dangerous, &j.unknown, &j.reads} {
		slices.Sort(*list)
		*list = slices.Compact(*list)
	}
	return j
}

// judge sorts what one pattern allows.
func (j *judged) judge(pattern string) {
	known := false
	match := func(actions Strings, found func(action string)) {
		for _, a := range actions {
			if matchesPattern(pattern, a, true) {
				known = true
				found(a)
			}
		}
	}
	read := func(a string) { j.reads = append(j.reads, a) }
	match(neededOnBucket, func(string) {})
	match(readsBucket, read)
	match(neededOnObjects, func(string) { j.onObjects = true })
	match(readsObjects, func(a string) { j.onObjects = true; read(a) })
	for _, d := range dangerous {
		match(Strings{d.action}, func(string) {
			j.onObjects = true
			j.dangerous = append(j.dangerous, d.means+" ("+d.action+")")
		})
	}
	if !known {
		j.onObjects = true
		j.unknown = append(j.unknown, pattern)
	}
}
