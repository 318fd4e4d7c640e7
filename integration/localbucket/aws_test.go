package main

import (
	"crypto/tls"
	"crypto/x509"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/s3share/s3share/integration/localbucket/internal/bucket"
)

// asOnAWS is a client that knows no endpoint but AWS's own.
func (p *process) asOnAWS(t *testing.T, a bucket.Account) *s3.Client {
	t.Helper()
	if p.line.AWS == nil {
		t.Fatalf("the line says nothing of AWS: %+v", p.line)
	}
	proxy, err := url.Parse(p.line.AWS.Proxy)
	if err != nil {
		t.Fatal(err)
	}
	authority, err := os.ReadFile(p.line.AWS.Authority)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(authority)
	transport := &http.Transport{Proxy: http.ProxyURL(proxy),
		TLSClientConfig: &tls.Config{RootCAs: pool}}
	t.Cleanup(transport.CloseIdleConnections)
	return s3.New(s3.Options{
		Region: p.line.Region, HTTPClient: &http.Client{Transport: transport},
		Credentials: credentials.NewStaticCredentialsProvider(a.AccessKeyID, a.SecretAccessKey, ""),
	})
}

// TestAWSByItsNames reaches the bucket by the host names that AWS has in each partition:
// the bucket's, its access point's and that one's alias.
func TestAWSByItsNames(t *testing.T) {
	for region, partition := range map[string]string{
		"us-east-1": "aws", "cn-north-1": "aws-cn", "us-gov-west-1": "aws-us-gov", "eusc-de-east-1": "aws-eusc", "us-iso-east-1": "aws-iso",
	} {
		t.Run(region, func(t *testing.T) {
			p := start(t, "--aws", "--region", region, "--policy", "full")
			if want := "arn:" + partition + ":iam::" + p.line.Client.AccountID +
				":root"; p.line.Client.Principal != want {
				t.Errorf("the client is %s, want %s", p.line.Client.Principal, want)
			}
			owner, client := p.asOnAWS(t, p.line.Owner), p.asOnAWS(t, p.line.Client)
			point := "arn:" + partition + ":s3:" + region + ":" + p.line.Owner.AccountID +
				":accesspoint/" + p.line.Bucket
			names := []string{p.line.Bucket, point, p.line.Bucket + "-localbucket-s3alias"}
			for _, key := range []string{"plain", "a b+c%20d/ä?", "folder/"} {
				for _, by := range names {
					body := "by " + by
					if strings.HasSuffix(key, "/") {
						body = ""
					}
					_, err := client.PutObject(t.Context(),
						&s3.PutObjectInput{Bucket: &by, Key: &key, Body: strings.NewReader(body),
							ACL: types.ObjectCannedACLBucketOwnerFullControl})
					if err != nil {
						t.Fatalf("put of %q by %s: %v", key, by, err)
					}
					for _, other := range names {
						out, err := owner.GetObject(t.Context(),
							&s3.GetObjectInput{Bucket: &other, Key: &key})
						if err != nil {
							t.Fatalf("get of %q by %s: %v", key, other, err)
						}
						if got, err := io.ReadAll(out.Body); string(got) != body || err != nil {
							t.Errorf("get of %q by %s = %q, %v, want %q",
								key, other, got, err, body)
						}
					}
				}
			}
			copied := func(source string) error {
				_, err := client.CopyObject(t.Context(),
					&s3.CopyObjectInput{Bucket: &point, Key: aws.String("copy"),
						CopySource: &source, ACL: types.ObjectCannedACLBucketOwnerFullControl})
				return err
			}
			for _, source := range []string{p.line.Bucket + "/plain", point + "/object/plain"} {
				if err := copied(source); err != nil {
					t.Errorf("copy of %s: %v", source, err)
				}
			}
			out, err := client.ListObjectsV2(t.Context(),
				&s3.ListObjectsV2Input{Bucket: &p.line.Bucket})
			if err != nil || len(out.Contents) != 4 {
				t.Errorf("list = %v, %v, want 4 objects", out, err)
			}
			if err := p.stdin.Close(); err != nil {
				t.Fatal(err)
			}
			p.end(t)
		})
	}
}

// TestBothHalves has the client's own account grant its users less than the bucket's
// policy grants the account.
func TestBothHalves(t *testing.T) {
	file := filepath.Join(t.TempDir(), "iam.json")
	write := func(actions string) {
		t.Helper()
		text := `{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": [` +
			actions + `], "Resource": "*"}]}`
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(`"s3:PutObject"`)
	p := start(t, "--aws", "--policy", "article", "--client-iam", file)
	client := p.line.S3(p.line.Client)
	put := func(acl types.ObjectCannedACL) error {
		_, err := client.PutObject(t.Context(), &s3.PutObjectInput{Bucket: &p.line.Bucket,
			Key: aws.String("f"), Body: strings.NewReader("data"), ACL: acl})
		return err
	}
	if err := put(""); err != nil {
		t.Errorf("put that both halves allow: %v", err)
	}
	if err := put(types.ObjectCannedACLBucketOwnerFullControl); err == nil {
		t.Error("put with an ACL that only the bucket's policy allows")
	}
	write(`"s3:PutObject", "s3:PutObjectAcl"`)
	if err := put(types.ObjectCannedACLBucketOwnerFullControl); err != nil {
		t.Errorf("put that both halves allow: %v", err)
	}
	if _, err := p.get(t.Context(), "f"); err != nil {
		t.Errorf("owner's get: %v", err)
	}
	if err := p.stdin.Close(); err != nil {
		t.Fatal(err)
	}
	p.end(t)
}
