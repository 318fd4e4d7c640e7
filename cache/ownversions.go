package cache

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"github.com/s3share/s3share/cache/ledger"
)

// OwnVersions reads which versions the mounts of a state directory have made: those that they have
// delivered, and their copies under new names. It changes nothing in the directory, and is not
// safe for concurrent use.
type OwnVersions struct {
	path string
	read *ledger.Ledger
	size int64
	at   time.Time
}

// NewOwnVersions returns the OwnVersions of a state directory. It knows nothing before Refresh.
func NewOwnVersions(stateDir string) *OwnVersions { return &OwnVersions{path: ledgerFile(stateDir)} }

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
	if d.read != nil && st.Size() == d.size && st.ModTime().Equal(d.at) {
		return nil
	}
	if d.read, err = ledger.Open(d.path); err != nil {
		return err
	}
	d.size, d.at = st.Size(), st.ModTime()
	return nil
}

// Has reports whether a mount is known to have made the version.
func (d *OwnVersions) Has(key, etag string) bool { return d.read != nil && d.read.IsOurs(key, etag) }
