// Package fs shows a cache to the kernel as a file system. It turns inodes and
// handles into paths and the cache's handles, and errors into errnos. It asks the
// cache for everything else.
//
// A dir handles the requests about names, a file those about one file, a handle
// those about one open of it. An inode belongs to one file: when the other party
// replaces an object that is open here, its name gets a new inode. So a program
// that reads the old inode never gets bytes of two versions.
package fs

import (
	"log/slog"
	"path/filepath"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	fusefs "github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"

	"github.com/s3share/s3share/cache"
	"github.com/s3share/s3share/cache/outbox"
	"github.com/s3share/s3share/fs/process"
	"github.com/s3share/s3share/fs/thumbnailer"
)

// Config says how an exchange is shown.
type Config struct {
	UID, GID   uint32 // who owns all that is shown
	Umask      uint32 // permission bits that are taken away
	AllowOther bool   // other users may enter
	ReadOnly   bool
	Debug      bool     // log every request of the kernel
	Source     string   // shown by mount(8), as "s3share:team"
	Options    []string // handed on to mount(8)
	Arrivals   bool     // tell programs that watch a directory what the other party does there
	// AllThumbnails: programs that make thumbnails, or index files, may download all that they
	// read.
	AllThumbnails bool
	Health        func() string // of the connection to S3, in words; nil where nobody knows it
	// Reason says in words why a file is not delivered; nil for the words of its error.
	Reason func(outbox.Status) string
	Logger *slog.Logger
}

const (
	// timeout is how long the kernel keeps names, attributes and absent names
	// without asking again.
	timeout = time.Second
	// requestSize is the largest read or write of the kernel, in bytes; it takes
	// no more. Source: linux/fs/fuse, FUSE_MAX_MAX_PAGES.
	requestSize = 1 << 20
	// readAhead is how much the kernel reads ahead of a sequential reader, in
	// KiB. Its own 128 halves the throughput of a FUSE mount.
	readAhead = 4096
	// capHandleKillpriv2 spares a getxattr before every write. There are no suid
	// bits here that a write would have to clear.
	// Source: linux/fuse.h, FUSE_HANDLE_KILLPRIV_V2.
	capHandleKillpriv2 = 1 << 28
)

// Server serves one mount.
type Server struct {
	cache *cache.Cache
	cfg   Config
	log   *slog.Logger
	fuse  *fuse.Server

	inodes    *inodes
	processes *process.Table
	dev       atomic.Pointer[string] // see device
	announcer *announcer             // nil where arrivals are not announced
	limited   thumbnailer.Counts

	loggedMu   sync.Mutex
	lastNews   string // what was logged last of a failure
	lastNewsAt time.Time
}

// Mount mounts the cache on mountpoint and serves it from a goroutine until Unmount, or
// until the kernel's umount(8). When it returns, the mount can be used.
func Mount(mountpoint string, c *cache.Cache, cfg Config) (*Server, error) {
	return mountAtMost(mountpoint, c, cfg, maxInodes)
}

func mountAtMost(mountpoint string, c *cache.Cache, cfg Config, inodes int) (*Server, error) {
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	s := &Server{cache: c, cfg: cfg, log: cfg.Logger, inodes: newInodes(inodes),
		processes: process.NewTable()}
	t := timeout
	opts := &fusefs.Options{
		EntryTimeout: &t, AttrTimeout: &t, NegativeTimeout: &t,
		NullPermissions: true,
		RootStableAttr:  &fusefs.StableAttr{Ino: 1},
		Logger:          slog.NewLogLogger(cfg.Logger.Handler(), slog.LevelDebug),
		MountOptions: fuse.MountOptions{
			FsName: cfg.Source, Name: "s3share",
			AllowOther: cfg.AllowOther, Options: append([]string{"default_permissions"},
				cfg.Options...),
			MaxWrite: requestSize, MaxBackground: 64,
			DisableSplice: true, DirectMount: true,
			ExtraCapabilities: capHandleKillpriv2 | fuse.CAP_DIRECT_IO_ALLOW_MMAP,
			Debug:             cfg.Debug,
			Logger:            slog.NewLogLogger(cfg.Logger.Handler(), slog.LevelDebug),
			PanicHandler:      s.panicked,
		},
	}
	if cfg.ReadOnly {
		opts.Options = append(opts.Options, "ro")
	}
	place, err := filepath.Abs(mountpoint)
	if err == nil {
		if real, rerr := filepath.EvalSymlinks(place); rerr == nil {
			place = real
		}
	}
	var raw fuse.RawFileSystem = rawFS{fusefs.NewNodeFS(&dir{node: node{s: s}}, opts)}
	if cfg.Arrivals && runtime.GOOS == "linux" {
		s.announcer = newAnnouncer(s, place)
		raw = &arrivals{RawFileSystem: raw, a: s.announcer}
	}
	if s.fuse, err = fuse.NewServer(raw, mountpoint, &opts.MountOptions); err != nil {
		return nil, err
	}
	closeDeviceOnExec(cfg.Logger)
	go s.fuse.Serve()
	if err := s.fuse.WaitMount(); err != nil {
		return nil, err
	}
	if dev := mountedAt(place); dev != "" {
		s.dev.Store(&dev)
		raiseReadAhead(dev, readAhead, cfg.Logger)
	}
	s.announcer.start()
	return s, nil
}

// device is the mount's, as the kernel writes it; "" as long as it is not known.
func (s *Server) device() string {
	if dev := s.dev.Load(); dev != nil {
		return *dev
	}
	return ""
}

// Unmount ends the mount. The error is EBUSY while a program uses it.
func (s *Server) Unmount() error {
	defer s.announcer.pause()() // it is a program that uses the mount
	return s.fuse.Unmount()
}

// Wait returns when the mount has ended, by whomever.
func (s *Server) Wait() {
	s.fuse.Wait()
	s.announcer.close()
	s.inodes.trims.Wait()
}

// panicked keeps the mount alive when one request met a defect.
func (s *Server) panicked(v any) fuse.Status {
	s.log.Error("a request failed by a defect of this program", "panic", v)
	return fuse.Status(syscall.EIO)
}
