package cache

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/s3share/s3share/cache/filestamp"
	"github.com/s3share/s3share/cache/ledger"
)

// OwnVersions reads which versions the mounts of a state directory have made: those that they have
// delivered, and their copies under new names. It changes nothing in the directory, and is not
// safe for concurrent use.
type OwnVersions struct {
	path  string
	read  *ledger.Ledger
	stamp string // of the ledger's file, as it was read
}

// NewOwnVersions returns the OwnVersions of a state directory. It knows nothing before Refresh.
func NewOwnVersions(stateDir string) *OwnVersions {
	return &OwnVersions{path: ledgerFile(stateDir)}
}

// Refresh reads the ledger again if it has changed.
func (d *OwnVersions) Refresh() error {
	st, err := os.Stat(d.path)
	if errors.Is(err, fs.ErrNotExist) {
		d.read = nil
		return nil
	}
	if err != nil {
		return fmt.Errorf("read the ledger: %w", err)
	}
	stamp := filestamp.Of(st)
	if d.read != nil && stamp != "" && stamp == d.stamp {
		return nil
	}
	if d.read, err = ledger.Open(d.path); err != nil {
		return err
	}
	d.stamp = stamp
	return nil
}

// Has reports whether a mount is known to have made the version.
func (d *OwnVersions) Has(key, etag string) bool {
	return d.read != nil && d.read.IsOurs(key, etag)
}
