package statedir

import (
	"encoding/json"
	"errors"
	"io/fs"
	"time"

	"github.com/s3share/s3share/cache/privatedir"
)

// pausedFile is in a state directory while deliveries are paused. Whoever delivers reads it
// before.
const pausedFile = "paused.json"

type paused struct {
	Since time.Time `json:"since"`
}

// ReadPaused reports whether deliveries are paused, and since when. A file that cannot be read
// counts: the zero time is then returned, or when it was written.
func ReadPaused(stateDir string) (since time.Time, is bool) {
	dir, err := privatedir.Open(stateDir)
	if err != nil {
		return since, false // nothing is delivered from there
	}
	defer dir.Close()
	data, err := dir.ReadFile(pausedFile)
	if errors.Is(err, fs.ErrNotExist) {
		return since, false
	}
	var p paused
	if err == nil && json.Unmarshal(data, &p) == nil {
		since = p.Since
	}
	return since, true
}

// WritePaused records that deliveries are paused since a time.
func WritePaused(stateDir string, since time.Time) error {
	dir, err := privatedir.Open(stateDir)
	if err != nil {
		return err
	}
	defer dir.Close()
	data, err := json.Marshal(paused{since})
	if err != nil {
		return err
	}
	return dir.WriteFile(pausedFile, data)
}

// RemovePaused records that deliveries go on.
func RemovePaused(stateDir string) error {
	dir, err := privatedir.Open(stateDir)
	if err != nil {
		return err
	}
	defer dir.Close()
	if err := dir.Remove(pausedFile); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}
