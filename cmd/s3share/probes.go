package main

import (
	"context"
	"encoding/json"
	"strings"
	"sync"

	"github.com/s3share/s3share/cache"
	"github.com/s3share/s3share/cache/privatedir"
	"github.com/s3share/s3share/s3backend"
)

// Uploads that probes could not abort are remembered, so that each folder has one at
// most.

// leftFile is where, in the state directory.
const leftFile = "probes.json"

func readLeft(stateDir string) map[string]s3backend.Upload {
	left := map[string]s3backend.Upload{}
	dir, err := privatedir.Open(stateDir)
	if err != nil {
		return left
	}
	defer dir.Close()
	if data, err := dir.ReadFile(leftFile); err == nil {
		_ = json.Unmarshal(data, &left) // a damaged file is as good as none
	}
	return left
}

// writeLeft keeps what is left. Where it cannot be kept, one more upload is left.
func writeLeft(stateDir string, left map[string]s3backend.Upload) {
	open := privatedir.Make
	if len(left) == 0 {
		open = privatedir.Open
	}
	dir, err := open(stateDir)
	if err != nil {
		return
	}
	defer dir.Close()
	if len(left) == 0 {
		_ = dir.Remove(leftFile) // it may not be there
		return
	}
	if data, err := json.Marshal(left); err == nil {
		_ = dir.WriteFile(leftFile, data)
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
