package grants

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/s3share/s3share/s3backend"
)

// server answers queries as a policy with these rights does, or not at all.
type server struct {
	list, get, put, delete bool
	away                   bool
}

func (s *server) says(granted bool) error {
	switch {
	case s.away:
		return &s3backend.Error{Op: "Query", Err: errors.New("no answer"), Offline: true}
	case granted:
		return nil
	}
	return &s3backend.Error{Op: "Query", Kind: s3backend.Denied}
}

func (s *server) MayList(context.Context, string) error       { return s.says(s.list) }
func (s *server) MayGet(context.Context, string, error) error { return s.says(s.get) }
func (s *server) MayDelete(context.Context, string) error     { return s.says(s.delete) }
func (s *server) MayPut(_ context.Context, _ string, u s3backend.Upload) (s3backend.Upload, error) {
	return u, s.says(s.put)
}

// found is what a mount goes by.
func (p *Policy) found(ctx context.Context) string {
	word := func(err error) string {
		switch {
		case err == nil:
			return "yes"
		case errors.Is(err, s3backend.Denied):
			return "no"
		}
		return "unknown"
	}
	put, del := word(p.CanPut(ctx, "Delivery/a")), word(p.CanDelete(ctx, "Delivery/a"))
	p.refresh((*query).due)
	time.Sleep(time.Second) // the answers come at once
	return fmt.Sprintf("put %s, delete %s, bits %#o", put, del, p.Denied("Delivery/a", false))
}

// TestLast begins without S3: what it granted an earlier process counts, with one between them
// that had no connection either, until it can be asked again.
func TestLast(t *testing.T) {
	for i := range 1 << 4 {
		rights := server{list: i&1 > 0, get: i&2 > 0, put: i&4 > 0, delete: i&8 > 0}
		t.Run(fmt.Sprintf("%+v", rights), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var kept []byte
				process := func(s server, do func(*Policy, *server)) {
					ctx, cancel := context.WithCancel(t.Context())
					cfg := Config{Folders: []string{"Delivery"}, Checker: &s, Deleter: &s,
						Logger: slog.New(slog.DiscardHandler)}
					if kept != nil {
						if err := json.Unmarshal(kept, &cfg.Last); err != nil {
							t.Fatal(err)
						}
					}
					p := New(ctx, cfg)
					do(p, &s)
					cancel()
					p.Wait()
					var err error
					if kept, err = json.Marshal(p.Last()); err != nil {
						t.Fatal(err)
					}
				}
				var want string
				process(rights, func(p *Policy, _ *server) { want = p.found(t.Context()) })
				away, opposite := rights, server{list: !rights.list, get: !rights.get,
					put: !rights.put, delete: !rights.delete}
				away.away = true
				for range 2 {
					process(away, func(p *Policy, s *server) {
						if got := p.found(t.Context()); got != want {
							t.Errorf("without S3: %s, want %s", got, want)
						}
					})
				}
				process(away, func(p *Policy, s *server) {
					p.found(t.Context())
					*s = opposite
					p.Reachable()
					time.Sleep(time.Second)
					got := p.found(t.Context())
					fresh := opposite
					if want := New(t.Context(), Config{Folders: []string{"Delivery"},
						Checker: &fresh, Deleter: &fresh, Logger: slog.New(slog.DiscardHandler)}).
						found(t.Context()); got != want {
						t.Errorf("when S3 is back: %s, want %s", got, want)
					}
				})
			})
		})
	}
}
