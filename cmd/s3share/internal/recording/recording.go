// Package recording opens the ledger of receipts of an exchange, and records in it what a process
// delivers and receives. See docs/receipts.md.
package recording

import (
	"cmp"
	"context"
	"log/slog"
	"time"

	"github.com/s3share/s3share/cache"
	"github.com/s3share/s3share/cache/receipts"
	"github.com/s3share/s3share/cmd/s3share/internal/config"
	"github.com/s3share/s3share/s3backend"
)

// LedgerName returns the name of the ledger of a bucket in a state directory, which may be used
// for several buckets one after the other.
func LedgerName(s *config.Settings) string {
	return "receipts-" + config.ExchangeHash(s.At.Endpoint+s.At.Partition, s.Bucket) + ".jsonl"
}

// Open opens the ledger of the exchange of s. config.FillPaths was called before.
func Open(s *config.Settings) (*receipts.Ledger, error) {
	return receipts.Open(s.StateDir, LedgerName(s))
}

// Recording is a ledger that entries are recorded in. A nil one records nothing.
type Recording struct {
	ledger   *receipts.Ledger
	recorder *receipts.Recorder
}

// Identifier finds out whose credentials are used; *s3backend.Client implements it.
type Identifier interface {
	Identity(ctx context.Context) (s3backend.Identity, error)
}

// Start begins to record for a command. mount is set for the process of a mount, which makes up
// for an earlier one that was killed.
func Start(s *config.Settings, who Identifier, how string, mount bool,
	log *slog.Logger) (*Recording, error) {
	l, err := Open(s)
	if err != nil {
		return nil, err
	}
	cfg := receipts.Config{
		Bucket: s.Bucket, By: config.UserAtHost(), How: how, Logger: log,
	}
	if s.At.Partition != "" { // another server is asked for nothing outside of the folders
		cfg.Principal = func(ctx context.Context) string { return principal(ctx, who) }
	}
	if mount {
		cfg.Missed = func() []receipts.Entry { return cache.MissedReceipts(s.StateDir) }
	}
	return &Recording{l, receipts.NewRecorder(l, cfg)}, nil
}

// identityPatience is how long it may take to find out whose credentials are used.
const identityPatience = 10 * time.Second

func principal(ctx context.Context, who Identifier) string {
	ctx, cancel := context.WithTimeout(ctx, identityPatience)
	defer cancel()
	id, err := who.Identity(ctx)
	if err != nil {
		return ""
	}
	return cmp.Or(id.ARN, id.Account)
}

// Record records an entry. It returns at once.
func (r *Recording) Record(e receipts.Entry) {
	if r != nil {
		r.recorder.Record(e)
	}
}

// Close writes what is left. It returns an error if entries are not recorded.
func (r *Recording) Close() error {
	if r == nil {
		return nil
	}
	err := r.recorder.Close()
	_ = r.ledger.Close()
	return err
}
