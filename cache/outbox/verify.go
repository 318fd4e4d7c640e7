package outbox

import (
	"fmt"

	"github.com/s3share/s3share/cache/outbox/stage"
)

// verify forgets the parts of an earlier process that are not what st holds: the file was changed
// after they had been sent.
func (up *upload) verify(st *stage.Stage) error {
	up.mu.Lock()
	defer up.mu.Unlock()
	if !up.recovered {
		return nil
	}
	up.recovered = false
	for num, d := range up.done {
		if d.Copied && !st.HasAny(d.Off, d.Off+d.N) {
			continue
		}
		same := false
		if d.s3.CRC32 != "" && !d.Copied && st.Has(d.Off, d.Off+d.N) {
			sum, err := st.CRC32(d.Off, d.N)
			if err != nil {
				return fmt.Errorf("reading what was staged: %w", err)
			}
			same = sum == d.s3.CRC32
		}
		if !same {
			delete(up.done, num)
		}
	}
	return nil
}
