package daemon

import (
	"context"
	"strings"
	"sync"

	"github.com/s3share/s3share/cache/grants"
	"github.com/s3share/s3share/cmd/s3share/internal/statedir"
	"github.com/s3share/s3share/s3backend"
)

// Uploads that probes could not abort are remembered, so that each folder has one at
// most.

// prober is the grants.Checker of a mount. It remembers uploads that could not be aborted for the
// next one.
type prober struct {
	s3backend.Rights
	stateDir string

	mu sync.Mutex // held while the file is read and written
}

var _ grants.Checker = (*prober)(nil)

// MayPut is that of Rights, with an earlier upload of another process.
func (p *prober) MayPut(ctx context.Context,
	prefix string, earlier s3backend.Upload) (s3backend.Upload, error) {
	folder := strings.TrimSuffix(prefix, "/")
	p.mu.Lock()
	before := statedir.ReadLeftovers(p.stateDir)[folder]
	p.mu.Unlock()
	if earlier.ID == "" {
		earlier = before
	}
	left, err := p.Rights.MayPut(ctx, prefix, earlier)
	if left == before {
		return left, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	all := statedir.ReadLeftovers(p.stateDir)
	if all[folder] = left; left.ID == "" {
		delete(all, folder)
	}
	statedir.WriteLeftovers(p.stateDir, all)
	return left, err
}
