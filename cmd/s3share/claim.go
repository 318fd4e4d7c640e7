package main

import (
	"encoding/json"
	"fmt"

	"github.com/s3share/s3share/cache"
	"github.com/s3share/s3share/cache/privatedir"
)

// claim is whose outbox a state directory holds.
type claim struct {
	Bucket   string `json:"bucket"`
	Endpoint string `json:"endpoint,omitempty"` // "" for AWS
}

// claimName is the file in a state directory that says it.
const claimName = "exchange.json"

// claimState notes for which bucket the state directory is, once it is locked. It
// refuses one that still owes files to another: they would go to the wrong bucket.
func claimState(s *settings) error {
	dir, err := privatedir.Open(s.StateDir)
	if err != nil {
		return fmt.Errorf("cannot use the state directory %s: %w", s.StateDir, rootCause(err))
	}
	defer dir.Close()
	ours := claim{s.Bucket, s.Endpoint}
	var theirs claim
	data, err := dir.ReadFile(claimName)
	if err == nil && json.Unmarshal(data, &theirs) == nil && theirs != ours && theirs.Bucket != "" {
		owes, err := cache.Owes(s.StateDir)
		if err != nil {
			return fmt.Errorf("cannot read the state directory %s: %w", s.StateDir, rootCause(err))
		}
		if owes {
			return advise(fmt.Errorf("the state directory %s holds files that wait for %s", s.StateDir, theirs),
				"deliver them with s3share recover for that bucket, or name another directory with --state-dir")
		}
	}
	if theirs == ours {
		return nil
	}
	if data, err = json.Marshal(ours); err == nil {
		err = dir.WriteFile(claimName, append(data, '\n'))
	}
	if err != nil {
		return fmt.Errorf("cannot write to the state directory %s: %w", s.StateDir, rootCause(err))
	}
	return nil
}

func (c claim) String() string {
	if c.Endpoint == "" {
		return fmt.Sprintf("the bucket %q", c.Bucket)
	}
	return fmt.Sprintf("the bucket %q at %s", c.Bucket, c.Endpoint)
}
