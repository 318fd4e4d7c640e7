package s3backend

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"
)

// keysFile points the environment at a credentials file, and returns what writes it.
func keysFile(t *testing.T) (write func(id string)) {
	t.Helper()
	isolate(t)
	name := filepath.Join(t.TempDir(), "credentials")
	t.Setenv("AWS_SHARED_CREDENTIALS_FILE", name)
	return func(id string) {
		t.Helper()
		if err := os.WriteFile(name, []byte("[default]\naws_access_key_id = "+id+
			"\naws_secret_access_key = s\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// takes is a server that takes one access key alone.
func takes(id string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if !strings.Contains(r.Header.Get("Authorization"), "Credential="+id+"/") {
			refuse(w, 403, "InvalidAccessKeyId")
			return
		}
		w.Header().Set("ETag", `"e"`)
	}
}

// TestRenewed has keys renewed on disk after S3 has refused them: the next request
// goes out with the new ones.
func TestRenewed(t *testing.T) {
	write := keysFile(t)
	write("OLD")
	loaded, err := load(t.Context(), Config{})
	if err != nil {
		t.Fatal(err)
	}
	c := against(t, takes("NEW"))
	c, err = newClient(Config{Bucket: "bkt", Endpoint: *c.s3.Options().BaseEndpoint, Attempts: 1},
		loaded)
	if err != nil {
		t.Fatal(err)
	}
	put := func() error {
		_, err := c.Put(t.Context(), "k", strings.NewReader(""), 0, nil, Condition{})
		return err
	}
	if err := put(); !errors.Is(err, BadLogin) {
		t.Fatalf("with the old keys: %v, want them refused", err)
	}
	write("NEW")
	if err := put(); err != nil {
		t.Errorf("with the new keys: %v", err)
	}
}

// TestRenewedRarely does not look for others at each request, nor at all while S3
// takes those there are.
func TestRenewedRarely(t *testing.T) {
	looks := 0
	from := credentials.NewStaticCredentialsProvider("id", "secret", "")
	l := &credentialSource{provider: from,
		load: func(context.Context, string, func() (string, error)) (aws.Config, error) {
			looks++
			return aws.Config{Credentials: from}, nil
		}}
	get := func(n int) {
		for range n {
			if _, err := l.Retrieve(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
	}
	get(10)
	if looks != 0 {
		t.Errorf("%d looks while all was well", looks)
	}
	for range 10 {
		l.markRefused()
		get(10)
	}
	if looks != 1 {
		t.Errorf("%d looks within a moment, want 1", looks)
	}
	l.nextRefresh = time.Now()
	get(1)
	if looks != 2 {
		t.Errorf("%d looks after the pause, want 2", looks)
	}
}

// roleWithCode is a source that asks for a code, and takes one.
type roleWithCode struct {
	ask  func() (string, error)
	good string
}

func (r roleWithCode) Retrieve(context.Context) (aws.Credentials, error) {
	code, err := r.ask()
	if err == nil && code != r.good {
		err = errors.New("the code is wrong")
	}
	return aws.Credentials{AccessKeyID: "NEW", SecretAccessKey: "s"}, err
}

// TestLoginWithCode hands an MFA code to a source that nobody can be asked for.
func TestLoginWithCode(t *testing.T) {
	isolate(t)
	c := against(t, takes("NEW"))
	l := &credentialSource{provider: credentials.NewStaticCredentialsProvider("OLD", "s", ""),
		load: func(_ context.Context, _ string, code func() (string, error)) (aws.Config, error) {
			return aws.Config{Credentials: roleWithCode{code, "123456"}}, nil
		}}
	c, err := newClient(Config{Bucket: "bkt", Endpoint: *c.s3.Options().BaseEndpoint, Attempts: 1},
		aws.Config{Region: "r", Credentials: l})
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Login(t.Context(), "000000"); !errors.Is(err, BadLogin) {
		t.Errorf("Login with a wrong code = %v, want it refused", err)
	}
	if creds, err := l.Retrieve(t.Context()); err != nil || creds.AccessKeyID != "OLD" {
		t.Errorf("after a wrong code there are %v, %v, want those there were", creds.AccessKeyID,
			err)
	}
	if err := l.refresh(t.Context(), "", mfaCode); !atTerminal() && !errors.Is(err, ErrNeedsCode) {
		t.Errorf("without a code: %v, want ErrNeedsCode", err)
	}
	once := ""
	l.load = func(_ context.Context, _ string, code func() (string, error)) (aws.Config, error) {
		once, _ = code()
		if _, err := code(); !errors.Is(err, ErrNeedsCode) {
			t.Errorf("a code was given twice: %v", err)
		}
		return aws.Config{Credentials: credentials.NewStaticCredentialsProvider("NEW", "s", "")},
			nil
	}
	if err := c.Login(t.Context(), "123456"); err != nil || once != "123456" {
		t.Errorf("Login = %v and gave the code %q", err, once)
	}
}

// TestLoginWhileTheBreakerIsOpen: good credentials are taken though those before were refused, or
// S3 was out of reach, a moment ago; and where nobody answers, the credentials are not blamed.
func TestLoginWhileTheBreakerIsOpen(t *testing.T) {
	for _, before := range []error{
		&Error{Op: "ListObjectsV2", Kind: BadLogin,
			Err: &smithy.GenericAPIError{Code: "ExpiredToken"}},
		&Error{Op: "ListObjectsV2", Err: errOutage},
	} {
		for _, gone := range []bool{false, true} {
			keysFile(t)("NEW")
			loaded, err := load(t.Context(), Config{})
			if err != nil {
				t.Fatal(err)
			}
			srv := httptest.NewServer(takes("NEW"))
			c, err := newClient(Config{Bucket: "bkt", Endpoint: srv.URL, Attempts: 1}, loaded)
			if err != nil {
				t.Fatal(err)
			}
			if gone {
				srv.Close()
			}
			c.contact.breaker.Trip(before)
			if err := c.Login(t.Context(), ""); (err == nil) == gone ||
				gone && !isKind(err, Other) {
				t.Errorf("after %v, gone: %v: Login = %v", before, gone, err)
			}
			srv.Close()
		}
	}
}

// TestNoAnswerIsNoBadLogin: a service that gives out credentials and does not answer says nothing
// against them.
func TestNoAnswerIsNoBadLogin(t *testing.T) {
	cut := &smithyhttp.RequestSendError{Err: errors.New("connection refused")}
	for _, tt := range []struct {
		err  error
		want Kind
	}{
		{&smithy.OperationError{ServiceID: "STS", OperationName: "AssumeRole", Err: cut}, Other},
		{&smithy.OperationError{ServiceID: "SSO", OperationName: "GetRoleCredentials", Err: cut}, Other},
		{&smithy.OperationError{ServiceID: "STS", OperationName: "AssumeRole", Err: &smithy.GenericAPIError{Code: "AccessDenied"}}, BadLogin},
		// There are no credentials at all.
		{&smithy.OperationError{ServiceID: "ec2imds", OperationName: "GetMetadata", Err: cut}, BadLogin},
		{errors.New("process exited with 3"), BadLogin},
	} {
		if err := wrapError(t.Context(), "Open", "", noLogin(tt.err)); !isKind(err, tt.want) {
			t.Errorf("%v is told as %v, want the kind %q", tt.err, err, tt.want)
		}
	}
}

// TestLoginIsWhatS3Says: a login has worked only if S3 has taken the credentials.
func TestLoginIsWhatS3Says(t *testing.T) {
	for _, tt := range []struct {
		status int
		code   string
		want   Kind
		taken  bool
	}{
		{200, "", Other, true},
		{403, "AccessDenied", Denied, true}, // the policy refuses the listing, and knows who asks
		{403, "ExpiredToken", BadLogin, false},
		{403, "SignatureDoesNotMatch", BadLogin, false},
		{404, "NoSuchBucket", NoBucket, false},
		{500, "InternalError", Other, false},
		{503, "SlowDown", Busy, false},
	} {
		write := keysFile(t)
		write("NEW")
		loaded, err := load(t.Context(), Config{})
		if err != nil {
			t.Fatal(err)
		}
		c := against(t, func(w http.ResponseWriter, _ *http.Request) {
			if tt.code != "" {
				refuse(w, tt.status, tt.code)
				return
			}
			_, _ = w.Write([]byte("<ListBucketResult></ListBucketResult>"))
		})
		c, err = newClient(Config{Bucket: "bkt",
			Endpoint: *c.s3.Options().BaseEndpoint, Attempts: 1}, loaded)
		if err != nil {
			t.Fatal(err)
		}
		if err := c.Login(t.Context(), ""); tt.taken != (err == nil) ||
			!tt.taken && !isKind(err, tt.want) {
			t.Errorf("Login = %v where S3 answers %d %s, want it taken: %v", err,
				tt.status, tt.code, tt.taken)
		}
	}
}

// TestAnotherProfile has a client use another profile: only if it is there and S3 takes it.
func TestAnotherProfile(t *testing.T) {
	write := keysFile(t)
	write(
		"OLD\naws_secret_access_key = s\n[new]\naws_access_key_id = NEW\naws_secret_access_key = s\n[refused]\naws_access_key_id = OTHER")
	loaded, err := load(t.Context(), Config{})
	if err != nil {
		t.Fatal(err)
	}
	c := against(t, func(w http.ResponseWriter, r *http.Request) {
		if strings.Contains(r.Header.Get("Authorization"), "Credential=OTHER/") {
			refuse(w, 403, "InvalidAccessKeyId")
			return
		}
		w.Header().Set("ETag", `"e"`)
	})
	c, err = newClient(Config{Bucket: "bkt", Endpoint: *c.s3.Options().BaseEndpoint, Attempts: 1},
		loaded)
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ profile, keeps, key string }{
		{"refused", "", "OLD"}, {"nobody", "", "OLD"}, {"new", "new", "NEW"}, {"refused", "new", "NEW"}, {"", "", "OLD"},
	} {
		is := true
		c.isOwner.Store(&is)
		changes := tt.profile == tt.keeps
		err := c.UseProfile(t.Context(), tt.profile)
		creds, _ := loaded.Credentials.Retrieve(t.Context())
		if changes != (err == nil) || c.profile() != tt.keeps || creds.AccessKeyID != tt.key {
			t.Errorf(
				"UseProfile(%q) = %v and leaves the profile %q with the key %s, want %q with %s",
				tt.profile, err, c.profile(), creds.AccessKeyID, tt.keeps, tt.key)
		}
		if changes == (c.isOwner.Load() != nil) {
			t.Errorf("UseProfile(%q) keeps who owns the bucket: %t", tt.profile, !changes)
		}
		if got := c.LoginMethod().Profile; tt.keeps != "" && got != tt.keeps {
			t.Errorf("UseProfile(%q) leaves the login method of profile %q", tt.profile, got)
		}
	}
}
