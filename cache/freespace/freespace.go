// Package freespace computes how much of a disk s3share may fill: a floor of free space
// stays for other programs, and for the journals.
package freespace

import "golang.org/x/sys/unix"

// maxFloor bounds Floor.
const maxFloor = 512 << 20

// Floor returns how many bytes stay free on a disk of so many bytes: a twentieth of it,
// but not more than MaxFloor.
func Floor(total int64) int64 { return min(total/20, maxFloor) }

// Of returns the size in bytes of the disk that path is on, and how much of it is free
// for this user.
func Of(path string) (total, free int64, err error) {
	var st unix.Statfs_t
	if err := unix.Statfs(path, &st); err != nil {
		return 0, 0, err
	}
	return int64(st.Blocks) * int64(st.Bsize), int64(st.Bavail) * int64(st.Bsize), nil
}

// Above reports whether n more bytes can be written to the disk that path is on without
// going below the floor. Where the disk does not tell, they can.
func Above(path string, n int64) bool {
	total, free, err := Of(path)
	return err != nil || free-n >= Floor(total)
}
