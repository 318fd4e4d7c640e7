package s3backend

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
)

// regionReply is what a server answers to one kind of request.
type regionReply struct {
	status int
	region string // of X-Amz-Bucket-Region; "" for no such header
	code   string
}

// TestBucketWithBadCredentials: where S3 refuses the credentials, an unsigned request tells
// whether the bucket exists and in which region. Every request goes to the endpoint.
func TestBucketWithBadCredentials(t *testing.T) {
	for _, tt := range []struct {
		name     string
		list     regionReply
		unsigned regionReply
		want     *UnsignedAnswer // nil: the error tells nothing about the bucket
		kind     error
	}{
		{"the bucket is elsewhere", regionReply{403, "", "InvalidAccessKeyId"}, regionReply{403, "eu-central-1", ""}, &UnsignedAnswer{Exists: true, Region: "eu-central-1"}, BadLogin},
		{"it redirects", regionReply{403, "", "SignatureDoesNotMatch"}, regionReply{301, "eu-central-1", ""}, &UnsignedAnswer{Exists: true, Region: "eu-central-1"}, BadLogin},
		{"no bucket", regionReply{403, "", "InvalidAccessKeyId"}, regionReply{404, "", ""}, &UnsignedAnswer{}, BadLogin},
		{"expired, and no bucket", regionReply{400, "", "ExpiredToken"}, regionReply{404, "", ""}, &UnsignedAnswer{}, BadLogin},
		{"open to everybody", regionReply{403, "", "InvalidAccessKeyId"}, regionReply{200, "", ""}, &UnsignedAnswer{Exists: true}, BadLogin},
		{"a server that refuses all names alike", regionReply{403, "", "InvalidAccessKeyId"}, regionReply{403, "", ""}, nil, BadLogin},
		{"a server that fails", regionReply{403, "", "InvalidAccessKeyId"}, regionReply{500, "", ""}, nil, BadLogin},
		{"no bucket, good credentials", regionReply{404, "", "NoSuchBucket"}, regionReply{404, "", ""}, nil, NoBucket},
		{"a dropbox", regionReply{403, "", "AccessDenied"}, regionReply{403, "", ""}, nil, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c, log := regionServer(t, regionReply{tt.list.status, "", ""}, tt.list, tt.unsigned)
			err := c.VerifyBucket(t.Context())
			if !errors.Is(err, tt.kind) {
				t.Fatalf("Prove = %v, want %v", err, tt.kind)
			}
			var got *UnsignedAnswer
			if errors.As(err, &got) != (tt.want != nil) {
				t.Fatalf("Prove = %v, with an unsigned answer %v, want %v", err, got, tt.want)
			}
			if tt.want != nil && (got.Exists != tt.want.Exists || got.Region != tt.want.Region) {
				t.Errorf("unsigned answer: exists %v, region %q, want %v, %q", got.Exists,
					got.Region, tt.want.Exists, tt.want.Region)
			}
			if tt.want != nil && codeOf(err) != tt.list.code {
				t.Errorf("code %q, want %q: the reason of S3 has to stay",
					codeOf(err), tt.list.code)
			}
			if asked := slices.Contains(*log, "unsigned HEAD"); asked != (tt.kind == BadLogin) {
				t.Errorf("requests %q", *log)
			}
			if c.Contact().Failing.IsZero() && tt.kind == BadLogin {
				t.Error("the unsigned request counts as an answer to us")
			}
		})
	}
}

// TestRegionOfARedirect: a signed HEAD that is redirected without a region is followed by
// an unsigned one, and the bucket is found where that says.
func TestRegionOfARedirect(t *testing.T) {
	for _, given := range []bool{false, true} {
		for _, code := range []string{"AuthorizationHeaderMalformed", "PermanentRedirect",
			"IllegalLocationConstraintException"} {
			c, log := regionServer(t, regionReply{400, "", ""}, regionReply{400, "", code},
				regionReply{403, "eu-central-1", ""})
			c.regionGiven = given
			err := c.VerifyBucket(t.Context())
			var region *RegionError
			switch {
			case given && (!errors.As(err, &region) || region.Is != "eu-central-1" ||
				region.Said != "us-east-1"):
				t.Errorf("%s: VerifyBucket = %v, want the bucket's region in the error", code, err)
			case !given && (err != nil || c.Region() != "eu-central-1"):
				t.Errorf("%s: VerifyBucket = %v, region %q, requests %q",
					code, err, c.Region(), *log)
			}
		}
	}
}

// regionServer is a server whose bucket is in eu-central-1, and a client that signs for
// us-east-1. The log has every request.
func regionServer(t *testing.T, head, list, unsigned regionReply) (*Client, *[]string) {
	t.Helper()
	var log []string
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		reply, what := unsigned, "unsigned "+r.Method
		switch auth := r.Header.Get("Authorization"); {
		case auth == "" && r.Header.Get("X-Amz-Expected-Bucket-Owner") != "":
			t.Error("an unsigned request names the owner")
		case auth == "":
		case strings.Contains(auth, "/eu-central-1/"):
			reply, what = regionReply{200, "eu-central-1", ""}, "moved "+r.Method
		case r.Method == http.MethodHead:
			reply, what = head, "HEAD"
		default:
			reply, what = list, r.Method
		}
		log = append(log, what)
		w.Header().Set("X-Amz-Request-Id", "R")
		if reply.region != "" {
			w.Header().Set("X-Amz-Bucket-Region", reply.region)
		}
		w.WriteHeader(reply.status)
		if reply.code != "" && r.Method != http.MethodHead {
			io.WriteString(w, "<Error><Code>"+reply.code+"</Code></Error>")
		}
	}))
	t.Cleanup(srv.Close)
	// Whatever is not sent to the endpoint fails.
	t.Setenv("HTTPS_PROXY", "http://127.0.0.1:1")
	c, err := newClient(
		Config{Bucket: "bkt", Endpoint: srv.URL, Attempts: 1, ExpectedOwner: "111122223333"},
		aws.Config{Region: "us-east-1",
			Credentials: &credentialSource{provider: credentials.NewStaticCredentialsProvider("id",
				"secret", "")}},
	)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.CloseIdle)
	return c, &log
}
