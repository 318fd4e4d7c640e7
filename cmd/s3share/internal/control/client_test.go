package control

import (
	"context"
	"io"
	"net/http"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// endless answers each request with a text that has no end.
type endless struct{ sent int64 }

func (e *endless) RoundTrip(*http.Request) (*http.Response, error) {
	return &http.Response{StatusCode: http.StatusOK, Body: io.NopCloser(e)}, nil
}

func (e *endless) Read(p []byte) (int, error) {
	if e.sent == 0 {
		n := copy(p, `{"version":"`)
		e.sent += int64(n)
		return n, nil
	}
	for i := range p {
		p[i] = 'a'
	}
	e.sent += int64(len(p))
	return len(p), nil
}

// TestAnotherUsersDaemonCostsLittleMemory has the daemon of another user answer each request
// without an end: it is read no further than an answer can be long.
func TestAnotherUsersDaemonCostsLittleMemory(t *testing.T) {
	for name, ask := range map[string]func(context.Context, *Client) error{
		"status":  func(ctx context.Context, l *Client) error { _, err := l.Status(ctx); return err },
		"check":   func(ctx context.Context, l *Client) error { _, err := l.checkedStatus(ctx); return err },
		"file":    func(ctx context.Context, l *Client) error { _, err := l.File(ctx, "f"); return err },
		"waiting": func(ctx context.Context, l *Client) error { _, err := l.Waiting(ctx, "f"); return err },
		"ask": func(ctx context.Context, l *Client) error {
			_, err := l.Ask(ctx, "/deliver", FileRequest{})
			return err
		},
		"unmount": func(ctx context.Context, l *Client) error {
			_, err := l.Unmount(ctx, UnmountRequest{}, func(Event) {})
			return err
		},
	} {
		daemon := &endless{}
		if err := ask(t.Context(), NewClient(os.Getuid()+1, daemon)); err == nil ||
			daemon.sent > 16<<20 {
			t.Errorf("%s ends with %v after %d bytes, want an error after some %d",
				name, err, daemon.sent, maxForeignAnswer)
		}
	}
}

// hanging takes each request and never answers.
type hanging struct{}

func (hanging) RoundTrip(r *http.Request) (*http.Response, error) {
	<-r.Context().Done()
	return nil, r.Context().Err()
}

// TestAnotherUsersHangingDaemonCostsASecond asks a daemon that hangs: another user's is given up
// soon, and the error says whose it is.
func TestAnotherUsersHangingDaemonCostsASecond(t *testing.T) {
	for name, ask := range map[string]func(context.Context, *Client) error{
		"status":  func(ctx context.Context, l *Client) error { _, err := l.Status(ctx); return err },
		"check":   func(ctx context.Context, l *Client) error { _, err := l.checkedStatus(ctx); return err },
		"waiting": func(ctx context.Context, l *Client) error { _, err := l.Waiting(ctx, "f"); return err },
	} {
		for uid, most := range map[int]time.Duration{os.Getuid(): statusTimeout,
			os.Getuid() + 1: checkTimeout} {
			synctest.Test(t, func(t *testing.T) {
				began := time.Now()
				err := ask(t.Context(), NewClient(uid, hanging{}))
				if took := time.Since(began); err == nil || took > most ||
					uid != os.Getuid() && name != "check" && took > foreignTimeout {
					t.Errorf("%s of user %d ends with %v in %v", name, uid, err, took)
				}
			})
		}
	}
	if err := NewClient(os.Getuid()+1,
		hanging{}).noAnswer(); !strings.Contains(err.Error(), "which runs as") {
		t.Errorf("it says %q", err)
	}
}
