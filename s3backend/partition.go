package s3backend

import "strings"

// partitions are AWS's but for the first, by how the names of their regions begin: the
// name that ARNs begin with, and the domain that host names end with.
// Source: aws/aws-sdk-go-v2, the partitions of its endpoints.
var partitions = []struct{ regions, name, domain string }{
	{"cn-", "aws-cn", "amazonaws.com.cn"},
	{"us-gov-", "aws-us-gov", "amazonaws.com"},
	{"eusc-", "aws-eusc", "amazonaws.eu"},
	{"us-iso-", "aws-iso", "c2s.ic.gov"},
	{"us-isob-", "aws-iso-b", "sc2s.sgov.gov"},
	{"eu-isoe-", "aws-iso-e", "cloud.adc-e.uk"},
	{"us-isof-", "aws-iso-f", "csp.hci.ic.gov"},
}

// firstPartition is the partition, and its domain, of all other regions.
const firstPartition, firstDomain = "aws", "amazonaws.com"

// Partition is that of a region: what ARNs begin with.
func Partition(region string) string {
	for _, p := range partitions {
		if strings.HasPrefix(region, p.regions) {
			return p.name
		}
	}
	return firstPartition
}

// Domain ends the host names of a region.
func Domain(region string) string {
	for _, p := range partitions {
		if strings.HasPrefix(region, p.regions) {
			return p.domain
		}
	}
	return firstDomain
}

// isAWSHost reports whether a host is one of AWS's.
func isAWSHost(host string) bool {
	if strings.HasSuffix(host, "."+firstDomain) {
		return true
	}
	for _, p := range partitions {
		if strings.HasSuffix(host, "."+p.domain) {
			return true
		}
	}
	return false
}

// hostPartition is the partition of one of AWS's hosts, by its domain; where two
// partitions share that, by the region in its name, or else by the region given.
func hostPartition(host, region string) string {
	for _, p := range partitions {
		switch {
		case p.domain != firstDomain && strings.HasSuffix(host, "."+p.domain),
			p.domain == firstDomain &&
				(strings.Contains(host, "."+p.regions) || strings.Contains(host, "s3-"+p.regions)):
			return p.name
		}
	}
	if Domain(region) == firstDomain {
		return Partition(region)
	}
	return firstPartition
}
