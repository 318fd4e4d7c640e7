package daemon

import (
	"encoding/json"
	"errors"
	"net/http"

	"github.com/s3share/s3share/cmd/s3share/internal/control"
	"github.com/s3share/s3share/cmd/s3share/internal/hint"
	"github.com/s3share/s3share/cmd/s3share/internal/ui"
	"github.com/s3share/s3share/s3backend"
)

// serveLogin takes new credentials up, and tries again what waits for them.
func (d *mountDaemon) serveLogin(w http.ResponseWriter, r *http.Request) {
	var ask control.LoginRequest
	if err := json.NewDecoder(r.Body).Decode(&ask); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	var a control.LoginAnswer
	if err := d.bucket.Login(r.Context(), ask.Code); err != nil {
		err = ui.Explain(d.destination(), err)
		a.Error = err.Error()
		_, a.Hint = hint.ExitCode(err)
	} else {
		a.Files = d.cache.Retry("")
		d.log.Info("logged in")
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(a) // whoever asked may be gone
}

// paused tells why everything waits, or nil.
func (d *mountDaemon) paused() *control.Pause {
	err := d.cache.Paused()
	if known := d.bucket.Contact(); err == nil && errors.Is(known.Err, s3backend.BadLogin) {
		err = known.Err // nothing waits, and nothing would be delivered
	}
	if err == nil {
		return nil
	}
	p := &control.Pause{Words: d.errorText(err)}
	if errors.Is(err, s3backend.BadLogin) {
		p.Hint = d.loginHint(p.Words)
	}
	return p
}

// loginHint returns what to do about credentials that S3 refuses.
func (d *mountDaemon) loginHint(refusal control.Words) string {
	switch {
	case ui.IsClockSkew(refusal.Code):
		return refusal.Hint
	case d.bucket.LoginMethod().Fixed:
		return "they come from the environment: s3share unmount --keep " + d.dir + ", and mount again with new ones"
	}
	return "s3share login " + d.dir + ", or renew them as they are had: it goes on by itself"
}
