package s3backend

import (
	"context"
	"errors"
	"time"
)

// openTimeout is how long OpenSeen waits for an answer.
const openTimeout = 10 * time.Second

// OpenSeen is Open for a bucket that was opened before, when it was in this region. If S3 is out
// of reach, or refuses the credentials, the client is there all the same: its Contact is offline,
// with the reason, and KeepContact finds out when that ends.
func OpenSeen(ctx context.Context, cfg Config, region string) (*Client, error) {
	soon, cancel := context.WithTimeout(ctx, openTimeout)
	defer cancel()
	c, err := Open(soon, cfg)
	switch {
	case err == nil || ctx.Err() != nil:
		return c, err
	case soon.Err() != nil:
		err = &Error{Op: "Open", Err: errOutage}
	case !isAway(err) || errors.As(err, new(*RegionError)):
		return nil, err
	}
	if cfg.Region == "" {
		cfg.Region = region
	}
	loaded, lerr := load(ctx, cfg)
	if lerr != nil {
		return nil, err
	}
	if c, lerr = newClient(cfg, loaded); lerr != nil {
		return nil, err
	}
	c.contact.breaker.Trip(err)
	return c, nil
}
