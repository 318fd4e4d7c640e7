package fs

import (
	"context"
	"runtime"
	"syscall"

	"github.com/hanwen/go-fuse/v2/fuse"

	"github.com/s3share/s3share/fs/process"
	"github.com/s3share/s3share/fs/thumbnailer"
)

// budget returns how much an open may fetch; nil for no limit, as for all small files.
func (f *file) budget(ctx context.Context, flags uint32) *thumbnailer.Budget {
	if f.s.cfg.AllThumbnails || flags&syscall.O_ACCMODE != syscall.O_RDONLY ||
		f.shown.Load() <= thumbnailer.MaxBytes ||
		!thumbnailer.Is(process.NameOf(callerTID(ctx))) {
		return nil
	}
	return f.s.limited.NewBudget()
}

// readFlags are the kernel's flags for a handle that only reads. It must not read ahead of a
// program with a budget, which would use that up.
func readFlags(budget *thumbnailer.Budget) uint32 {
	if budget != nil {
		return fuse.FOPEN_DIRECT_IO
	}
	return 0
}

// LimitedState counts opens by programs that make thumbnails, or index files.
type LimitedState struct {
	Files   int64 // opens of which part of the file may be downloaded
	Refused int64 // of these, opens in which a read was refused
}

// Limited returns these counts since the mount began; ok is false if no program is limited.
func (s *Server) Limited() (st LimitedState, ok bool) {
	return LimitedState{Files: s.limited.Files.Load(),
		Refused: s.limited.Refused.Load()}, !s.cfg.AllThumbnails && runtime.GOOS == "linux"
}
