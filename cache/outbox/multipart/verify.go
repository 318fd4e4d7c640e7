package multipart

import "fmt"

// verify forgets the parts of an earlier process that are not what the content is now: it was
// changed after they had been sent.
func (up *Upload) verify() error {
	up.mu.Lock()
	defer up.mu.Unlock()
	if !up.recovered {
		return nil
	}
	up.recovered = false
	now := up.f.Content
	for num, d := range up.done {
		if d.Copied && !now.HasAny(d.Off, d.Off+d.N) {
			continue
		}
		same := false
		if d.s3.CRC32 != "" && !d.Copied && now.Has(d.Off, d.Off+d.N) {
			sum, err := now.CRC32(d.Off, d.N)
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
