package access

import (
	"errors"
	"strings"
	"testing"
)

// TestRegionalNames makes buckets of an account's own namespace where the name says, and
// nowhere else, and writes that they are of it into templates.
func TestRegionalNames(t *testing.T) {
	const account = "111122223333"
	for _, tt := range []struct {
		bucket, region, owner string
		found                 Bucket
		nameRegion            string // that the name tells
		refused               bool
	}{
		{bucket: "team-111122223333-eu-central-1-an", region: "eu-central-1", nameRegion: "eu-central-1"},
		{bucket: "team-111122223333-us-gov-west-1-an", region: "us-gov-west-1", nameRegion: "us-gov-west-1"},
		{bucket: "team-111122223333-eu-central-1-an", region: "us-east-1", nameRegion: "eu-central-1", refused: true},
		{bucket: "team-444455556666-eu-central-1-an", region: "eu-central-1", nameRegion: "eu-central-1", refused: true},
		{bucket: "team-444455556666-eu-central-1-an", region: "us-east-1", nameRegion: "eu-central-1", found: Bucket{Exists: true, Ownership: Enforced}},
		{bucket: "team-444455556666-eu-central-1-an", nameRegion: "eu-central-1", found: Bucket{Endpoint: "https://s3.example.com"}},
		{bucket: "team-exchange", region: "us-east-1"},
		{bucket: "black-swan", region: "us-east-1"},
		{bucket: "team-1111222233-eu-central-1-an", region: "us-east-1"},
		{bucket: "team-111122223333-eu-an", region: "us-east-1"},
		{bucket: "team-111122223333-eu-central-1-and", region: "us-east-1"},
	} {
		if got := RegionOfName(tt.bucket); got != tt.nameRegion {
			t.Errorf("the name %s is of the region %q, want %q", tt.bucket, got, tt.nameRegion)
		}
		found := tt.found
		found.Region, found.Owner = tt.region, account
		p, err := MakePlan(Setup{Terms: Terms{Bucket: tt.bucket,
			Client: "arn:aws:iam::999988887777:root", Shared: "In", Delivered: "Out"}}, found)
		if errors.Is(err, ErrAnothersName) != tt.refused || !tt.refused && err != nil {
			t.Errorf("%s in %s: %v, want a refusal: %v", tt.bucket, tt.region, err, tt.refused)
		}
		if err != nil || found.Endpoint != "" {
			continue
		}
		terraform, err := p.Terraform()
		template, err2 := p.CloudFormation()
		if err != nil || err2 != nil {
			t.Fatal(err, err2)
		}
		for name, text := range map[string]string{"Terraform": terraform,
			"CloudFormation": template} {
			if got := strings.Contains(text, "account-regional"); got != (tt.nameRegion != "") {
				t.Errorf("%s: says %s that it is of the account's namespace: %v",
					tt.bucket, name, got)
			}
		}
	}
}
