package outbox

import "fmt"

// verify forgets the parts of an earlier process that are not what the staged file
// holds: they were written again after they had gone up.
func (it *Item) verify(up *upload) error {
	up.mu.Lock()
	defer up.mu.Unlock()
	if !up.recovered {
		return nil
	}
	up.recovered = false
	for num, d := range up.done {
		if d.Copied && !it.stage.HasAny(d.Off, d.Off+d.N) {
			continue
		}
		same := false
		if d.s3.CRC32 != "" && !d.Copied && it.stage.Has(d.Off, d.Off+d.N) {
			sum, err := it.stage.CRC32(d.Off, d.N)
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
