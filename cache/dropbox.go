package cache

import (
	"context"
	"errors"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/s3share/s3share/cache/grants"
	"github.com/s3share/s3share/cache/keyname"
	"github.com/s3share/s3share/cache/ledger"
	"github.com/s3share/s3share/cache/meta"
	"github.com/s3share/s3share/s3backend"
)

func ledgerFile(stateDir string) string { return filepath.Join(stateDir, "ledger.jsonl") }

// dropboxBucket is the bucket as names are looked up in it: where the policy lets us put
// and not list, as in a dropbox, what we sent is listed from the ledger.
type dropboxBucket struct {
	meta.Bucket
	grants   *grants.Policy
	sent     *ledger.Ledger
	unlisted *ledgerListings
}

// List asks S3, unless it is known that the policy does not let us.
func (b dropboxBucket) List(ctx context.Context, in s3backend.ListInput) (s3backend.Page, error) {
	folder := keyname.Folder(in.Prefix)
	if b.grants.WriteOnly(ctx, folder, false) {
		b.grants.RefreshIfOld(folder)
		b.unlisted.note(folder)
		return listFromLedger(b.sent, in), nil
	}
	page, err := b.Bucket.List(ctx, in)
	if errors.Is(err, s3backend.Denied) && b.grants.WriteOnly(ctx, folder, true) {
		b.unlisted.note(folder)
		return listFromLedger(b.sent, in), nil
	}
	return page, err
}

// ledgerListings notes when a folder was last listed from the ledger. Such a listing does not
// say what S3 holds, and it may be looked at when the policy has changed already.
type ledgerListings struct {
	mu sync.Mutex
	at map[string]time.Time // by folder
}

func (u *ledgerListings) note(folder string) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.at == nil {
		u.at = map[string]time.Time{}
	}
	u.at[folder] = time.Now()
}

// since reports whether the folder was listed from the ledger at that time or later.
func (u *ledgerListings) since(folder string, from time.Time) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	at, ok := u.at[folder]
	return ok && !at.Before(from)
}

// age is how long ago the folder was last listed from the ledger, -1 if never.
func (u *ledgerListings) age(folder string) time.Duration {
	u.mu.Lock()
	defer u.mu.Unlock()
	if at, ok := u.at[folder]; ok {
		return time.Since(at)
	}
	return -1
}

// listFromLedger lists what we sent as S3 lists what it holds.
func listFromLedger(sent *ledger.Ledger, in s3backend.ListInput) s3backend.Page {
	var page s3backend.Page
	most := int(in.Max)
	if most == 0 {
		most = 1000
	}
	after := max(in.StartAfter, in.Token)
	last := ""
	for _, e := range sent.Sent(in.Prefix) {
		key := e.Key
		if in.Delimiter != "" {
			if i := strings.Index(key[len(in.Prefix):], in.Delimiter); i >= 0 {
				key = key[:len(in.Prefix)+i+len(in.Delimiter)]
			}
		}
		common := key != e.Key ||
			in.Delimiter != "" && key != in.Prefix && strings.HasSuffix(key, in.Delimiter)
		switch {
		case key <= after || key == last:
			continue
		case len(page.Objects)+len(page.Prefixes) == most:
			page.Next = last
			return page
		case common:
			page.Prefixes = append(page.Prefixes, key)
		default:
			page.Objects = append(page.Objects,
				s3backend.Object{Key: e.Key, Size: e.Size, ETag: e.ETag, Modified: e.Sent})
		}
		last = key
	}
	return page
}
