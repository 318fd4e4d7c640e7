package daemon

import (
	"context"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/aws/smithy-go"

	"github.com/s3share/s3share/cache/outbox"
	"github.com/s3share/s3share/cmd/s3share/internal/config"
	"github.com/s3share/s3share/cmd/s3share/internal/control"
	"github.com/s3share/s3share/s3backend"
)

// TestHealthSaysWhenItBegan: S3 was away for an hour, and refuses the credentials since.
func TestHealthSaysWhenItBegan(t *testing.T) {
	now := time.Now()
	expired := &s3backend.Error{Op: "ListObjectsV2", Kind: s3backend.BadLogin,
		Err: &smithy.GenericAPIError{Code: "ExpiredToken"}}
	d := newDaemon(config.Defaults(), true, nil)
	d.bucket = fakeBucket{known: s3backend.Contact{Failing: now.Add(-time.Hour),
		Since: now, Err: expired, Offline: true}}
	d.dir = "/mnt"
	if got, want := d.health(), "login expired since "+control.ClockText(now)+
		", renew with s3share login /mnt"; got != want {
		t.Errorf("the health is %q, want %q", got, want)
	}
}

// loginBucket is a bucket to which a login fails.
type loginBucket struct {
	fakeBucket
	err error
}

func (b loginBucket) Login(context.Context, string) error { return b.err }

func (b loginBucket) LoginMethod() s3backend.LoginMethod {
	return s3backend.LoginMethod{Fixed: true}
}

// TestLoginBlamesWhatIsWrong: a login that fails since nobody answers does not say that the
// credentials are to be replaced.
func TestLoginBlamesWhatIsWrong(t *testing.T) {
	for _, tt := range []struct {
		err  error
		want string
		no   string
	}{
		{&s3backend.Error{Op: "ListObjectsV2", Err: syscall.ECONNREFUSED}, "nothing answers at", "--keep"},
		{&s3backend.Error{Op: "ListObjectsV2", Kind: s3backend.BadLogin, Err: &smithy.GenericAPIError{Code: "ExpiredToken"}}, "--keep", "endpoint"},
	} {
		d := newDaemon(config.Defaults(), true, nil)
		d.dir, d.bucket = "/mnt", loginBucket{err: tt.err}
		a := d.login(t.Context(), control.LoginRequest{})
		if text := a.Error + " | " + a.Hint; !strings.Contains(text, tt.want) ||
			strings.Contains(text, tt.no) {
			t.Errorf("after %v login says %q", tt.err, text)
		}
	}
}

// TestOfflineIsTheReason: while S3 is out of reach, that is why everything waits that is done by
// itself later, removals too, whatever failed before.
func TestOfflineIsTheReason(t *testing.T) {
	const away = "nothing answers at S3"
	denied := &s3backend.Error{Op: "PutObject", Kind: s3backend.Denied, Key: "Delivery/a",
		Err: &smithy.GenericAPIError{Code: "AccessDenied"}}
	for _, tt := range []struct {
		st           outbox.Status
		offline, own string // the reason while S3 is out of reach, and else
	}{
		{outbox.Status{State: outbox.Sealed}, away, ""},
		{outbox.Status{State: outbox.Sealed, Err: denied}, away, "access denied (s3:PutObject on Delivery/)"},
		{outbox.Status{State: outbox.Uploading}, away, ""},
		{outbox.Status{State: outbox.Removing}, away, ""},
		{outbox.Status{State: outbox.Removing, Err: denied}, away, "access denied (s3:PutObject on Delivery/)"},
		{outbox.Status{State: outbox.Removing, Reason: "being renamed to b"}, "being renamed to b", "being renamed to b"},
		{outbox.Status{State: outbox.Blocked, Err: denied}, "access denied (s3:PutObject on Delivery/)", "access denied (s3:PutObject on Delivery/)"},
		{outbox.Status{State: outbox.Open}, "", ""},
		{outbox.Status{State: outbox.Local}, "", ""},
		{outbox.Status{State: outbox.Interrupted, Reason: "its writer was ended"}, "its writer was ended", "its writer was ended"},
	} {
		for _, offline := range []bool{false, true} {
			st := tt.st
			st.Key = "Delivery/a"
			r := runDaemon(t, []outbox.Status{st}, nil)
			want := tt.own
			if offline {
				want = tt.offline
				r.bucket = fakeBucket{known: s3backend.Contact{Failing: time.Now(),
					Since: time.Now(), Offline: true, Err: &s3backend.Error{Op: "HeadObject",
						Err: syscall.ECONNREFUSED}}}
			}
			if got := r.pending()[0]; got.Reason != want || got.State != tt.st.State {
				t.Errorf("offline: %v: %+v is told as %q, want %q",
					offline, tt.st, got.Reason, want)
			}
			r.owing.mu.Lock()
			r.owing.owed = nil
			r.owing.mu.Unlock()
		}
	}
}
