package doctor

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"github.com/s3share/s3share/cache/privatedir"
	"github.com/s3share/s3share/cmd/s3share/internal/config"
	"github.com/s3share/s3share/cmd/s3share/internal/hint"
	"github.com/s3share/s3share/cmd/s3share/internal/mounts"
	"github.com/s3share/s3share/cmd/s3share/internal/statedir"
	"github.com/s3share/s3share/cmd/s3share/internal/ui"
	"github.com/s3share/s3share/s3backend"
	"github.com/s3share/s3share/s3backend/access"
)

// What doctor checks on this machine, and at the door of the bucket.
const (
	checkFUSE        access.Check = "FUSE"
	checkStateDir    access.Check = "state directory"
	checkDisk        access.Check = "local disk"
	checkCredentials access.Check = "credentials"
	checkEndpoint    access.Check = "endpoint"
	checkBucket      access.Check = "bucket"
	checkRegion      access.Check = "region"
)

// The reasons that belong to them.
const (
	whyThere  access.Reason = "there"
	whyInUse  access.Reason = "in use" // Detail says by whom
	whyRoom   access.Reason = "room"   // Detail says how much
	whyNoRoom access.Reason = "no room"
	whyBroken access.Reason = "broken" // Err says why
)

// lowDisk is how much free disk is worth a word: the outbox leaves as much free.
const lowDisk = 512 << 20

// checkMachine checks this machine.
func checkMachine(s *config.Settings) []access.Finding {
	fuse := access.Finding{Check: checkFUSE, State: access.StateOK, Reason: whyThere,
		How: "/dev/fuse, fusermount3"}
	if err := mounts.CheckKernel(s.AllowOther); err != nil {
		fuse.State, fuse.Reason, fuse.Err = access.StateMissing, whyBroken, err
	}
	all := []access.Finding{fuse}
	if s.Locate() != nil {
		return all // where the state directory is depends on it; checkBucketAccess says why
	}
	state := access.Finding{Check: checkStateDir, State: access.StateOK, Reason: whyThere,
		How: "a file made and removed there"}
	if err := config.FillPaths(s); err != nil {
		state.State, state.Reason, state.Err = access.StateMissing, whyBroken, err
		return append(all, state)
	}
	parent := s.StateDir
	if top := config.FirstMissing(s.StateDir); top != "" {
		parent, state.How = filepath.Dir(top), "it will be made"
	}
	err := privatedir.Check(s.StateDir)
	if err == nil {
		err = writable(parent, parent == s.StateDir)
	}
	if err == nil {
		err = statedir.CheckBucket(s)
	}
	if by, used := lockHolder(s.StateDir); err == nil && used {
		state.State, state.Reason, state.Detail, state.How = access.StateNote,
			whyInUse, by, "its lock"
	}
	if err != nil {
		state.State, state.Reason, state.Err = access.StateMissing, whyBroken, err
		return append(all, state)
	}
	return append(all, state, freeSpaceAt(parent))
}

// writable proves that files can be made in a directory.
func writable(dir string, try bool) error {
	info, err := os.Stat(dir)
	switch {
	case err != nil:
		return hint.WithoutPath(err)
	case !info.IsDir():
		return fmt.Errorf("%s is not a directory", dir)
	case try:
		return config.MakePrivate(dir, "state directory", "--state-dir")
	}
	if err := unix.Access(dir, unix.W_OK|unix.X_OK); err != nil {
		return fmt.Errorf("nothing can be made in %s: %w", dir, err)
	}
	return nil
}

// lockHolder tells who uses the state directory now. A lock file alone tells nothing:
// the lock ends with the process that had it.
func lockHolder(stateDir string) (string, bool) {
	f, err := statedir.OpenLock(stateDir, os.O_RDWR)
	if err != nil {
		return "", false
	}
	defer f.Close()
	if err := unix.Flock(int(f.Fd()),
		unix.LOCK_EX|unix.LOCK_NB); !errors.Is(err, unix.EWOULDBLOCK) {
		return "", false
	}
	var t statedir.LockInfo
	if err := json.NewDecoder(f).Decode(&t); err != nil || t.Dir == "" {
		return "another s3share", true
	}
	return fmt.Sprintf("the mount on %s (pid %d)", t.Dir, t.PID), true
}

// freeSpaceAt tells how much can be staged on the disk of dir.
func freeSpaceAt(dir string) access.Finding {
	f := access.Finding{Check: checkDisk, State: access.StateOK,
		Reason: whyRoom, How: "statfs " + dir}
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil {
		f.State, f.Reason, f.Err = access.StateUnknown, whyBroken, err
		return f
	}
	free := int64(st.Bavail) * int64(st.Bsize)
	f.Detail = ui.SizeText(free)
	if free < lowDisk {
		f.State, f.Reason = access.StateMissing, whyNoRoom
	}
	return f
}

// checkBucketAccess finds credentials, and proves that the bucket answers. The client is nil
// where there is nothing more to ask.
func checkBucketAccess(ctx context.Context,
	s *config.Settings) (*s3backend.Client, []access.Finding) {
	door := func(check access.Check, how string, err error) access.Finding {
		f := access.Finding{Check: check, State: access.StateOK,
			Reason: whyThere, How: how, Err: err}
		if err != nil {
			f.State, f.Reason = access.StateMissing, whyBroken
		}
		return f
	}
	client, err := s3backend.Connect(ctx, s.Backend())
	if err != nil {
		check := checkEndpoint
		if errors.Is(err, s3backend.BadLogin) {
			check = checkCredentials
		}
		return nil, []access.Finding{door(check, "the settings", err)}
	}
	err = client.VerifyBucketSoon(ctx)
	var region *s3backend.RegionError
	what := checkEndpoint
	var refused *s3backend.Error
	switch {
	case errors.As(err, &refused) && refused.Code() == "RequestTimeTooSkewed":
		return nil, []access.Finding{door(access.CheckClock, "HeadBucket", err)}
	case errors.Is(err, s3backend.BadLogin):
		what = checkCredentials
	case errors.Is(err, s3backend.NoBucket), errors.Is(err, s3backend.WrongOwner),
		errors.Is(err, s3backend.ErrRequesterPays):
		what = checkBucket
	case errors.As(err, &region), isRegionError(err):
		what = checkRegion
	}
	var all []access.Finding
	for _, check := range []access.Check{checkEndpoint, checkCredentials,
		checkBucket, checkRegion} {
		if check == what && err != nil {
			return nil, append(all, door(check, "HeadBucket", err))
		}
		f := door(check, "HeadBucket", nil)
		if check == checkRegion {
			f.Detail = client.Region()
		}
		all = append(all, f)
	}
	return client, all
}

// isRegionError reports whether a refusal is about the region.
func isRegionError(err error) bool {
	var e *s3backend.Error
	if !errors.As(err, &e) {
		return false
	}
	switch e.Code() {
	case "AuthorizationHeaderMalformed", "PermanentRedirect", "IllegalLocationConstraintException":
		return true
	}
	return false
}
