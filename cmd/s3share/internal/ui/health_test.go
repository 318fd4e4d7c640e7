package ui

import (
	"strings"
	"testing"
	"time"

	"github.com/s3share/s3share/cache/outbox"
	"github.com/s3share/s3share/cmd/s3share/internal/control"
)

// TestHalfAMount: what to do about a mount whose daemon is gone, and about a daemon whose mount is.
func TestHalfAMount(t *testing.T) {
	waits := []outbox.Status{{Path: "Delivery/a", State: outbox.Sealed, Size: 1}}
	stuck := []outbox.Status{{Path: "Delivery/a", State: outbox.Blocked, Size: 1,
		Reason: "access denied"}}
	offline := &control.Connection{State: control.Offline, Since: time.Now(),
		Words: control.Words{Reason: "nothing answers", Hint: "check the network"}}
	const undo, keep = "s3share unmount /mnt undoes the dead mount",
		"s3share unmount --keep /mnt ends it, and what is left stays in the outbox"
	for _, tt := range []struct {
		name string
		st   control.State
		want []string // parts of the advice; none for no advice
	}{
		{"dead mount", control.State{Mounted: true, Daemon: control.DaemonEnded}, []string{undo}},
		{"dead mount, something waits", control.State{Mounted: true, Daemon: control.DaemonEnded, Pending: waits}, []string{undo, "s3share recover --bucket b"}},
		{"dead mount of which nothing is known", control.State{Mounted: true, Daemon: control.DaemonUnknown}, []string{"if it is gone for good", undo}},
		{"no mount, nothing waits", control.State{Daemon: control.DaemonEnded}, nil},
		{"no mount, something waits", control.State{Daemon: control.DaemonEnded, Pending: waits}, []string{"s3share recover --bucket b"}},
		{"draining", control.State{Daemon: control.DaemonRuns, Pending: waits}, nil},
		{"draining offline", control.State{Daemon: control.DaemonRuns, Pending: waits, Connection: offline}, []string{keep}},
		{"draining with refused credentials", control.State{Daemon: control.DaemonRuns, Pending: waits, Paused: &control.Pause{Words: control.Words{Reason: "expired", Hint: "s3share login /mnt"}}}, []string{"s3share login /mnt", keep}},
		{"draining what is blocked", control.State{Daemon: control.DaemonRuns, Pending: stuck}, []string{keep}},
		{"mounted and offline", control.State{Mounted: true, Daemon: control.DaemonRuns, Connection: offline}, []string{"check the network"}},
	} {
		tt.st.Dir, tt.st.Bucket = "/mnt", "b"
		_, got := health(&tt.st, newWork(&tt.st))
		if (got == "") != (tt.want == nil) {
			t.Errorf("%s: it says to do %q, want %q", tt.name, got, tt.want)
		}
		for _, part := range tt.want {
			if !strings.Contains(got, part) {
				t.Errorf("%s: it says to do %q, want %q", tt.name, got, tt.want)
			}
		}
		if strings.Contains(got, "undoes") && !tt.st.Mounted ||
			strings.Contains(got, "--keep") && tt.st.Mounted {
			t.Errorf("%s: it says to do %q", tt.name, got)
		}
	}
}
