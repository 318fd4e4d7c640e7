package s3backend

import "strings"

// IsAccessPoint reports whether a bucket is named by the ARN of an access point:
// arn:aws:s3:REGION:ACCOUNT:accesspoint/NAME. An access point's alias, which ends in
// -s3alias, stands wherever a bucket's name may stand.
// Source: Amazon S3 User Guide, "Referencing access points with ARNs, access point aliases,
// or virtual-hosted-style URIs".
func IsAccessPoint(bucket string) bool {
	f := strings.SplitN(bucket, ":", 6)
	return len(f) == 6 && f[0] == "arn" && f[2] == "s3" && strings.HasPrefix(f[5], "accesspoint")
}

// regionOfARN is the region of an access point, "" for a bucket that is named otherwise.
func regionOfARN(bucket string) string {
	if !IsAccessPoint(bucket) {
		return ""
	}
	return strings.SplitN(bucket, ":", 6)[3]
}
