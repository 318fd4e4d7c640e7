package cache

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/s3share/s3share/cache/outbox"
	"github.com/s3share/s3share/cache/privatename"
)

// Pending is what lies in a state directory, whether a process uses it or not.
type Pending struct {
	Waiting   []outbox.Status // the oldest first
	Conflicts []outbox.Status // copies that were delivered beside the other party's version
}

// ReadPending reads what waits in a state directory, without S3, without taking the directory,
// and without changing anything in it. private are the names that are not sent; nil for
// the built-in list.
func ReadPending(stateDir string, private *privatename.Patterns) (Pending, error) {
	waiting, err := outbox.Inspect(stageDir(stateDir), private)
	if err != nil {
		return Pending{}, err
	}
	kept := Pending{Waiting: withPaths(waiting)}
	b, err := os.ReadFile(conflictsFile(stateDir))
	if errors.Is(err, fs.ErrNotExist) {
		return kept, nil
	}
	if err == nil {
		err = json.Unmarshal(b, &kept.Conflicts)
	}
	if err != nil {
		return kept, fmt.Errorf("the list of conflicts: %w", err)
	}
	kept.Conflicts = withPaths(kept.Conflicts)
	return kept, nil
}

func conflictsFile(stateDir string) string { return filepath.Join(stateDir, "conflicts.json") }
