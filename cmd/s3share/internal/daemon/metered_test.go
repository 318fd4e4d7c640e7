package daemon

import (
	"context"
	"testing"
	"time"

	"github.com/godbus/dbus/v5"
	"github.com/godbus/dbus/v5/prop"
)

// TestPauseFollowsTheLine goes through what a person and the line can do to a mount.
func TestPauseFollowsTheLine(t *testing.T) {
	var p pauses
	for i, c := range []struct {
		do   func()
		want string // why it is paused
	}{
		{func() {}, ""},
		{func() { p.setMetered(false) }, ""},
		{func() { p.setMetered(true) }, "line"},
		{func() { p.setMetered(true) }, "line"},
		{func() { p.resume() }, ""},             // send it all the same
		{func() { p.setMetered(true) }, ""},     // on this line
		{func() { p.setMetered(false) }, ""},    //
		{func() { p.setMetered(true) }, "line"}, // another one
		{func() { p.command = time.Now() }, "command"},
		{func() { p.setMetered(false) }, "command"}, // a person has said so
		{func() { p.setMetered(true) }, "command"},
		{func() { p.resume() }, ""},
		{func() { p.setMetered(false) }, ""},
		{func() { p.resume() }, ""},
		{func() { p.setMetered(true) }, "line"}, // nothing was resumed before
	} {
		c.do()
		got := ""
		if why := p.whyLocked(); why != nil {
			if got = "command"; why.Metered {
				got = "line"
			}
		}
		if got != c.want {
			t.Fatalf("step %d: paused by %q, want %q", i, got, c.want)
		}
	}
}

// TestOnlyAMeteredLineIs: what NetworkManager does not know is no reason to hold anything.
func TestOnlyAMeteredLineIs(t *testing.T) {
	for value, want := range map[uint32]bool{0: false, 1: true,
		2: false, 3: true, 4: false, 5: false} {
		if isMetered(value) != want {
			t.Errorf("isMetered(%d) = %v", value, !want)
		}
	}
}

// TestMeteredIsFollowedLive has a NetworkManager come, change its mind and go, on a bus of its own.
func TestMeteredIsFollowedLive(t *testing.T) {
	bus := startBus(t)
	connect := func(ctx context.Context) (*dbus.Conn, error) {
		return dbus.Connect(bus, dbus.WithContext(ctx))
	}
	states := make(chan bool, 64)
	stop := keepMetered(connect, func(metered bool) { states <- metered })
	defer stop()
	expect := func(want bool) {
		t.Helper()
		for deadline := time.After(time.Minute); ; {
			select {
			case got := <-states:
				if got == want {
					return
				}
			case <-deadline:
				t.Fatalf("it was not told that metered is %v", want)
			}
		}
	}
	if first := <-states; first {
		t.Error("without NetworkManager the line is taken for metered")
	}
	manager, err := connect(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	props, err := prop.Export(manager, networkManagerPath, prop.Map{networkManager: {
		"Metered": {Value: uint32(meteredYes), Emit: prop.EmitTrue},
	}})
	if err == nil {
		_, err = manager.RequestName(networkManager, dbus.NameFlagDoNotQueue)
	}
	if err != nil {
		t.Fatal(err)
	}
	expect(true)
	for _, value := range []uint32{2, 3, 4, 1, 0, 1} {
		props.SetMust(networkManager, "Metered", value)
		expect(isMetered(value))
	}
	manager.Close()
	expect(false)
}
