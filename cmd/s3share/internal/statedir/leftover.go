package statedir

import (
	"encoding/json"

	"github.com/s3share/s3share/cache/privatedir"
	"github.com/s3share/s3share/s3backend"
)

// leftFile has them, in the state directory.
const leftFile = "probes.json"

// ReadLeft returns the uploads that probes could not abort, by folder; none where nothing
// can be read.
func ReadLeft(stateDir string) map[string]s3backend.Upload {
	left := map[string]s3backend.Upload{}
	dir, err := privatedir.Open(stateDir)
	if err != nil {
		return left
	}
	defer dir.Close()
	if data, err := dir.ReadFile(leftFile); err == nil {
		_ = json.Unmarshal(data, &left) // a damaged file is as good as none
	}
	return left
}

// WriteLeft keeps what is left. Where it cannot be kept, one more upload is left.
func WriteLeft(stateDir string, left map[string]s3backend.Upload) {
	open := privatedir.Make
	if len(left) == 0 {
		open = privatedir.Open
	}
	dir, err := open(stateDir)
	if err != nil {
		return
	}
	defer dir.Close()
	if len(left) == 0 {
		_ = dir.Remove(leftFile) // it may not be there
		return
	}
	if data, err := json.Marshal(left); err == nil {
		_ = dir.WriteFile(leftFile, data)
	}
}
