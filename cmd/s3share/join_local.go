package main

import (
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"time"

	"github.com/s3share/s3share/cmd/s3share/internal/config"
	"github.com/s3share/s3share/cmd/s3share/internal/hint"
	"github.com/s3share/s3share/cmd/s3share/internal/ui"
	"github.com/s3share/s3share/s3backend"
)

// A line may name a server on this machine, where http is allowed. Any program may listen
// there, another user's too: it would get requests that are signed with the credentials of
// whoever joins, and the session token itself.

// trust asks before a server on this machine that only the line names gets requests. Where
// nobody can be asked, temporary credentials do not go there, and others only if what
// listens speaks like S3.
func (in *joinCmd) trust(ctx context.Context, stdin io.Reader,
	n ui.Printer, s *config.Settings) error {
	u, err := url.Parse(s.Endpoint)
	if err != nil || in.yes || s.Endpoint == "" ||
		!s3backend.IsLoopback(u.Hostname()) || namedHere(s.Endpoint) {
		return nil // what is no endpoint is told when it is used
	}
	n.Line(hint.OneLine(fmt.Sprintf("The line names a server on this machine, %s.", s.Endpoint)))
	if hint.ReadsFromTerminal(stdin) {
		return confirm(stdin, n.Out, "Send it requests with your credentials?",
			"say --yes, if that is meant")
	}
	client, err := connect(ctx, s, s.Owner)
	if err != nil {
		return err
	}
	defer client.CloseIdle()
	creds, err := client.API().Options().Credentials.Retrieve(ctx)
	if err != nil {
		return ui.Explain(s.Destination(), s3backend.Wrap(ctx, "Open", "", err))
	}
	const advice = "if that server is meant, say --yes, or name it in AWS_ENDPOINT_URL_S3"
	if creds.SessionToken != "" {
		return hint.With(
			errors.New(
				"only the line names this server on this machine, so no session token is sent to it"), advice)
	}
	switch is, err := speaksS3(ctx, s.Endpoint); {
	case err != nil:
		return ui.Explain(s.Destination(), s3backend.Wrap(ctx, "Open", "", err))
	case !is:
		return hint.With(errors.New("what listens there does not answer as S3 does"), advice)
	}
	return nil
}

// namedHere reports whether the environment names a server, too.
func namedHere(endpoint string) bool {
	for _, name := range []string{"S3SHARE_ENDPOINT_URL",
		"AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"} {
		if os.Getenv(name) == endpoint {
			return true
		}
	}
	return false
}

// speaksS3 asks a server for its buckets, without credentials, as any web page can. S3 and
// what is like it answer with a request's ID, or with an error in its form.
func speaksS3(ctx context.Context, endpoint string) (bool, error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, endpoint, nil)
	if err != nil {
		return false, err
	}
	transport := &http.Transport{DisableKeepAlives: true} // no proxy: it is this machine
	resp, err := transport.RoundTrip(req)
	if err != nil {
		return false, err
	}
	defer resp.Body.Close()
	if resp.Header.Get("X-Amz-Request-Id") != "" {
		return true, nil
	}
	text, _ := io.ReadAll(io.LimitReader(resp.Body, 4<<10)) // what was cut off has no form
	var reply struct {
		XMLName xml.Name `xml:"Error"`
		Code    string
	}
	return xml.Unmarshal(text, &reply) == nil && reply.Code != "", nil
}
