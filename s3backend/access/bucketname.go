package access

import (
	"fmt"
	"net/netip"
	"regexp"
	"strings"
)

// The names of buckets on AWS: of those that can be made, and of those that were made in
// us-east-1 before March 2018.
// Source: Amazon S3 User Guide, "General purpose bucket naming rules".
//
// The lengths are compared apart: to compile a pattern that counts to 255 takes milliseconds, at
// each start of the program.
var (
	newBucketName = regexp.MustCompile(`^[a-z0-9][a-z0-9.-]*[a-z0-9]$`)
	oldBucketName = regexp.MustCompile(`^[A-Za-z0-9._-]+$`)

	reservedPrefixes = []string{"xn--", "sthree-", "amzn-s3-demo-"}
	reservedSuffixes = []string{"-s3alias", "--ol-s3", ".mrap", "--x-s3", "--table-s3"}
)

const (
	minBucketName    = 3
	maxNewBucketName = 63
	maxOldBucketName = 255
)

const nameRules = "it needs 3 to 63 lower-case letters, digits, dots and hyphens, with a letter or digit at both ends"

// CheckBucketName refuses a name that no bucket of AWS has.
func CheckBucketName(bucket string) error {
	if len(bucket) < minBucketName || len(bucket) > maxOldBucketName ||
		!oldBucketName.MatchString(bucket) {
		return fmt.Errorf("%q cannot be the name of a bucket: %s", bucket, nameRules)
	}
	return nil
}

// checkNewName refuses to make a bucket of a name that AWS refuses.
func checkNewName(bucket string, found Bucket) error {
	if found.Exists || found.Endpoint != "" {
		return nil
	}
	_, notIP := netip.ParseAddr(bucket)
	if len(bucket) < minBucketName || len(bucket) > maxNewBucketName ||
		!newBucketName.MatchString(bucket) ||
		strings.Contains(bucket, "..") || notIP == nil {
		return fmt.Errorf("%q cannot be the name of a new bucket: %s", bucket, nameRules)
	}
	for _, p := range reservedPrefixes {
		if strings.HasPrefix(bucket, p) {
			return fmt.Errorf(
				"%q cannot be the name of a bucket: AWS keeps names that begin with %s", bucket, p)
		}
	}
	for _, s := range reservedSuffixes {
		if strings.HasSuffix(bucket, s) {
			return fmt.Errorf("%q cannot be the name of a bucket: AWS keeps names that end in %s",
				bucket, s)
		}
	}
	return nil
}
