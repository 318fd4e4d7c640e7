//go:build linux

// Package crashdisk is a disk that can lose power: what is on it at any instant can be
// had as an image, and mounted.
//
// A [Disk] has an ext4 file system on a loop device. The loop device's file is served
// by a process of its own, the recorder, by way of FUSE: so each write that reaches the
// disk is known, and each flush, which is what the file system sends when it wants all
// writes before it to be there for good. [Disk.Now] is a position in this record.
// [Disk.Crash] makes the image of a disk that lost power there: it has all writes up to
// the last flush before, and any of the later ones, since a disk may reorder what was
// not flushed.
package crashdisk

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// Disk is an ext4 file system whose writes are recorded. Its methods are for one
// goroutine.
type Disk struct {
	Dir string // where it is mounted

	dir      string
	options  string
	recorder *exec.Cmd
	lifeline io.Closer
	flat     *flat
}

// New makes a disk of so many bytes, with its files in dir, and mounts it with the given
// options of ext4. It needs root, loop devices, FUSE, and mkfs.ext4. The caller calls
// Close.
func New(dir string, size int64, options string) (d *Disk, err error) {
	d = &Disk{Dir: filepath.Join(dir, mountName), dir: dir, options: options}
	defer func() {
		if err != nil {
			err = errors.Join(err, d.Close())
		}
	}()
	base := filepath.Join(dir, baseName)
	if err := os.WriteFile(base, nil, 0o600); err != nil {
		return d, err
	}
	if err := os.Truncate(base, size); err != nil {
		return d, err
	}
	// Without lazy initialisation, of which the kernel would write in the background.
	mkfs := exec.Command("mkfs.ext4", "-q", "-F", "-b", "4096",
		"-E", "nodiscard,lazy_itable_init=0,lazy_journal_init=0", "-J", "size=4", base)
	if out, err := mkfs.CombinedOutput(); err != nil {
		return d, fmt.Errorf("%w: %s", err, out)
	}
	if err := copySparse(base, filepath.Join(dir, currentName)); err != nil {
		return d, err
	}
	if d.flat, err = newFlat(dir); err != nil {
		return d, err
	}
	for _, name := range []string{fuseName, mountName} {
		if err := os.Mkdir(filepath.Join(dir, name), 0o700); err != nil {
			return d, err
		}
	}
	if err := d.record(); err != nil {
		return d, err
	}
	return d, mountImage(filepath.Join(dir, fuseName, deviceName), d.Dir, options)
}

// record begins the recorder.
func (d *Disk) record() error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	cmd := exec.Command(self)
	cmd.Env = append(os.Environ(), serveIn+"="+d.dir)
	cmd.Stderr = os.Stderr
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return err
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	d.recorder, d.lifeline = cmd, stdin
	if line, err := bufio.NewReader(stdout).ReadString('\n'); line != "ready\n" {
		return fmt.Errorf("the recorder says %q: %w", line, err)
	}
	return nil
}

// Now is the position of what reaches the disk next.
func (d *Disk) Now() (int64, error) {
	info, err := os.Stat(filepath.Join(d.dir, logName))
	if errors.Is(err, os.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}

// Close unmounts the disk and ends its recorder.
func (d *Disk) Close() error {
	err := unmount(d.Dir)
	if d.lifeline != nil {
		err = errors.Join(err, d.lifeline.Close())
	}
	if d.recorder != nil {
		err = errors.Join(err, d.recorder.Wait())
	}
	if d.flat != nil {
		err = errors.Join(err, d.flat.close())
	}
	return err
}

// mountImage mounts the ext4 file system in a file.
func mountImage(image, dir, options string) error {
	device, err := attach(image)
	if err != nil {
		return fmt.Errorf("a loop device for %s: %w", image, err)
	}
	defer device.Close() // the mount has it then; without one it is free again
	if err := unix.Mount(device.Name(), dir, "ext4", 0, options); err != nil {
		return fmt.Errorf("mount %s: %w", image, err)
	}
	return nil
}

func unmount(dir string) error {
	err := unix.Unmount(dir, 0)
	switch {
	case errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ENOENT):
		return nil // it is not mounted
	case errors.Is(err, unix.EBUSY):
		return errors.Join(fmt.Errorf("unmount %s: %w", dir, err),
			unix.Unmount(dir, unix.MNT_DETACH))
	}
	return err
}

// attach makes a file a loop device, which is free again when nobody has it open.
func attach(image string) (*os.File, error) {
	file, err := os.OpenFile(image, os.O_RDWR, 0)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	control, err := os.OpenFile("/dev/loop-control", os.O_RDWR, 0)
	if err != nil {
		return nil, err
	}
	defer control.Close()
	for {
		n, err := unix.IoctlRetInt(int(control.Fd()), unix.LOOP_CTL_GET_FREE)
		if err != nil {
			return nil, err
		}
		device, err := os.OpenFile(fmt.Sprintf("/dev/loop%d", n), os.O_RDWR, 0)
		if err != nil {
			return nil, err
		}
		err = unix.IoctlLoopConfigure(int(device.Fd()), &unix.LoopConfig{
			Fd: uint32(file.Fd()), Size: 4096,
			Info: unix.LoopInfo64{Flags: unix.LO_FLAGS_AUTOCLEAR},
		})
		if err == nil {
			return device, nil
		}
		device.Close()
		if !errors.Is(err, unix.EBUSY) { // else another was quicker
			return nil, err
		}
	}
}

// copySparse copies a file, and no holes.
func copySparse(from, to string) error {
	out, err := exec.Command("cp", "--sparse=always", "--reflink=auto", from, to).CombinedOutput()
	if err != nil {
		return fmt.Errorf("%w: %s", err, out)
	}
	return nil
}
