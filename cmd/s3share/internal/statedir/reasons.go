package statedir

import (
	"encoding/json"
	"path/filepath"

	"github.com/s3share/s3share/cache/outbox"
	"github.com/s3share/s3share/cache/privatedir"
)

// reasonsFile is the file in a state directory that says why files were not delivered when its
// daemon ended. A daemon that begins removes it: it is about nothing that happened since.
const reasonsFile = "reasons.json"

// maxReasons is how many files it is about at most: ReadFile reads no more than a megabyte.
const maxReasons = 500

// WriteReasons records why files are not delivered, for who reads the outbox when the daemon has
// ended. What has no reason is left out; nothing else removes the file.
func WriteReasons(stateDir string, left []outbox.Status) error {
	var said []outbox.Status
	for _, st := range left {
		if st.Reason != "" && len(said) < maxReasons {
			said = append(said, st)
		}
	}
	dir, err := privatedir.Open(stateDir)
	if err != nil {
		return err
	}
	defer dir.Close()
	if len(said) == 0 {
		_ = dir.Remove(reasonsFile) // it may not be there
		return nil
	}
	data, err := json.Marshal(said)
	if err != nil {
		return err
	}
	return dir.WriteFile(reasonsFile, data)
}

// AddReasons adds to what was read from an outbox why it was not delivered when its daemon ended.
// It changes all.
func AddReasons(stateDir string, all []outbox.Status) {
	var said []outbox.Status
	if data, err := ReadFile(filepath.Join(stateDir, reasonsFile)); err != nil ||
		json.Unmarshal(data, &said) != nil {
		return // it is not there, or damaged: then there are none
	}
	type change struct {
		key     string
		removal bool
	}
	reasons := map[change]outbox.Status{}
	for _, st := range said {
		reasons[change{st.Key, st.State == outbox.Removing}] = st
	}
	for i := range all {
		st := &all[i]
		last, ok := reasons[change{st.Key, st.State == outbox.Removing}]
		if blocked := reasons[change{st.Key, false}]; !ok && blocked.State == outbox.Blocked {
			last, ok = blocked, true // a removal
		}
		if !ok || st.Reason != "" || st.State != outbox.Sealed && st.State != outbox.Removing {
			continue
		}
		if last.State == outbox.Blocked {
			st.State = outbox.Blocked
		}
		st.Reason, st.Hint, st.Code, st.RequestID, st.Detail = last.Reason, last.Hint,
			last.Code, last.RequestID, last.Detail
	}
}
