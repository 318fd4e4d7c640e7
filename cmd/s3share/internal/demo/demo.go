// Package demo plays an exchange between two accounts on this machine: a bucket of its own,
// both parties' mounts, and steps that each show one thing and check it. [Run] removes
// all that it made.
package demo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/s3share/s3share/cmd/s3share/internal/hint"
	"github.com/s3share/s3share/cmd/s3share/internal/mounts"
	"github.com/s3share/s3share/cmd/s3share/internal/ui"
)

// Run plays the exchange in dir. What it made is gone when it returns.
func Run(ctx context.Context, dir string, once bool, out io.Writer) (err error) {
	st, err := newSetting(ctx, dir)
	defer func() { err = errors.Join(err, st.teardown()) }()
	if ctx.Err() != nil {
		return hint.ErrInterrupted
	}
	if err != nil {
		return err
	}
	n := ui.NewPrinter(out)
	n.Title("An exchange between two accounts, all on this machine")
	n.Fact("bucket", "%s at %s, gone with the demo", st.bucket.Bucket, st.bucket.Endpoint)
	n.Fact("owner", "account %s, mounted on %s", st.bucket.Owner.Account, nearby(st.owner.dir))
	n.Fact("client", "account %s, mounted on %s", st.bucket.Client.Account, nearby(st.client.dir))
	n.Line("")
	failed := 0
	for _, step := range st.steps() {
		said, err := step(ctx)
		if ctx.Err() != nil {
			return hint.ErrInterrupted
		}
		n.Step(said, err)
		if err != nil {
			failed++
		}
	}
	if !once {
		n.Line("")
		n.Line("Both mounts are yours to play with; s3share status tells what is under way.")
		n.Line("Ctrl-C ends the demo and removes everything.")
		if err := st.hold(ctx); err != nil {
			return err
		}
	}
	if failed > 0 {
		return fmt.Errorf("%s went wrong", ui.Count(failed, "step"))
	}
	return nil
}

// setting is what the demo plays on.
type setting struct {
	made   []string // directories, to be removed in reverse
	work   string   // for state and caches
	bucket *demoBucket
	owner  *party
	client *party
}

// newSetting starts the bucket and both parties' mounts. The caller calls teardown, also after an
// error.
func newSetting(ctx context.Context, dir string) (*setting, error) {
	st := &setting{}
	dir, err := mounts.AbsPath(dir)
	if err != nil {
		return st, err
	}
	if st.work, err = os.MkdirTemp("", "s3share-demo-"); err != nil {
		return st, err
	}
	if st.bucket, err = startBucket(ctx); err != nil {
		return st, err
	}
	for _, d := range []string{dir, filepath.Join(dir, "owner"), filepath.Join(dir, "client")} {
		switch err := os.Mkdir(d, 0o755); { // #nosec G301 -- a mountpoint, which the mount covers
		case err == nil:
			st.made = append(st.made, d)
		case !errors.Is(err, os.ErrExist):
			return st, hint.With(fmt.Errorf("cannot make %s: %w", d, hint.WithoutPath(err)),
				"name another directory")
		}
	}
	st.owner, err = startParty(ctx, "owner", dir, st.work, st.bucket, st.bucket.Owner)
	if err != nil {
		return st, err
	}
	st.client, err = startParty(ctx, "client", dir, st.work, st.bucket, st.bucket.Client)
	return st, err
}

// hold waits until ctx ends, or one of the programs does.
func (st *setting) hold(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return nil
	case <-st.bucket.proc.exited:
		return errors.New("the bucket has ended")
	case <-st.owner.proc.exited:
		return fmt.Errorf("the mount on %s has ended", st.owner.dir)
	case <-st.client.proc.exited:
		return fmt.Errorf("the mount on %s has ended", st.client.dir)
	}
}

// teardown ends the programs and removes what newSetting made, even if that failed halfway.
func (st *setting) teardown() error {
	var errs []error
	for _, p := range []*party{st.client, st.owner} {
		if p != nil {
			errs = append(errs, p.stop())
		}
	}
	if st.bucket != nil {
		errs = append(errs, st.bucket.stop())
	}
	for i := len(st.made) - 1; i >= 0; i-- {
		errs = append(errs, os.Remove(st.made[i]))
	}
	if st.work != "" {
		errs = append(errs, os.RemoveAll(st.work))
	}
	return errors.Join(errs...)
}

// nearby is dir as seen from the working directory, if it lies below it.
func nearby(dir string) string {
	here, err := os.Getwd()
	if err != nil {
		return dir
	}
	if rel, err := filepath.Rel(here, dir); err == nil && filepath.IsLocal(rel) {
		return rel
	}
	return dir
}
