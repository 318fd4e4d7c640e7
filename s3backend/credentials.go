package s3backend

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials/processcreds"
	"github.com/aws/aws-sdk-go-v2/credentials/stscreds"
	"github.com/aws/smithy-go"
	"github.com/aws/smithy-go/logging"
	smithyhttp "github.com/aws/smithy-go/transport/http"
	"golang.org/x/sys/unix"
)

// expiryWindow is how long before they expire credentials are renewed, so that
// a long request does not outlive those it was signed with.
const expiryWindow = 5 * time.Minute

// fallbackRegion is where a bucket is looked for when nothing says where it
// is; S3 answers from there with the right one.
const fallbackRegion = "us-east-1"

// load reads the environment, the profile and the credentials' sources.
func load(ctx context.Context, cfg Config) (aws.Config, error) {
	loaded, err := loadOnce(ctx, cfg, mfaCode)
	if err != nil {
		return loaded, err
	}
	loaded.Credentials = &credentialSource{
		provider: loaded.Credentials, profile: cfg.Profile, sources: loaded.ConfigSources,
		load: func(ctx context.Context, profile string,
			code func() (string, error)) (aws.Config, error) {
			with := cfg
			with.Profile = profile
			return loadOnce(ctx, with, code)
		},
	}
	return loaded, nil
}

func loadOnce(ctx context.Context, cfg Config, code func() (string, error)) (aws.Config, error) {
	opts := []func(*config.LoadOptions) error{
		config.WithLogger(sdkLog{cfg.Logger}), // by itself the SDK writes to standard error
		// A BuildableClient, for only that takes the CA bundle of AWS_CA_BUNDLE.
		// The limit is for those who give credentials; S3 has its own watchdog.
		config.WithHTTPClient(
			awshttp.NewBuildableClient().WithTransportOptions(tune).WithTimeout(quiet)),
		config.WithCredentialsCacheOptions(func(o *aws.CredentialsCacheOptions) {
			o.ExpiryWindow = expiryWindow
		}),
		config.WithAssumeRoleCredentialOptions(func(o *stscreds.AssumeRoleOptions) {
			o.TokenProvider = code
		}),
	}
	if cfg.Region != "" {
		opts = append(opts, config.WithRegion(cfg.Region))
	}
	if cfg.Profile != "" {
		opts = append(opts, config.WithSharedConfigProfile(cfg.Profile))
	}
	loaded, err := config.LoadDefaultConfig(ctx, opts...)
	if err != nil {
		var noProfile config.SharedConfigProfileNotExistError
		if errors.As(err, &noProfile) {
			err = noLogin(err)
		}
		return aws.Config{}, wrapError(ctx, "Open", "", err)
	}
	if loaded.Region == "" {
		loaded.Region = fallbackRegion
	}
	return loaded, nil
}

// sdkLog is where the SDK logs. What it warns of is of no use to a user (a connection
// that cannot be used again): the error of the request says what went wrong.
type sdkLog struct{ to *slog.Logger }

// Logf implements [logging.Logger].
func (l sdkLog) Logf(_ logging.Classification, format string, args ...any) {
	if l.to != nil {
		l.to.Debug("the AWS SDK: " + fmt.Sprintf(format, args...))
	}
}

// transportOf is the transport for S3: as load made it, the CA bundle included.
func transportOf(loaded aws.Config) *http.Transport {
	if b, ok := loaded.HTTPClient.(*awshttp.BuildableClient); ok {
		return b.GetTransport()
	}
	t := new(http.Transport)
	tune(t)
	return t
}

// loginError says that no credentials could be had. away is set if the service that gives them
// out has not answered: nothing is wrong with them.
type loginError struct {
	err  error
	away bool
}

// noLogin returns the loginError for an error of the SDK. If the output of credential_process
// is not JSON, the SDK's error repeats all of it, with the secrets: noLogin leaves it out.
func noLogin(err error) error {
	var (
		process *processcreds.ProviderError
		syntax  *json.SyntaxError
		form    *json.UnmarshalTypeError
	)
	switch {
	case !errors.As(err, &process):
	case errors.As(err, &syntax):
		err = fmt.Errorf("what credential_process prints is no JSON: %w", syntax)
	case errors.As(err, &form):
		err = fmt.Errorf("what credential_process prints is not what it has to be: %s is a %s",
			form.Field, form.Value)
	}
	return &loginError{err, isUnanswered(err)}
}

// isUnanswered reports whether a request for credentials was not answered. The instance metadata
// service is asked last, in vain on most machines: that is no answer of its kind.
func isUnanswered(err error) bool {
	var (
		request *smithy.OperationError
		send    *smithyhttp.RequestSendError
	)
	return errors.As(err, &request) && request.Service() != "ec2imds" && errors.As(err, &send)
}

func (e *loginError) Error() string { return e.err.Error() }
func (e *loginError) Unwrap() error { return e.err }

// askMFA asks at the terminal. Not on standard output, which may be read by a
// program.
func askMFA() (string, error) {
	fmt.Fprint(os.Stderr, "MFA code: ")
	var code string
	_, err := fmt.Fscanln(os.Stdin, &code)
	return code, err
}

// atTerminal reports whether somebody can be asked: not any more once a daemon has
// left its terminal.
func atTerminal() bool {
	_, err := unix.IoctlGetWinsize(int(os.Stdin.Fd()), unix.TIOCGWINSZ)
	return err == nil
}
