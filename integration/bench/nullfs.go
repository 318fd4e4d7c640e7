package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"

	fusefs "github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"

	"github.com/s3share/s3share/integration/bench/memserver"
)

// A nullfs is a folder of pattern files without a bucket behind them, and takes
// new ones whose bytes it forgets. It tells what FUSE itself costs, with the
// settings that cost least: see newNullServer.

// nullFiles are the arguments that make a nullfs hold what fills make.
func nullFiles(fills []memserver.Fill) []string {
	var args []string
	for _, f := range fills {
		args = append(args, fmt.Sprintf("%s=%d=%d", f.Key, f.Count, f.Size))
	}
	return args
}

// serveNothing is the command nullfs DIR [NAME=COUNT=SIZE...]. It ends when it is
// unmounted, or with ctx.
func serveNothing(ctx context.Context, args []string) error {
	f := flag.NewFlagSet("bench nullfs", flag.ContinueOnError)
	if err := f.Parse(args); err != nil {
		return err
	}
	if f.NArg() < 1 {
		return fmt.Errorf("usage: bench nullfs DIR [NAME=COUNT=SIZE...]")
	}
	root := &nullDir{sizes: make(map[string]int64)}
	for _, spec := range f.Args()[1:] {
		s := strings.Split(spec, "=")
		if len(s) != 3 {
			return fmt.Errorf("%q is not NAME=COUNT=SIZE", spec)
		}
		count, err1 := strconv.Atoi(s[1])
		size, err2 := strconv.ParseInt(s[2], 10, 64)
		if err1 != nil || err2 != nil {
			return fmt.Errorf("%q is not NAME=COUNT=SIZE", spec)
		}
		for i := range count {
			root.sizes[fmt.Sprintf(s[0], i)] = size
		}
	}
	t := time.Second
	srv, err := fusefs.Mount(f.Arg(0), root, &fusefs.Options{EntryTimeout: &t, AttrTimeout: &t,
		NegativeTimeout: &t, MountOptions: fuse.MountOptions{
			Name: nullName, FsName: nullName, MaxWrite: 1 << 20,
			MaxBackground: 64, DisableSplice: true, DisableXAttrs: true,
		}})
	if err != nil {
		return err
	}
	readAhead(f.Arg(0))
	// If it is busy, whoever ended ctx unmounts again.
	stop := context.AfterFunc(ctx, func() { srv.Unmount() })
	defer stop()
	srv.Wait()
	return nil
}

// readAhead has the kernel read 4 MiB ahead, as s3share does, if this process may.
func readAhead(dir string) {
	var st unix.Stat_t
	if unix.Stat(dir, &st) == nil {
		path := fmt.Sprintf("/sys/class/bdi/%d:%d/read_ahead_kb",
			unix.Major(st.Dev), unix.Minor(st.Dev))
		os.WriteFile(path, []byte("4096"), 0) // else the limit is what FUSE does without
	}
}

// nullDir is the root, or a folder that was made in it.
type nullDir struct {
	fusefs.Inode
	sizes map[string]int64
}

var (
	_ = (fusefs.NodeOnAdder)((*nullDir)(nil))
	_ = (fusefs.NodeCreater)((*nullDir)(nil))
	_ = (fusefs.NodeMkdirer)((*nullDir)(nil))
	_ = (fusefs.NodeSetattrer)((*nullDir)(nil))
)

func (d *nullDir) OnAdd(ctx context.Context) {
	for name, size := range d.sizes {
		file := &nullFile{size: size}
		d.AddChild(name,
			d.NewPersistentInode(ctx, file, fusefs.StableAttr{Mode: syscall.S_IFREG}), true)
	}
}

func (d *nullDir) Create(ctx context.Context, _ string, _, _ uint32,
	out *fuse.EntryOut) (*fusefs.Inode, fusefs.FileHandle, uint32, syscall.Errno) {
	file := &nullFile{}
	out.Mode = 0o644
	return d.NewInode(ctx,
		file, fusefs.StableAttr{Mode: syscall.S_IFREG}), nil, fuse.FOPEN_DIRECT_IO, 0
}

func (d *nullDir) Mkdir(ctx context.Context, _ string, _ uint32,
	out *fuse.EntryOut) (*fusefs.Inode, syscall.Errno) {
	out.Mode = 0o755
	return d.NewInode(ctx, &nullDir{}, fusefs.StableAttr{Mode: syscall.S_IFDIR}), 0
}

// Setattr takes any change and keeps none.
func (d *nullDir) Setattr(_ context.Context, _ fusefs.FileHandle, _ *fuse.SetAttrIn,
	out *fuse.AttrOut) syscall.Errno {
	out.Mode = 0o755
	return 0
}

// nullFile is a pattern of its size.
type nullFile struct {
	fusefs.Inode
	size int64
}

var (
	_ = (fusefs.NodeOpener)((*nullFile)(nil))
	_ = (fusefs.NodeGetattrer)((*nullFile)(nil))
	_ = (fusefs.NodeSetattrer)((*nullFile)(nil))
	_ = (fusefs.NodeReader)((*nullFile)(nil))
	_ = (fusefs.NodeWriter)((*nullFile)(nil))
)

func (f *nullFile) Open(context.Context, uint32) (fusefs.FileHandle, uint32, syscall.Errno) {
	return nil, fuse.FOPEN_KEEP_CACHE, 0
}

func (f *nullFile) Getattr(_ context.Context, _ fusefs.FileHandle,
	out *fuse.AttrOut) syscall.Errno {
	out.Mode, out.Size = 0o644, uint64(f.size)
	return 0
}

// Setattr takes any change and keeps none.
func (f *nullFile) Setattr(ctx context.Context, _ fusefs.FileHandle, _ *fuse.SetAttrIn,
	out *fuse.AttrOut) syscall.Errno {
	return f.Getattr(ctx, nil, out)
}

// Read makes the pattern in the buffer that go-fuse brings, which is next to
// nothing beside the request itself.
func (f *nullFile) Read(_ context.Context, _ fusefs.FileHandle,
	b []byte, off int64) (fuse.ReadResult, syscall.Errno) {
	b = b[:max(0, min(int64(len(b)), f.size-off))]
	memserver.Pattern(b, off)
	return fuse.ReadResultVector([][]byte{b}), 0
}

func (f *nullFile) Write(_ context.Context, _ fusefs.FileHandle,
	b []byte, _ int64) (uint32, syscall.Errno) {
	return uint32(len(b)), 0
}
