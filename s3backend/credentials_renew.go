package s3backend

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/smithy-go"
	"github.com/aws/smithy-go/middleware"
)

// minRefreshInterval is the least time between two searches for other credentials. Each reads the
// profile and may run its credential_process.
const minRefreshInterval = 5 * time.Second

// credentialSource returns the credentials. Once S3 has refused them, or if there were none, it
// reads the environment and the profile again: a profile that was renewed meanwhile is used
// without anybody asking for it. It returns its failures, which have many types, as a
// *loginError.
type credentialSource struct {
	// load returns a provider, and where it has what it knows from, by the environment and the
	// profile as they are now; code returns the MFA code for a role that asks for one. nil: the
	// provider never changes.
	load func(ctx context.Context, profile string, code func() (string, error)) (aws.Config, error)

	// mu guards the fields below.
	mu          sync.Mutex
	provider    aws.CredentialsProvider
	profile     string    // "" for AWS_PROFILE, or the default one
	sources     []any     // what the SDK has read the provider from
	refused     bool      // what from gave, or that it gave nothing
	nextRefresh time.Time // not looked for others before
	signer      *v4.Signer
}

// newSigner makes a signer. It signs with a key that it derives once for each access key, of which
// another secret would not be noticed: so renewed credentials get a signer of their
// own.
func newSigner() *v4.Signer {
	// S3 requires this.
	return v4.NewSigner(func(o *v4.SignerOptions) { o.DisableURIPathEscaping = true })
}

// SignHTTP implements s3.HTTPSignerV4.
func (l *credentialSource) SignHTTP(ctx context.Context, creds aws.Credentials, r *http.Request,
	payloadHash, service, region string, at time.Time, options ...func(*v4.SignerOptions)) error {
	l.mu.Lock()
	if l.signer == nil {
		l.signer = newSigner()
	}
	signer := l.signer
	l.mu.Unlock()
	return signer.SignHTTP(ctx, creds, r, payloadHash, service, region, at, options...)
}

// Retrieve implements aws.CredentialsProvider.
func (l *credentialSource) Retrieve(ctx context.Context) (aws.Credentials, error) {
	if l.refreshDue() {
		// If it fails, the old credentials stay, and their error says what is wrong.
		_ = l.refresh(ctx, l.current().profile, mfaCode)
	}
	l.mu.Lock()
	from := l.provider
	l.mu.Unlock()
	if from == nil {
		return aws.Credentials{}, &loginError{err: errors.New("no credentials are configured")}
	}
	creds, err := from.Retrieve(ctx)
	if err != nil {
		if ctx.Err() == nil {
			l.markRefused()
		}
		return creds, noLogin(err)
	}
	return creds, nil
}

// refreshDue reports whether it is time to look for other credentials.
func (l *credentialSource) refreshDue() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	if !l.refused || l.load == nil || now.Before(l.nextRefresh) {
		return false
	}
	l.nextRefresh = now.Add(minRefreshInterval)
	return true
}

func (l *credentialSource) markRefused() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.refused = true
}

// refresh takes the credentials that the environment and the profile have now, if there are any.
func (l *credentialSource) refresh(ctx context.Context, profile string,
	code func() (string, error)) error {
	if l.load == nil {
		return nil
	}
	loaded, err := l.load(ctx, profile, code)
	if err == nil && loaded.Credentials == nil {
		err = errors.New("no credentials are configured")
	}
	if err == nil {
		_, err = loaded.Credentials.Retrieve(ctx)
	}
	if err != nil {
		return noLogin(err)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.provider, l.profile, l.sources, l.refused, l.signer = loaded.Credentials, profile,
		loaded.ConfigSources, false, nil
	return nil
}

// credentialOrigin is where a credentialSource has its credentials from.
type credentialOrigin struct {
	provider aws.CredentialsProvider
	profile  string
	sources  []any
}

func (l *credentialSource) current() credentialOrigin {
	l.mu.Lock()
	defer l.mu.Unlock()
	return credentialOrigin{l.provider, l.profile, l.sources}
}

// use has the credentials come from o.
func (l *credentialSource) use(o credentialOrigin) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.provider, l.profile, l.sources, l.signer = o.provider, o.profile, o.sources, nil
}

const loginID = "s3share:login"

// middleware notes that S3 has refused credentials.
func (l *credentialSource) middleware(stack *middleware.Stack) error {
	return stack.Initialize.Add(middleware.InitializeMiddlewareFunc(loginID,
		func(ctx context.Context, in middleware.InitializeInput,
			next middleware.InitializeHandler) (
			middleware.InitializeOutput, middleware.Metadata, error,
		) {
			out, meta, err := next.HandleInitialize(ctx, in)
			if refusesLogin(err) {
				l.markRefused()
			}
			return out, meta, err
		}), middleware.Before)
}

// refusesLogin reports whether other credentials may be accepted. They do
// not help against a wrong clock.
func refusesLogin(err error) bool {
	var api smithy.APIError
	if !errors.As(err, &api) || kindOfCode[api.ErrorCode()] != BadLogin {
		return false
	}
	return api.ErrorCode() != "RequestTimeTooSkewed" && api.ErrorCode() != "RequestExpired"
}

// ErrNeedsCode says that a role asks for an MFA code, and nobody is there to type
// it: Login takes one.
var ErrNeedsCode = errors.New("a new MFA code is needed")

// mfaCode asks at the terminal, if there is one.
func mfaCode() (string, error) {
	if !atTerminal() {
		return "", ErrNeedsCode
	}
	return askMFA()
}

// logins are the credentials that a client uses: whose they are, and how they are replaced.
type logins struct {
	at      *endpoint
	isOwner atomic.Pointer[bool] // as Ownership.IsOwner found out with them; nil until it has
}

// Login looks for credentials at once, with an MFA code if their source asks for
// one, and returns nil if S3 takes them. Its error is BadLogin if it does not.
func (l *logins) Login(ctx context.Context, code string) error {
	give := mfaCode
	if code != "" {
		give = func() (string, error) {
			if code == "" {
				return "", ErrNeedsCode // a code is good for one session
			}
			once := code
			code = ""
			return once, nil
		}
	}
	return l.login(ctx, l.profile(), give)
}

// UseProfile is Login with the credentials of a profile, "" for that of the environment. It asks
// nobody for an MFA code. If S3 refuses them, or there are none, those that there were stay.
func (l *logins) UseProfile(ctx context.Context, profile string) error {
	changes := profile != l.profile()
	err := l.login(ctx, profile, func() (string, error) { return "", ErrNeedsCode })
	if changes && l.profile() == profile {
		l.isOwner.Store(nil) // it may be of another account
	}
	return err
}

// profile is the one that is named, "" for none.
func (l *logins) profile() string {
	if source, ok := l.at.loaded.Credentials.(*credentialSource); ok {
		return source.current().profile
	}
	return ""
}

func (l *logins) login(ctx context.Context, profile string, code func() (string, error)) error {
	source, ok := l.at.loaded.Credentials.(*credentialSource)
	if !ok {
		return protocolError("Open", "", "the credentials cannot be renewed")
	}
	before := source.current()
	if err := source.refresh(ctx, profile, code); err != nil {
		return wrapError(ctx, "Open", "", err)
	}
	max := int32(1)
	// It is sent also while S3 is taken to be out of reach: with other credentials it may not be.
	asking, cancel := context.WithTimeout(context.WithValue(ctx, probing{}, true), openTimeout)
	defer cancel()
	_, err := l.at.s3.ListObjectsV2(asking,
		&s3.ListObjectsV2Input{Bucket: &l.at.bucket, MaxKeys: &max})
	if err != nil && asking.Err() != nil && ctx.Err() == nil {
		err = &Error{Op: "ListObjectsV2", Err: errOutage}
	}
	err = wrapError(ctx, "ListObjectsV2", "", err)
	switch {
	case errors.Is(err, BadLogin): // those that there were may be good still
		source.use(before)
		return err
	case !judged(err): // S3 has not said whether it takes them
		return err
	}
	return nil // a policy that refuses the listing has taken them
}

// LoginMethod is how credentials are obtained, as far as it matters for what a person can do.
type LoginMethod struct {
	Profile string `json:"profile,omitempty"` // "" for the default one
	SSO     bool   `json:"sso,omitempty"`     // renewed by aws sso login
	MFA     string `json:"mfa,omitempty"`     // the device whose code a role asks for
	Fixed   bool   `json:"fixed,omitempty"`   // from the environment: they stay as they are
}

// LoginMethod returns how the client's credentials are obtained.
func (l *logins) LoginMethod() LoginMethod {
	var m LoginMethod
	sources, profile := l.at.loaded.ConfigSources, ""
	if source, ok := l.at.loaded.Credentials.(*credentialSource); ok {
		from := source.current()
		sources, profile = from.sources, from.profile
	}
	for _, source := range sources {
		switch s := source.(type) {
		case config.EnvConfig:
			if s.Credentials.HasKeys() && profile == "" {
				return LoginMethod{Fixed: true}
			}
		case config.SharedConfig:
			m.Profile = s.Profile
			for p := &s; p != nil; p = p.Source {
				m.SSO = m.SSO || p.SSOSessionName != "" || p.SSOStartURL != ""
				if m.MFA == "" {
					m.MFA = p.MFASerial
				}
			}
		}
	}
	return m
}
