//go:build !linux

package hole

import "os"

// Punch makes a range of f read as zero, by writing zeros.
func Punch(f *os.File, off, n int64) error {
	zero := make([]byte, min(n, 1<<20))
	for n > 0 {
		k, err := f.WriteAt(zero[:min(n, int64(len(zero)))], off)
		if err != nil {
			return err
		}
		off, n = off+int64(k), n-int64(k)
	}
	return nil
}
