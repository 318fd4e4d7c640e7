package ui

import (
	"fmt"
	"strings"

	"github.com/s3share/s3share/cmd/s3share/internal/control"
	"github.com/s3share/s3share/cmd/s3share/internal/hint"
)

// HealthText is a mount's connection to S3 in one line, with how a login is renewed.
func HealthText(c *control.Connection) string {
	do, _, _ := strings.Cut(hint.OneLine(c.Hint), ", or ")
	if c.State != control.Login || !strings.HasPrefix(do, "s3share login ") {
		return connectionText(c)
	}
	return connectionText(c) + ", renew with " + do
}

// connectionText is a mount's connection to S3 in one line.
func connectionText(c *control.Connection) string {
	switch c.State {
	case control.Online:
		return "online"
	case control.NoAnswer:
		return hint.OneLine(c.Reason)
	case control.Login:
		if isExpired(c.Code) {
			return loginText(c)
		}
		return loginText(c) + ": " + hint.OneLine(c.Reason)
	}
	return fmt.Sprintf("%s since %s: %s", hint.OneLine(c.State),
		control.ClockText(c.Since), hint.OneLine(c.Reason))
}

func loginText(c *control.Connection) string {
	what := "refused"
	if isExpired(c.Code) {
		what = "expired"
	}
	return fmt.Sprintf("login %s since %s", what, control.ClockText(c.Since))
}

// isExpired reports whether S3 refuses credentials for their age, by its code.
func isExpired(code string) bool {
	switch code {
	case "ExpiredToken", "ExpiredTokenException", "TokenRefreshRequired", "RequestExpired":
		return true
	}
	return false
}

// health is the line that says how a mount or an outbox is, and what to do about it; "" for
// nothing.
func health(st *control.State, w *work) (line []Span, advice string) {
	state := Span{}
	c := st.Connection
	switch {
	case !st.Runs() && st.Daemon == control.DaemonEnded && !st.Mounted:
		state = Span{Yellow, "not mounted"}
	case !st.Runs():
		state = Span{Red, st.DaemonText()}
	case c != nil && c.State != control.Online && c.State != control.NoAnswer:
		state = Span{Yellow, connectionText(c)}
		if c.State != control.Offline {
			state.Code = Red
		}
		advice = c.Hint
	case st.Paused != nil && st.Paused.By != "":
		state = Span{Yellow, hint.OneLine(st.Paused.Reason)}
	case st.Paused != nil:
		state = Span{Yellow, "paused: " + hint.OneLine(st.Paused.Reason)}
	case c != nil && c.State == control.NoAnswer:
		state, advice = Span{Yellow, connectionText(c)}, c.Hint
	case c != nil:
		state = Span{Green, connectionText(c)}
	}
	if p := st.Paused; p != nil {
		advice = p.Hint
		if text := hint.OneLine(p.Reason); p.By != "" && state.Text != text {
			state.Text = text + "; " + state.Text
		}
	}
	if do := st.Advice(); do != "" {
		advice = do
	}
	if st.Runs() && !st.Mounted && (c != nil && c.State == control.Offline || st.Paused != nil ||
		len(w.moving) == 0 && len(w.problems)+len(w.retries) > 0) {
		end := "s3share unmount --keep " + hint.ShellQuote(st.Dir) +
			" ends it, and what is left stays in the outbox"
		if c != nil && c.State == control.Offline || advice == "" {
			advice = end
		} else {
			advice += "; or " + end
		}
	}
	if st.Runs() && !st.Mounted {
		const draining = "no longer mounted, still delivering"
		if state.Code == Green || state.Text == "" {
			state.Text = draining
		} else {
			state.Text = draining + "; " + state.Text
		}
	}
	rest := strings.Join(w.summary(st), "; ")
	switch {
	case state.Text == "":
		return []Span{{"", rest}}, hint.OneLine(advice)
	case rest != "":
		state.Text += ";"
		rest = " " + rest
	}
	return []Span{state, {"", rest}}, hint.OneLine(advice)
}
