package main

import (
	"bytes"
	"testing"
	"time"

	"github.com/s3share/s3share/cache/outbox"
	"github.com/s3share/s3share/cmd/s3share/internal/control"
)

// TestStoppedUnmount: what an interrupted unmount says follows from the daemon's last word;
// where it had none, as one of an earlier version, from what the kernel shows.
func TestStoppedUnmount(t *testing.T) {
	for _, tt := range []struct {
		last control.Event
		want string
	}{
		{control.Event{Phase: control.PhaseEnded, Outcome: control.OutcomeCancelled}, "interrupted"},
		{control.Event{Phase: control.PhaseEnded, Outcome: control.OutcomeLeft}, "interrupted"},
		{control.Event{Phase: control.PhaseEnded, Outcome: control.OutcomeBusy}, "interrupted"},
		{control.Event{Phase: control.PhaseFinishing}, "not all is delivered yet"},
		{control.Event{}, "not all is delivered yet"},
	} {
		if got := errorText(interruptedOutcome("/no/such/mount", control.State{PID: 7},
			tt.last)); got != tt.want {
			t.Errorf("an unmount that ends with %+v says %q, want %q", tt.last, got, tt.want)
		}
	}
}

func TestJudge(t *testing.T) {
	var (
		sealed  = outbox.Status{Path: "Delivery/a", State: outbox.Sealed, Size: 10, Sent: 4}
		blocked = outbox.Status{Path: "Delivery/b", State: outbox.Blocked, Size: 20,
			Reason: "access denied"}
		beside = outbox.Status{Path: "Delivery/c (conflict)", Theirs: "Delivery/c",
			State: outbox.Conflict, Size: 30}
	)
	for _, tt := range []struct {
		last control.Event
		ask  control.UnmountRequest
		err  string // "" for none
		out  string
	}{
		{control.Event{Outcome: control.OutcomeUnmounted}, control.UnmountRequest{}, "", ""},
		{control.Event{Outcome: control.OutcomeUnmounted, Left: []outbox.Status{blocked}}, control.UnmountRequest{Keep: true},
			"not all was delivered: what is listed stays in the outbox",
			"s3share: not delivered: \"Delivery/b\" (20 B): access denied\n"},
		{control.Event{Outcome: control.OutcomeLeft, Left: []outbox.Status{blocked}}, control.UnmountRequest{}, "not all can be delivered",
			"s3share: not delivered: \"Delivery/b\" (20 B): access denied\n"},
		{control.Event{Outcome: control.OutcomeLeft, Left: []outbox.Status{sealed}}, control.UnmountRequest{Timeout: time.Minute}, "not all was delivered in 1m0s",
			"s3share: not delivered: \"Delivery/a\" (10 B): waiting to be sent\n"},
		{control.Event{Outcome: control.OutcomeUnmounted, Unresolved: []outbox.Status{beside}}, control.UnmountRequest{}, "1 file went beside the other party's version",
			"s3share: conflict: \"Delivery/c\" changed in the bucket too; ours is \"Delivery/c (conflict)\"\n"},
		{control.Event{Outcome: control.OutcomeLeft, Left: []outbox.Status{blocked}, Unresolved: []outbox.Status{beside}}, control.UnmountRequest{}, "not all can be delivered",
			"s3share: conflict: \"Delivery/c\" changed in the bucket too; ours is \"Delivery/c (conflict)\"\n" +
				"s3share: not delivered: \"Delivery/b\" (20 B): access denied\n"},
		{control.Event{Outcome: control.OutcomeBusy}, control.UnmountRequest{}, "it is in use", ""},
		{control.Event{Outcome: control.OutcomeFailed, Error: "odd"}, control.UnmountRequest{}, "odd", ""},
		{control.Event{Outcome: "later"}, control.UnmountRequest{}, `the daemon said "later", which this version does not know`, ""},
	} {
		var out bytes.Buffer
		err := unmountOutcome("/no/such/mount", tt.last, tt.ask, &out)
		if got := errorText(err); got != tt.err || out.String() != tt.out {
			t.Errorf("judge(%+v) = %q and prints %q, want %q and %q",
				tt.last, got, &out, tt.err, tt.out)
		}
	}
}

func errorText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}
