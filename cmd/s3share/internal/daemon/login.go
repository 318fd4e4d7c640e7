package daemon

import (
	"context"
	"errors"

	"github.com/s3share/s3share/cmd/s3share/internal/control"
	"github.com/s3share/s3share/cmd/s3share/internal/hint"
	"github.com/s3share/s3share/cmd/s3share/internal/ui"
	"github.com/s3share/s3share/s3backend"
)

// login takes new credentials, with an MFA code if they need one, and tries again what waits for
// them.
func (d *mountDaemon) login(ctx context.Context, ask control.LoginRequest) (a control.LoginAnswer) {
	if err := d.bucket.Login(ctx, ask.Code); err != nil {
		err = ui.Explain(d.destination(), err)
		a.Error = err.Error()
		_, a.Hint = hint.ExitCode(err)
		return a
	}
	a.Files = d.deliveries.Retry("")
	d.log.Info("logged in")
	return a
}

// paused returns why everything waits, or nil.
func (d *mountDaemon) paused() *control.Pause {
	if p := d.suspension(); p != nil {
		return p
	}
	err := d.deliveries.Paused()
	if known := d.bucket.Contact(); err == nil && errors.Is(known.Err, s3backend.BadLogin) {
		err = known.Err // nothing waits, and nothing would be delivered
	}
	if err == nil {
		return nil
	}
	return &control.Pause{Words: d.errorText(err)}
}
