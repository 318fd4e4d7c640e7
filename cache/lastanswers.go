package cache

import (
	"encoding/json"
	"errors"
	"io/fs"
	"log/slog"

	"github.com/s3share/s3share/cache/grants"
	"github.com/s3share/s3share/cache/meta"
	"github.com/s3share/s3share/cache/privatedir"
)

const (
	// listingsFile is the file in a state directory that has the last listings.
	listingsFile = "listings"
	// rightsFile is the file in a state directory that has what the policy granted last: JSON, a
	// grants.FolderRights for each folder.
	rightsFile = "rights.json"
)

// lastAnswers keeps what S3 has answered last in a state directory, for a later process that
// begins while S3 is out of reach.
type lastAnswers struct {
	stateDir string
	log      *slog.Logger
}

// listings has names take the last listings of an earlier process. Without them, what was listed
// then cannot be shown while S3 is out of reach.
func (l lastAnswers) listings(names *meta.Cache) {
	err := l.inDir(func(dir *privatedir.Dir) error {
		data, err := dir.ReadFile(listingsFile)
		if err != nil {
			return err
		}
		return names.LoadLast(data)
	})
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		l.log.Warn("what was listed last is not known", "err", err)
	}
}

// rights returns what the policy granted an earlier process.
func (l lastAnswers) rights() map[string]grants.FolderRights {
	var last map[string]grants.FolderRights
	err := l.inDir(func(dir *privatedir.Dir) error {
		data, err := dir.ReadFile(rightsFile)
		if err != nil {
			return err
		}
		return json.Unmarshal(data, &last)
	})
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		l.log.Warn("what the policy granted last is not known", "err", err)
	}
	return last
}

// keep writes what was listed last, and what the policy granted, for a later process.
func (l lastAnswers) keep(names *meta.Cache, policy *grants.Policy) {
	err := l.inDir(func(dir *privatedir.Dir) error {
		listings, err := names.SaveLast()
		if err == nil {
			err = dir.WriteFile(listingsFile, listings)
		}
		rights, rerr := json.Marshal(policy.Last())
		if rerr == nil {
			rerr = dir.WriteFile(rightsFile, rights)
		}
		return errors.Join(err, rerr)
	})
	if err != nil {
		l.log.Warn("what was listed and granted last is not kept", "err", err)
	}
}

func (l lastAnswers) inDir(do func(*privatedir.Dir) error) error {
	dir, err := privatedir.Open(l.stateDir)
	if err != nil {
		return err
	}
	defer dir.Close()
	return do(dir)
}
