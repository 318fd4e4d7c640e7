package cache

import (
	"errors"
	"io/fs"
	"path/filepath"

	"github.com/s3share/s3share/cache/privatedir"
)

// Unreachable is called while S3 is out of reach, with the reason: nothing is attempted.
func (c *Cache) Unreachable(why error) { c.out.Unreachable(why) }

// KeepListings keeps what was listed last, for a mount that begins while S3 is out of reach.
func (c *Cache) KeepListings() { c.saveListings() }

// Reachable is called when S3 can be reached again: what waits is tried at once.
func (c *Cache) Reachable() { c.out.Reachable() }

// listingsFile is where the last listings are kept, for a mount that begins while S3 is out of
// reach.
func listingsFile(stateDir string) string { return filepath.Join(stateDir, "listings") }

// loadListings takes the last listings of an earlier process. Without them, what was listed then
// cannot be shown while S3 is out of reach.
func (c *Cache) loadListings() {
	data, err := withStateDir(c.cfg.StateDir, func(dir *privatedir.Dir) ([]byte, error) {
		return dir.ReadFile(filepath.Base(listingsFile("")))
	})
	if err == nil {
		err = c.names.LoadLast(data)
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		c.log.Warn("what was listed last is not known", "err", err)
	}
}

// saveListings keeps the last listings for a later process.
func (c *Cache) saveListings() {
	data, err := c.names.SaveLast()
	if err == nil {
		_, err = withStateDir(c.cfg.StateDir, func(dir *privatedir.Dir) ([]byte, error) {
			return nil, dir.WriteFile(filepath.Base(listingsFile("")), data)
		})
	}
	if err != nil {
		c.log.Warn("what was listed last is not kept", "err", err)
	}
}

func withStateDir(path string, do func(*privatedir.Dir) ([]byte, error)) ([]byte, error) {
	dir, err := privatedir.Open(path)
	if err != nil {
		return nil, err
	}
	defer dir.Close()
	return do(dir)
}
