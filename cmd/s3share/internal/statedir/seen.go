package statedir

import (
	"encoding/json"

	"github.com/s3share/s3share/cache/privatedir"
)

// seenFile is the file in a state directory that says how the bucket was seen last.
const seenFile = "seen.json"

// Seen is what was found out about the bucket when it was opened last, for a mount that begins
// while S3 is out of reach.
type Seen struct {
	Region string `json:"region"`
}

// ReadSeen returns how the bucket was seen last; false if it never was.
func ReadSeen(stateDir string) (s Seen, ok bool) {
	dir, err := privatedir.Open(stateDir)
	if err != nil {
		return s, false
	}
	defer dir.Close()
	data, err := dir.ReadFile(seenFile)
	return s, err == nil && json.Unmarshal(data, &s) == nil && s.Region != ""
}

// NoteSeen records how the bucket was seen.
func NoteSeen(stateDir string, s Seen) error {
	dir, err := privatedir.Open(stateDir)
	if err != nil {
		return err
	}
	defer dir.Close()
	data, err := json.Marshal(s)
	if err != nil {
		return err
	}
	return dir.WriteFile(seenFile, data)
}
