package main

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/s3share/s3share/cache"
	"github.com/s3share/s3share/s3backend"
)

// Uploads that probes could not abort are remembered, so that each folder has one at
// most.

func leftFile(stateDir string) string { return filepath.Join(stateDir, "probes.json") }

func readLeft(stateDir string) map[string]s3backend.Upload {
	left := map[string]s3backend.Upload{}
	if data, err := os.ReadFile(leftFile(stateDir)); err == nil {
		_ = json.Unmarshal(data, &left) // a damaged file is as good as none
	}
	return left
}

func writeLeft(stateDir string, left map[string]s3backend.Upload) {
	if len(left) == 0 {
		_ = os.Remove(leftFile(stateDir)) // it may not be there
		return
	}
	if data, err := json.Marshal(left); err == nil && os.MkdirAll(stateDir, 0o700) == nil {
		_ = os.WriteFile(leftFile(stateDir), data, 0o600) // then one more upload is left
	}
}

// prober probes for a mount, and remembers what is left of that for the next one.
type prober struct {
	*s3backend.Client
	stateDir string

	mu sync.Mutex // held while the file is read and written
}

var _ cache.Prober = (*prober)(nil)

// MayPut is the client's, with an earlier upload of another process.
func (p *prober) MayPut(ctx context.Context, prefix string, earlier s3backend.Upload) (s3backend.Upload, error) {
	folder := strings.TrimSuffix(prefix, "/")
	p.mu.Lock()
	before := readLeft(p.stateDir)[folder]
	p.mu.Unlock()
	if earlier.ID == "" {
		earlier = before
	}
	left, err := p.Client.MayPut(ctx, prefix, earlier)
	if left == before {
		return left, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	all := readLeft(p.stateDir)
	if all[folder] = left; left.ID == "" {
		delete(all, folder)
	}
	writeLeft(p.stateDir, all)
	return left, err
}
