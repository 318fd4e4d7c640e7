package daemon

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/s3share/s3share/cmd/s3share/internal/control"
	"github.com/s3share/s3share/s3backend"
)

// connectionTimeout is how long a status waits for S3.
const connectionTimeout = 2 * time.Second

// checkConnection asks S3 where it has not answered lately.
func (d *mountDaemon) checkConnection(ctx context.Context) *control.Connection {
	ctx, cancel := context.WithTimeout(ctx, connectionTimeout)
	defer cancel()
	known, err := d.bucket.Check(ctx)
	c := d.connectionOf(known)
	if err != nil && c.State == control.Online {
		c.State = control.NoAnswer
		c.Reason = fmt.Sprintf("no answer from %s in %s", d.settings.Destination().ServerName(), connectionTimeout)
	}
	return c
}

func (d *mountDaemon) connectionOf(known s3backend.Contact) *control.Connection {
	c := &control.Connection{State: control.Online, Answered: known.Answered, Since: known.Failing, Words: d.errorText(known.Err)}
	switch {
	case known.Failing.IsZero():
	case isRefusal(known.Err):
		c.State = control.Refused
	default:
		c.State = control.Offline
	}
	return c
}

// isRefusal reports whether an error needs a person: time alone does not mend it.
func isRefusal(err error) bool {
	return errors.Is(err, s3backend.BadLogin) || errors.Is(err, s3backend.NoBucket) || errors.Is(err, s3backend.WrongOwner)
}
