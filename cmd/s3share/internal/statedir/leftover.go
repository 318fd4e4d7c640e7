package statedir

import (
	"encoding/json"

	"github.com/s3share/s3share/cache/privatedir"
	"github.com/s3share/s3share/s3backend"
)

// leftoverFile is the file in a state directory that lists the uploads.
const leftoverFile = "probes.json"

// ReadLeftovers returns the multipart uploads that checks of permissions began and could not
// abort, by folder. A file that cannot be read counts as empty. The result is never nil.
func ReadLeftovers(stateDir string) map[string]s3backend.Upload {
	left := map[string]s3backend.Upload{}
	dir, err := privatedir.Open(stateDir)
	if err != nil {
		return left
	}
	defer dir.Close()
	if data, err := dir.ReadFile(leftoverFile); err == nil {
		_ = json.Unmarshal(data, &left) // a damaged file is as good as none
	}
	return left
}

// WriteLeftovers replaces the list that [ReadLeftovers] reads; an empty one removes the file.
// Errors are ignored: the uploads then stay until a lifecycle rule ends them.
func WriteLeftovers(stateDir string, left map[string]s3backend.Upload) {
	open := privatedir.OpenOrCreate
	if len(left) == 0 {
		open = privatedir.Open
	}
	dir, err := open(stateDir)
	if err != nil {
		return
	}
	defer dir.Close()
	if len(left) == 0 {
		_ = dir.Remove(leftoverFile) // it may not be there
		return
	}
	if data, err := json.Marshal(left); err == nil {
		_ = dir.WriteFile(leftoverFile, data)
	}
}
