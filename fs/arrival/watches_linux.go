package arrival

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// Watches returns the inode numbers that are watched by inotify or fanotify on a device, as far
// as this process can see: the watches of this user's processes, or of all processes for root.
// device has the form of mountinfo, "0:57".
// Source: proc_pid_fdinfo(5); linux/fs/notify/fdinfo.c.
func Watches(device string) (map[uint64]bool, error) {
	sdev, err := sdevOf(device)
	if err != nil {
		return nil, err
	}
	proc, err := os.Open("/proc")
	if err != nil {
		return nil, err
	}
	pids, err := proc.Readdirnames(-1)
	proc.Close()
	if err != nil {
		return nil, err
	}
	found := map[uint64]bool{}
	for _, pid := range pids {
		if pid[0] < '0' || pid[0] > '9' {
			continue
		}
		watchesOf(filepath.Join("/proc", pid), sdev, found)
	}
	return found, nil
}

// watchesOf adds the watches of one process. The process may be another user's, or may have ended:
// then it adds none.
func watchesOf(dir, sdev string, found map[uint64]bool) {
	fds, err := os.Open(filepath.Join(dir, "fd"))
	if err != nil {
		return
	}
	defer fds.Close()
	names, err := fds.Readdirnames(-1)
	if err != nil {
		return
	}
	buf := make([]byte, 64)
	for _, fd := range names {
		n, err := unix.Readlinkat(int(fds.Fd()), fd, buf)
		if err != nil {
			continue
		}
		switch string(buf[:n]) {
		case "anon_inode:inotify", "anon_inode:[fanotify]", "anon_inode:fanotify":
		default:
			continue
		}
		info, err := os.ReadFile(filepath.Join(dir, "fdinfo", fd))
		if err == nil {
			parseWatches(info, sdev, found)
		}
	}
}

// parseWatches adds the inode numbers in those lines of an fdinfo that name a device:
//
//	inotify wd:1 ino:2f0 sdev:39 mask:3c0 ignored_mask:0 fhandle-bytes:c ...
func parseWatches(info []byte, sdev string, found map[uint64]bool) {
	lines := bufio.NewScanner(bytes.NewReader(info))
	for lines.Scan() {
		var ino, dev string
		for field := range strings.FieldsSeq(lines.Text()) {
			if v, ok := strings.CutPrefix(field, "ino:"); ok {
				ino = v
			} else if v, ok := strings.CutPrefix(field, "sdev:"); ok {
				dev = v
			}
		}
		if n, err := strconv.ParseUint(ino, 16, 64); err == nil && dev == sdev {
			found[n] = true
		}
	}
}

// sdevOf returns a device as fdinfo writes it: in hexadecimal, with the minor number in the low 20
// bits.
// Source: linux/kdev_t.h.
func sdevOf(device string) (string, error) {
	var major, minor uint64
	if _, err := fmt.Sscanf(device, "%d:%d", &major, &minor); err != nil {
		return "", fmt.Errorf("%q is no device: %w", device, err)
	}
	return strconv.FormatUint(major<<20|minor, 16), nil
}
