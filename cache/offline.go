package cache

import (
	"encoding/json"
	"errors"
	"io/fs"

	"github.com/s3share/s3share/cache/grants"
	"github.com/s3share/s3share/cache/privatedir"
)

// Unreachable is called while S3 is out of reach, with the reason: nothing is attempted.
func (c *Cache) Unreachable(why error) { c.out.Admission.Unreachable(why) }

// Reachable is called when S3 can be reached again: what waits is tried at once.
func (c *Cache) Reachable() {
	c.out.Reachable()
	c.grants.Reachable()
}

// listingsFile is the file in a state directory that has the last listings, for a mount that
// begins while S3 is out of reach.
const listingsFile = "listings"

// loadListings takes the last listings of an earlier process. Without them, what was listed then
// cannot be shown while S3 is out of reach.
func (c *Cache) loadListings() {
	err := c.inStateDir(func(dir *privatedir.Dir) error {
		data, err := dir.ReadFile(listingsFile)
		if err != nil {
			return err
		}
		return c.names.LoadLast(data)
	})
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		c.log.Warn("what was listed last is not known", "err", err)
	}
}

// rightsFile is the file in a state directory that has what the policy granted last: JSON, a
// grants.FolderRights for each folder.
const rightsFile = "rights.json"

// lastRights returns what the policy granted an earlier process.
func (c *Cache) lastRights() map[string]grants.FolderRights {
	var last map[string]grants.FolderRights
	err := c.inStateDir(func(dir *privatedir.Dir) error {
		data, err := dir.ReadFile(rightsFile)
		if err != nil {
			return err
		}
		return json.Unmarshal(data, &last)
	})
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		c.log.Warn("what the policy granted last is not known", "err", err)
	}
	return last
}

// KeepLast writes what was listed last, and what the policy granted, for a later process.
func (c *Cache) KeepLast() {
	err := c.inStateDir(func(dir *privatedir.Dir) error {
		listings, err := c.names.SaveLast()
		if err == nil {
			err = dir.WriteFile(listingsFile, listings)
		}
		rights, rerr := json.Marshal(c.grants.Last())
		if rerr == nil {
			rerr = dir.WriteFile(rightsFile, rights)
		}
		return errors.Join(err, rerr)
	})
	if err != nil {
		c.log.Warn("what was listed and granted last is not kept", "err", err)
	}
}

func (c *Cache) inStateDir(do func(*privatedir.Dir) error) error {
	dir, err := privatedir.Open(c.cfg.StateDir)
	if err != nil {
		return err
	}
	defer dir.Close()
	return do(dir)
}
