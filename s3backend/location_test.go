package s3backend

import (
	"os"
	"path/filepath"
	"testing"
)

// TestLocationOf: two ways to write one place are one place, and two places are two.
func TestLocationOf(t *testing.T) {
	for _, same := range []struct {
		want      Location
		endpoints []string
		region    string
	}{
		{Location{"", "aws"}, []string{
			"", "https://s3.amazonaws.com", "https://s3.eu-central-1.amazonaws.com/", "https://S3.EU-CENTRAL-1.amazonaws.com:443",
			"https://s3.dualstack.us-east-1.amazonaws.com", "https://bucket.vpce-1-2.s3.us-east-1.vpce.amazonaws.com",
		}, "eu-central-1"},
		{Location{"", "aws-us-gov"}, []string{"", "https://s3.us-gov-west-1.amazonaws.com", "https://s3-us-gov-west-1.amazonaws.com", "https://s3.amazonaws.com"}, "us-gov-west-1"},
		{Location{"", "aws-us-gov"}, []string{"https://s3-fips.us-gov-west-1.amazonaws.com"}, ""},
		{Location{"", "aws-cn"}, []string{"https://s3.cn-north-1.amazonaws.com.cn"}, "us-east-1"},
		{Location{"", "aws-cn"}, []string{""}, "cn-north-1"},
		{Location{"", "aws"}, []string{"https://s3.us-east-1.amazonaws.com"}, "cn-north-1"},
		{Location{"https://s3.example.com", ""}, []string{"https://s3.example.com", "https://s3.example.com/", "https://S3.Example.com:443", "HTTPS://s3.example.com"}, "us-gov-west-1"},
		{Location{"https://s3.example.com:9000", ""}, []string{"https://s3.example.com:9000"}, ""},
		{Location{"https://s3.example.com/a%20b", ""}, []string{"https://s3.example.com/a%20b/"}, ""},
		{Location{"https://s3.example.com/A", ""}, []string{"https://s3.example.com/A"}, ""},
		{Location{"http://127.0.0.1:9000", ""}, []string{"http://127.0.0.1:9000"}, ""},
		{Location{"http://127.0.0.1:9001", ""}, []string{"http://127.0.0.1:9001"}, ""},
		{Location{"https://[::1]:9000", ""}, []string{"https://[::1]:9000"}, ""},
		{Location{"http://localhost", ""}, []string{"http://localhost:80", "http://LOCALHOST"}, ""},
	} {
		for _, e := range same.endpoints {
			if got := LocationOf(e, same.region); got != same.want {
				t.Errorf("LocationOf(%q, %q) = %+v, want %+v", e, same.region, got, same.want)
			}
		}
	}
}

// TestLocateIsWhereTheSDKSends names the endpoint in each way that the SDK knows.
func TestLocateIsWhereTheSDKSends(t *testing.T) {
	const config = `
[profile plain]
region = cn-north-1
[profile one]
endpoint_url = http://127.0.0.1:9001
[profile two]
services = two
[services two]
s3 =
  endpoint_url = http://127.0.0.1:9002
[profile both]
endpoint_url = http://127.0.0.1:9001
services = two
`
	for _, tt := range []struct {
		name string
		cfg  Config
		env  map[string]string
		want Location
	}{
		{"nothing", Config{}, nil, Location{"", "aws"}},
		{"the setting", Config{Endpoint: "http://127.0.0.1:9000/"}, map[string]string{"AWS_ENDPOINT_URL_S3": "http://127.0.0.1:1"}, Location{"http://127.0.0.1:9000", ""}},
		{"the setting over a profile", Config{Endpoint: "http://127.0.0.1:9000", Profile: "both"}, nil, Location{"http://127.0.0.1:9000", ""}},
		{"the variable of S3", Config{Profile: "both"}, map[string]string{"AWS_ENDPOINT_URL_S3": "http://127.0.0.1:9003", "AWS_ENDPOINT_URL": "http://127.0.0.1:9004"}, Location{"http://127.0.0.1:9003", ""}},
		{"the variable of all", Config{Profile: "plain"}, map[string]string{"AWS_ENDPOINT_URL": "http://127.0.0.1:9004"}, Location{"http://127.0.0.1:9004", ""}},
		{"a profile", Config{Profile: "one"}, nil, Location{"http://127.0.0.1:9001", ""}},
		{"a profile by the environment", Config{}, map[string]string{"AWS_PROFILE": "two"}, Location{"http://127.0.0.1:9002", ""}},
		{"a profile's services first", Config{Profile: "both"}, nil, Location{"http://127.0.0.1:9002", ""}},
		{"ignored", Config{Profile: "both"}, map[string]string{"AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "true"}, Location{"", "aws"}},
		{"a profile's region", Config{Profile: "plain"}, nil, Location{"", "aws-cn"}},
		{"the region", Config{Profile: "plain", Region: "us-gov-west-1"}, nil, Location{"", "aws-us-gov"}},
		{"the environment's region", Config{}, map[string]string{"AWS_REGION": "eusc-de-east-1"}, Location{"", "aws-eusc"}},
		{"a host of AWS's", Config{}, map[string]string{"AWS_ENDPOINT_URL_S3": "https://s3.eu-west-1.amazonaws.com"}, Location{"", "aws"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "config")
			if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
				t.Fatal(err)
			}
			isolate(t)
			t.Setenv("AWS_CONFIG_FILE", file)
			for name, value := range tt.env {
				t.Setenv(name, value)
			}
			tt.cfg.Bucket = "b"
			got, err := Locate(t.Context(), tt.cfg)
			if err != nil || got != tt.want {
				t.Errorf("Locate = %+v, %v, want %+v", got, err, tt.want)
			}
		})
	}
}
