//go:build linux

package crashdisk

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"sync"
	"syscall"

	fusefs "github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"
)

// serveIn names the directory of a disk in the environment of its recorder.
const serveIn = "S3SHARE_TEST_CRASHDISK"

// Files in a disk's directory.
const (
	baseName    = "base"     // the disk as it was when recording began
	currentName = "current"  // the disk as it is
	logName     = "log"      // what has reached it, in order
	fuseName    = "recorder" // where the recorder shows the disk, as deviceName
	deviceName  = "disk"
	mountName   = "mnt" // the file system on it
)

// The log is a sequence of entries. Each has a header of entryHeader bytes: its kind,
// the offset on the disk, and the number of bytes that follow.
const (
	entryHeader = 13
	kindWrite   = 'w'
	kindFlush   = 'f'
)

func header(kind byte, off int64, n int) []byte {
	h := make([]byte, 0, entryHeader)
	h = append(h, kind)
	h = binary.LittleEndian.AppendUint64(h, uint64(off))
	return binary.LittleEndian.AppendUint32(h, uint32(n))
}

// ServeIfAsked makes this process the recorder of a disk, if New has begun it as that,
// and does not return then. TestMain calls it first: a process that uses a file system
// must not be the one that serves the disk below it.
func ServeIfAsked() {
	dir := os.Getenv(serveIn)
	if dir == "" {
		return
	}
	if err := serve(dir); err != nil {
		fmt.Fprintln(os.Stderr, "crashdisk:", err)
		os.Exit(1)
	}
	os.Exit(0)
}

// serve shows the disk until standard input ends, as it does when the process that
// began this one does.
func serve(dir string) error {
	signal.Ignore(os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	current, err := os.OpenFile(filepath.Join(dir, currentName), os.O_RDWR, 0)
	if err != nil {
		return err
	}
	log, err := os.OpenFile(filepath.Join(dir, logName), os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	info, err := current.Stat()
	if err != nil {
		return err
	}
	root := &recorder{current: current, log: log, size: info.Size()}
	at := filepath.Join(dir, fuseName)
	_, err = fusefs.Mount(at, root, &fusefs.Options{MountOptions: fuse.MountOptions{
		DirectMountStrict: true, FsName: "crashdisk", MaxWrite: 1 << 20, DisableXAttrs: true,
	}})
	if err != nil {
		return err
	}
	fmt.Println("ready")
	_, _ = io.Copy(io.Discard, os.Stdin)
	// Nobody may be left to do this. Other mount namespaces may still have a copy of the
	// mounts: they get errors from now on.
	_ = syscall.Unmount(filepath.Join(dir, mountName), syscall.MNT_DETACH)
	if err := syscall.Unmount(at, syscall.MNT_DETACH); err != nil &&
		!errors.Is(err, syscall.EINVAL) {
		return err
	}
	return nil
}

// recorder is a file system with one file, which is a disk.
type recorder struct {
	fusefs.Inode
	current, log *os.File
	size         int64

	mu sync.Mutex // orders the entries of the log
}

var _ = (fusefs.NodeOnAdder)((*recorder)(nil))

// OnAdd implements fusefs.NodeOnAdder.
func (r *recorder) OnAdd(ctx context.Context) {
	r.AddChild(deviceName,
		r.NewPersistentInode(ctx, &device{r: r}, fusefs.StableAttr{Mode: syscall.S_IFREG}), false)
}

// enter puts an entry into the log, before the disk has it.
func (r *recorder) enter(kind byte, off int64, p []byte) error {
	_, err := r.log.Write(append(header(kind, off, len(p)), p...))
	return err
}

// device is the disk as a file.
type device struct {
	fusefs.Inode
	r *recorder
}

var (
	_ = (fusefs.NodeOpener)((*device)(nil))
	_ = (fusefs.NodeGetattrer)((*device)(nil))
	_ = (fusefs.NodeReader)((*device)(nil))
	_ = (fusefs.NodeWriter)((*device)(nil))
	_ = (fusefs.NodeFsyncer)((*device)(nil))
)

func (d *device) Open(context.Context, uint32) (fusefs.FileHandle, uint32, syscall.Errno) {
	return nil, fuse.FOPEN_DIRECT_IO, 0
}

func (d *device) Getattr(_ context.Context, _ fusefs.FileHandle, out *fuse.AttrOut) syscall.Errno {
	out.Mode, out.Size, out.Blksize = syscall.S_IFREG|0o600, uint64(d.r.size), 4096
	return 0
}

func (d *device) Read(_ context.Context, _ fusefs.FileHandle,
	p []byte, off int64) (fuse.ReadResult, syscall.Errno) {
	n, err := d.r.current.ReadAt(p, off)
	if err != nil && err != io.EOF {
		return nil, syscall.EIO
	}
	return fuse.ReadResultData(p[:n]), 0
}

func (d *device) Write(_ context.Context, _ fusefs.FileHandle,
	p []byte, off int64) (uint32, syscall.Errno) {
	d.r.mu.Lock()
	defer d.r.mu.Unlock()
	if err := d.r.enter(kindWrite, off, p); err != nil {
		return 0, syscall.EIO
	}
	n, err := d.r.current.WriteAt(p, off)
	if err != nil {
		return uint32(n), syscall.EIO
	}
	return uint32(n), 0
}

func (d *device) Fsync(context.Context, fusefs.FileHandle, uint32) syscall.Errno {
	d.r.mu.Lock()
	defer d.r.mu.Unlock()
	if err := d.r.enter(kindFlush, 0, nil); err != nil {
		return syscall.EIO
	}
	return 0
}
