package s3backend

import (
	"context"
	"net/url"
	"strings"
)

// Location is which S3 a Config leads to, as the SDK finds out from the environment and
// the profile. Buckets of one name are the same bucket if their Locations are equal.
type Location struct {
	// Endpoint is where S3 answers; "" for AWS, whichever of its host names is used.
	Endpoint string
	// Partition is AWS's part of the world in which the bucket's name is unique, like aws
	// or aws-cn; "" for other servers.
	Partition string
}

// Locate finds out where a client for cfg would send its requests. It sends none, and
// needs no credentials.
func Locate(ctx context.Context, cfg Config) (Location, error) {
	loaded, err := loadOnce(ctx, cfg, mfaCode)
	if err != nil {
		return Location{}, err
	}
	c, err := newClient(cfg, loaded)
	if err != nil {
		return Location{}, err
	}
	return c.location(), nil
}

func (e *endpoint) location() Location {
	o := e.s3.Options()
	if o.BaseEndpoint == nil {
		return Location{Partition: Partition(e.region)}
	}
	return LocationOf(*o.BaseEndpoint, e.region)
}

// LocationOf is the Location of an endpoint that is known; region matters where it is "".
func LocationOf(endpoint, region string) Location {
	if endpoint == "" {
		return Location{Partition: Partition(region)}
	}
	u, err := url.Parse(endpoint)
	if err != nil {
		return Location{Endpoint: endpoint}
	}
	host, port := strings.ToLower(u.Hostname()), u.Port()
	if isAWSHost(host) {
		return Location{Partition: hostPartition(host, region)}
	}
	if strings.Contains(host, ":") {
		host = "[" + host + "]"
	}
	if port != "" && (u.Scheme != "https" || port != "443") &&
		(u.Scheme != "http" || port != "80") {
		host += ":" + port
	}
	return Location{Endpoint: u.Scheme + "://" + host + strings.TrimRight(u.EscapedPath(), "/")}
}
