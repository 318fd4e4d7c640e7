package s3backend

import "testing"

// TestPartitions knows each of AWS's partitions by a region of it.
func TestPartitions(t *testing.T) {
	for region, want := range map[string][2]string{
		"us-east-1":       {"aws", "amazonaws.com"},
		"eu-central-1":    {"aws", "amazonaws.com"},
		"":                {"aws", "amazonaws.com"},
		"cn-northwest-1":  {"aws-cn", "amazonaws.com.cn"},
		"us-gov-east-1":   {"aws-us-gov", "amazonaws.com"},
		"eusc-de-east-1":  {"aws-eusc", "amazonaws.eu"},
		"us-iso-west-1":   {"aws-iso", "c2s.ic.gov"},
		"us-isob-east-1":  {"aws-iso-b", "sc2s.sgov.gov"},
		"eu-isoe-west-1":  {"aws-iso-e", "cloud.adc-e.uk"},
		"us-isof-south-1": {"aws-iso-f", "csp.hci.ic.gov"},
	} {
		if got := [2]string{Partition(region), Domain(region)}; got != want {
			t.Errorf("%s is in %v, want %v", region, got, want)
		}
		if host := "bucket.s3." + region + "." + want[1]; !isAWSHost(host) {
			t.Errorf("%s is not AWS's", host)
		}
	}
	for _, host := range []string{"localhost", "127.0.0.1", "s3.example.com",
		"amazonaws.com.example.com", "notamazonaws.com"} {
		if isAWSHost(host) {
			t.Errorf("%s is AWS's", host)
		}
	}
}
