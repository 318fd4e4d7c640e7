package s3backend

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"
)

// CheckEndpointURL refuses an endpoint that is not an http or https URL with a host. One that
// has a user name in it is refused where it is used, since it must not be printed.
func CheckEndpointURL(s string) error {
	u, err := url.Parse(s)
	scheme, _, hasScheme := strings.Cut(s, "://")
	switch {
	case strings.Contains(s, "@"):
		return nil
	case !hasScheme, scheme != "https" && scheme != "http":
		return fmt.Errorf("endpoint %q must begin with https://", s)
	case err != nil:
		return fmt.Errorf("endpoint %q is not a URL: %w", s, innerURLError(err))
	case u.Hostname() == "":
		return fmt.Errorf("endpoint %q names no host: write it like https://s3.example.com", s)
	}
	return nil
}

// innerURLError is an error of [url.Parse] without the URL, which the sentence has already.
func innerURLError(err error) error {
	var e *url.Error
	if errors.As(err, &e) {
		return e.Err
	}
	return err
}

// checkEndpoint refuses an endpoint that is no URL, that has a user name or a password in it,
// or that is plain http to another machine.
func checkEndpoint(s string) (*url.URL, error) {
	shown, hasUser := withoutUser(s)
	if hasUser {
		return nil, protocolError("Open", "",
			"endpoint %q has a user name or a password before it, which S3 does not take", shown)
	}
	if err := CheckEndpointURL(s); err != nil {
		return nil, protocolError("Open", "", "%w", err)
	}
	u, err := url.Parse(s)
	switch {
	case err != nil:
		return nil, protocolError("Open", "", "endpoint %q is not a URL: %w", s, innerURLError(err))
	case u.Scheme == "http" && !IsLoopback(u.Hostname()):
		return nil, protocolError("Open",
			"", "endpoint %q is not encrypted: http is allowed on loopback only; use https", s)
	}
	return u, nil
}

// withoutUser returns an endpoint without the user name and password before its host, which
// must not be printed, and reports whether it had any.
func withoutUser(endpoint string) (string, bool) {
	at := strings.LastIndexByte(endpoint, '@')
	if at < 0 {
		return endpoint, false
	}
	scheme, _, ok := strings.Cut(endpoint[:at], "://")
	if !ok {
		return endpoint[at+1:], true
	}
	return scheme + "://" + endpoint[at+1:], true
}

// IsLoopback reports whether a host is this machine, by its name or address.
func IsLoopback(host string) bool {
	if host == "localhost" || strings.HasSuffix(host, ".localhost") {
		return true
	}
	ip := net.ParseIP(host)
	return ip != nil && ip.IsLoopback()
}

func isIPOrLoopback(host string) bool {
	return IsLoopback(host) || net.ParseIP(host) != nil
}
