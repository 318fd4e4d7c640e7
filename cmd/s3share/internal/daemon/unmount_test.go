package daemon

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/s3share/s3share/cache"
	"github.com/s3share/s3share/cache/outbox"
	"github.com/s3share/s3share/cmd/s3share/internal/config"
	"github.com/s3share/s3share/cmd/s3share/internal/control"
	"github.com/s3share/s3share/fs"
	"github.com/s3share/s3share/s3backend"
)

// fakeOwing owes what it is told to owe.
type fakeOwing struct {
	mu     sync.Mutex
	owed   []outbox.Status
	beside []outbox.Status
	paused error
	closed bool
	// drained lets one Drain return for each of its errors; closed, all return nil.
	drained chan error
}

func (f *fakeOwing) Status() []outbox.Status {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.owed)
}

func (f *fakeOwing) Paused() error     { return f.paused }
func (f *fakeOwing) KeepLast()         {}
func (f *fakeOwing) Suspension() error { return nil }

func (f *fakeOwing) Suspend(*outbox.SuspendedError) {}
func (f *fakeOwing) Unreachable(error)              {}
func (f *fakeOwing) Reachable()                     {}

func (f *fakeOwing) StatusAt(string) []outbox.Status   { return f.Status() }
func (f *fakeOwing) Unresolved(string) []outbox.Status { return f.beside }
func (f *fakeOwing) Retry(string) int                  { return 0 }
func (f *fakeOwing) Deliver(string) (int, error)       { return 0, nil }
func (*fakeOwing) DeliveredHere(string, string) bool   { return false }
func (f *fakeOwing) Outcomes(paths []string) []cache.Confirmed {
	return make([]cache.Confirmed, len(paths))
}

func (f *fakeOwing) Confirm(context.Context, string) cache.Confirmed {
	return cache.Confirmed{Is: cache.Directory}
}

func (f *fakeOwing) Wait(context.Context, string) error { return nil }

func (f *fakeOwing) Drain(ctx context.Context) error {
	select {
	case err := <-f.drained:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (f *fakeOwing) EndHandles() {}

func (f *fakeOwing) DrainLast(ctx context.Context) error { return f.Drain(ctx) }

func (f *fakeOwing) Close() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.closed = true
	return nil
}

// fakeMount is undone by Unmount unless that is to fail.
type fakeMount struct {
	err  error
	once sync.Once
	gone chan struct{}
}

func (f *fakeMount) Unmount() error {
	if f.err == nil {
		f.once.Do(func() { close(f.gone) })
	}
	return f.err
}

func (f *fakeMount) Wait() { <-f.gone }

func (f *fakeMount) Arrivals() (st fs.ArrivalState, ok bool) { return st, false }

func (f *fakeMount) Limited() (st fs.LimitedState, ok bool) { return st, false }

// fakeBucket is one to which the connection is as known says.
type fakeBucket struct{ known s3backend.Contact }

func (f fakeBucket) Contact() s3backend.Contact                           { return f.known }
func (f fakeBucket) KeepContact(context.Context, func(s3backend.Contact)) {}
func (f fakeBucket) Ask(context.Context) s3backend.Contact                { return f.known }
func (f fakeBucket) Check(context.Context) (s3backend.Contact, error)     { return f.known, nil }
func (fakeBucket) Moved() int64                                           { return 0 }
func (fakeBucket) Abilities() []s3backend.Ability                         { return nil }
func (fakeBucket) Limits() s3backend.Limits {
	return s3backend.Limits{}
}
func (fakeBucket) SetLimits(s3backend.Limits) {}
func (fakeBucket) List(context.Context, s3backend.ListInput) (s3backend.Page, error) {
	return s3backend.Page{}, nil
}

func (fakeBucket) Bucket() string                           { return "team" }
func (fakeBucket) Region() string                           { return "r" }
func (fakeBucket) Owner() string                            { return "" }
func (fakeBucket) Login(context.Context, string) error      { return nil }
func (fakeBucket) UseProfile(context.Context, string) error { return nil }
func (fakeBucket) LoginMethod() s3backend.LoginMethod       { return s3backend.LoginMethod{} }
func (fakeBucket) Counts() map[string]int64 {
	return map[string]int64{"PutObject": 1}
}

// running is a daemon without kernel and bucket, and a link to it.
type running struct {
	*mountDaemon
	owing  *fakeOwing
	mount  *fakeMount
	link   *control.Client
	result chan error // what run returned
}

// runDaemon starts a daemon that runs until the test ends.
func runDaemon(t *testing.T, owed []outbox.Status, unmountError error) *running {
	t.Helper()
	s := config.Defaults()
	s.Bucket = "team"
	d := newDaemon(s, true, nil)
	d.dir, d.log, d.bucket = filepath.Join(t.TempDir(),
		"mnt"), slog.New(slog.DiscardHandler), fakeBucket{}
	d.limits.begin(s, fakeBucket{}, d.log)
	r := &running{
		mountDaemon: d, owing: &fakeOwing{owed: owed, drained: make(chan error)},
		mount: &fakeMount{err: unmountError,
			gone: make(chan struct{})}, result: make(chan error, 1),
	}
	d.cache, d.deliveries = r.owing, r.owing
	socket := filepath.Join(t.TempDir(), "s")
	var err error
	if d.control, err = listenControl(socket); err != nil {
		t.Fatal(err)
	}
	d.serve(r.mount)
	d.control.serve(d)
	r.link = control.Dial(socket)
	ctx, cancel := context.WithCancel(context.Background())
	go func() { r.result <- d.run(ctx) }()
	t.Cleanup(func() {
		r.mount.err = nil
		cancel()
		d.allowLeftovers()
		<-d.ended
	})
	return r
}

var (
	sealed  = outbox.Status{Path: "Delivery/a", State: outbox.Sealed, Size: 10, Sent: 4}
	blocked = outbox.Status{Path: "Delivery/b", State: outbox.Blocked, Size: 20,
		Reason: "access denied"}
	beside = outbox.Status{Path: "Delivery/c (conflict)", Theirs: "Delivery/c",
		State: outbox.Conflict, Size: 30}
	private = outbox.Status{Path: "Delivery/.a.swp", State: outbox.Local, Size: 30}
)

func TestUnmountDelivers(t *testing.T) {
	r := runDaemon(t, []outbox.Status{sealed, private}, nil)
	var phases []string
	drained := false
	last, err := r.link.Unmount(t.Context(), control.UnmountRequest{}, func(e control.Event) {
		if !slices.Contains(phases, e.Phase) {
			phases = append(phases, e.Phase)
		}
		if e.Phase == control.PhaseDelivering && !drained {
			if e.Files != 1 || e.Bytes != 10 || e.Sent != 4 {
				t.Errorf("progress = %+v, want 1 file of 10 bytes, 4 sent", e)
			}
			drained = true
			close(r.owing.drained)
		}
	})
	if err != nil || last.Outcome != control.OutcomeUnmounted ||
		len(last.Left) != 0 || last.Error != "" {
		t.Errorf("unmount = %+v, %v, want it unmounted", last, err)
	}
	if !slices.Equal(phases, []string{control.PhaseDelivering, control.PhaseFinishing}) {
		t.Errorf("phases = %q", phases)
	}
	if err := <-r.result; err != nil {
		t.Errorf("the daemon ended with %v", err)
	}
	if !r.owing.closed {
		t.Error("the cache was not closed")
	}
	if _, err := r.link.Status(t.Context()); err == nil {
		t.Error("the daemon still answers")
	}
}

// TestUnmountStays asks for what cannot be done; the mount has to stay.
func TestUnmountStays(t *testing.T) {
	left := &outbox.LeftError{Left: []outbox.Status{blocked}}
	for _, tt := range []struct {
		name    string
		drain   error
		unmount error
		ask     control.UnmountRequest
		want    control.Event
	}{
		{"blocked", left, nil, control.UnmountRequest{}, control.Event{Outcome: control.OutcomeLeft, Left: []outbox.Status{blocked}}},
		{"timeout", nil, nil, control.UnmountRequest{Timeout: time.Millisecond}, control.Event{Outcome: control.OutcomeLeft, Left: []outbox.Status{sealed, blocked}}},
		{"busy", left, unix.EBUSY, control.UnmountRequest{Keep: true}, control.Event{Outcome: control.OutcomeBusy}},
		{"failed", left, errors.New("odd"), control.UnmountRequest{Keep: true}, control.Event{Outcome: control.OutcomeFailed, Error: "odd"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := runDaemon(t, []outbox.Status{sealed, blocked}, tt.unmount)
			if tt.drain != nil {
				go func() { r.owing.drained <- tt.drain }()
			}
			last, err := r.link.Unmount(t.Context(), tt.ask, func(control.Event) {})
			if err != nil || last.Outcome != tt.want.Outcome || last.Error != tt.want.Error ||
				!slices.Equal(last.Left, tt.want.Left) {
				t.Errorf("unmount = %+v, %v, want %+v", last, err, tt.want)
			}
			st, err := r.link.Status(t.Context())
			if err != nil || !st.Mounted || len(st.Pending) != 2 || st.Bucket != "team" {
				t.Errorf("status = %+v, %v, want it mounted and owing 2", st, err)
			}
		})
	}
}

// TestUnmountKeep undoes the mount although something is left.
func TestUnmountKeep(t *testing.T) {
	r := runDaemon(t, []outbox.Status{sealed, blocked, private}, nil)
	last, err := r.link.Unmount(t.Context(),
		control.UnmountRequest{Keep: true, Timeout: time.Millisecond}, func(control.Event) {})
	if err != nil || last.Outcome != control.OutcomeUnmounted ||
		!slices.Equal(last.Left, []outbox.Status{sealed, blocked}) {
		t.Errorf("unmount = %+v, %v, want it unmounted with two left", last, err)
	}
	var left *outbox.LeftError
	if err := <-r.result; !errors.As(err, &left) {
		t.Errorf("the daemon ended with %v, want a LeftError", err)
	}
}

// TestUnmountTakenBack interrupts an unmount in each of its phases: while the mount
// serves it stays, also with Keep, and afterwards it is not said to.
func TestUnmountTakenBack(t *testing.T) {
	for _, keep := range []bool{false, true} {
		for _, phase := range []string{control.PhaseDelivering, control.PhaseFinishing} {
			t.Run(fmt.Sprintf("%s, keep: %v", phase, keep), func(t *testing.T) {
				r := runDaemon(t, []outbox.Status{sealed}, nil)
				if phase == control.PhaseFinishing {
					go func() { r.owing.drained <- nil }() // and not the last drain
				}
				ctx, interrupt := context.WithCancel(t.Context())
				last, err := r.link.Unmount(ctx,
					control.UnmountRequest{Keep: keep}, func(e control.Event) {
						if e.Phase == phase {
							interrupt()
						}
					})
				st, serr := r.link.Status(t.Context())
				if err != nil || serr != nil {
					t.Fatal(err, serr)
				}
				if stays := phase == control.PhaseDelivering; st.Mounted != stays ||
					(last.Outcome == control.OutcomeCancelled) != stays {
					t.Errorf("the last event is %+v, and mounted: %v", last, st.Mounted)
				}
			})
		}
	}
}

// TestUnmountedByOthers delivers the rest although nobody asked s3share.
func TestUnmountedByOthers(t *testing.T) {
	r := runDaemon(t, []outbox.Status{sealed}, nil)
	if err := r.mount.Unmount(); err != nil {
		t.Fatal(err)
	}
	<-r.gone
	st, err := r.link.Status(t.Context())
	if err != nil || st.Mounted {
		t.Errorf("status = %+v, %v, want it not mounted", st, err)
	}
	close(r.owing.drained)
	if err := <-r.result; err != nil {
		t.Errorf("the daemon ended with %v", err)
	}
}
