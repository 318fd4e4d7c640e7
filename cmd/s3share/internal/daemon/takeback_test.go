package daemon

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/s3share/s3share/cmd/s3share/internal/statedir"
)

// TestSuccessorServes changes the lock file as new mounts do after a handover: they serve, also for
// a moment only, fail, are killed, or never come.
func TestSuccessorServes(t *testing.T) {
	const second = time.Second
	living, killed := os.Getppid(), 1<<30 // no process has a PID as large as that
	mounting := statedir.LockInfo{PID: living, Dir: "/mnt", Served: 3}
	free := statedir.LockInfo{Dir: "/mnt", Served: 3}
	for name, c := range map[string]struct {
		locks map[time.Duration]statedir.LockInfo // what the lock file has from when on
		want  bool
		after time.Duration
	}{
		"nobody comes":        {nil, false, 5 * second},
		"serves":              {map[time.Duration]statedir.LockInfo{second: mounting, 90 * second: {PID: living, Dir: "/mnt", Served: 4}}, true, 90 * second},
		"fails":               {map[time.Duration]statedir.LockInfo{second: mounting, 90 * second: free}, false, 95 * second},
		"is killed":           {map[time.Duration]statedir.LockInfo{second: mounting, 2 * second: {PID: killed, Dir: "/mnt", Served: 3}}, false, 7 * second},
		"the second serves":   {map[time.Duration]statedir.LockInfo{second: mounting, 2 * second: free, 6 * second: mounting, 8 * second: {PID: living, Dir: "/mnt", Served: 4}}, true, 8 * second},
		"the second fails":    {map[time.Duration]statedir.LockInfo{second: mounting, 2 * second: free, 6 * second: mounting, 8 * second: free}, false, 13 * second},
		"served for a moment": {map[time.Duration]statedir.LockInfo{second: {Dir: "/mnt", Served: 4}}, true, second},
		"served, then killed": {map[time.Duration]statedir.LockInfo{second: {PID: killed, Dir: "/mnt", Served: 4}}, true, second},
		"served, then failed": {map[time.Duration]statedir.LockInfo{second: {PID: living, Dir: "/mnt", Served: 5}}, true, second},
		"recover":             {map[time.Duration]statedir.LockInfo{second: {PID: living, Served: 3}}, true, second},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			lock := func(l statedir.LockInfo) {
				text, err := json.Marshal(l)
				if err = errors.Join(err,
					os.WriteFile(filepath.Join(dir, statedir.LockFile), text, 0o600)); err != nil {
					t.Error(err)
				}
			}
			// the end of this process is not noted
			lock(statedir.LockInfo{PID: os.Getpid(), Dir: "/mnt", Served: 3})
			synctest.Test(t, func(t *testing.T) {
				for after, l := range c.locks {
					time.AfterFunc(after, func() { lock(l) })
				}
				began := time.Now()
				got := successorServes(t.Context(), dir, 3)
				// Each change is found by the check after it.
				if took := time.Since(began); got != c.want || took < c.after ||
					took > c.after+2*takebackPoll {
					t.Errorf("successorServes = %v after %s, want %v after %s",
						got, took, c.want, c.after)
				}
			})
		})
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if !successorServes(ctx, t.TempDir(), 3) {
		t.Error(
			"successorServes = false once its process is asked to end, want true: nobody is to deliver")
	}
}
