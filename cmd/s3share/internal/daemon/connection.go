package daemon

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/s3share/s3share/cache/outbox"
	"github.com/s3share/s3share/cmd/s3share/internal/control"
	"github.com/s3share/s3share/cmd/s3share/internal/ui"
	"github.com/s3share/s3share/s3backend"
)

const (
	// connectionTimeout is how long a status waits for S3, and offlineTimeout where S3 is known
	// to be out of reach.
	connectionTimeout = 2 * time.Second
	offlineTimeout    = 500 * time.Millisecond
)

// checkConnection sends S3 a request if it has not answered lately.
func (d *mountDaemon) checkConnection(ctx context.Context) *control.Connection {
	limit := connectionTimeout
	if d.bucket.Contact().Offline {
		limit = offlineTimeout
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	known, err := d.bucket.Check(ctx)
	c := d.connectionOf(known)
	if err != nil && c.State == control.Online {
		c.State = control.NoAnswer
		c.Reason = fmt.Sprintf("no answer from %s in %s",
			d.destination().ServerName(), connectionTimeout)
	}
	return c
}

func (d *mountDaemon) connectionOf(known s3backend.Contact) *control.Connection {
	c := &control.Connection{State: control.Online, Answered: known.Answered, Since: known.Since,
		Words: d.errorText(known.Err)}
	switch {
	case known.Failing.IsZero():
	case errors.Is(known.Err, s3backend.BadLogin):
		c.State = control.Login
	case s3backend.IsOfBucket(known.Err):
		c.State = control.Refused
	default:
		c.State = control.Offline
	}
	return c
}

// health returns the state of the connection in words.
func (d *mountDaemon) health() string {
	text := ui.HealthText(d.connectionOf(d.bucket.Contact()))
	if p := d.suspension(); p != nil {
		return p.Reason + "; " + text
	}
	return text
}

// contactChanged is called whenever S3 may have become unreachable, or reachable again.
func (d *mountDaemon) contactChanged(known s3backend.Contact) {
	state := control.Online
	if known.Offline {
		state = d.connectionOf(known).State
	}
	before := d.contact.state
	if d.contact.state = state; state != control.Online {
		d.deliveries.Unreachable(known.Err)
		if before == control.Online {
			d.cache.KeepLast()
		}
	}
	switch {
	case state == control.Online && before != state:
		d.log.Info("S3 can be reached again")
		d.deliveries.Reachable()
	case state != before:
		d.log.Warn("S3 cannot be reached: what is cached is shown, and what is written waits",
			"state", state, "err", known.Err)
	}
	if state != control.Offline || time.Since(known.Since) >= offlineNotice {
		d.noticeContact(state, known)
	}
}

// noticeContact shows desktop notifications of the connection: one for each state, and that S3 can
// be reached again only after one that it could not.
func (d *mountDaemon) noticeContact(state string, known s3backend.Contact) {
	before := d.contact.shown
	d.contact.shown = state
	if state == before || state == control.Online && before == "" {
		return
	}
	notice := map[string]outbox.State{control.Online: noticeOnline,
		control.Login: outbox.NoLogin}[state]
	d.notices.add(outbox.Status{State: cmp.Or(notice, noticeOffline),
		Since: known.Since, Reason: d.health()})
}

// contactNotified is what was last logged and shown of the connection. Only the goroutine that
// calls contactChanged uses it.
type contactNotified struct {
	state string // in the log
	shown string // on the desktop, "" for none yet
}

// offlineNotice is how long S3 is out of reach before the desktop notification.
const offlineNotice = time.Minute

// newsOf returns the function that is called with news of the outbox. Refused credentials are left
// to contactChanged.
func (d *mountDaemon) newsOf(client *s3backend.Client) func(outbox.Status) {
	return func(st outbox.Status) {
		if st.State != outbox.NoLogin || !client.Contact().Offline {
			d.notify(st)
		}
	}
}

// keepContact watches from now on whether S3 can be reached.
func (d *mountDaemon) keepContact() {
	d.contact = contactNotified{state: control.Online}
	d.endContact = background(func(ctx context.Context) {
		d.bucket.KeepContact(ctx, d.contactChanged)
	})
}
