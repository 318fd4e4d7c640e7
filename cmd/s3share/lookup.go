package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/moby/sys/mountinfo"

	"github.com/s3share/s3share/cmd/s3share/internal/hint"
	"github.com/s3share/s3share/cmd/s3share/internal/mounts"
)

// place is what a person has named: a mount, and a file or folder in it.
type place struct {
	link  *daemonLink
	state state
	path  string // below the mountpoint; "" for all of it
}

// String is the place as people write it.
func (p place) String() string { return hint.Printable(filepath.Join(p.state.Dir, p.path)) }

// placeOf finds the daemon behind the mount that name is in, or on, and asks it what
// it knows of it.
func placeOf(ctx context.Context, name string) (place, error) {
	p, err := findPlace(ctx, name)
	if err != nil {
		return place{}, err
	}
	if p.path == "" {
		p.state, err = p.link.checkedStatus(ctx)
	} else {
		p.state, err = p.link.file(ctx, p.path)
	}
	return p, err
}

// findPlace finds the daemon behind the mount that name is in, or on.
func findPlace(ctx context.Context, name string) (place, error) {
	dir, path, m, err := mountOf(name)
	if err != nil {
		return place{}, err
	}
	if m != nil && !mounts.Ours(m) {
		return place{}, fmt.Errorf("it is not a mount of s3share, but of %s (%s)", m.Source, m.FSType)
	}
	link, st, err := findDaemon(ctx, dir, usersOf(m)...)
	switch {
	case err == nil:
	case !errors.Is(err, errNoDaemon):
		return place{}, err
	case m == nil:
		return place{}, notMounted(dir)
	case os.Getuid() != 0 && mounts.OwnerOf(m) >= 0 && mounts.OwnerOf(m) != os.Getuid():
		return place{}, notYourMount(dir, mounts.OwnerOf(m))
	default:
		return place{}, hint.Advise(err, "if it is gone for good, s3share unmount "+dir+" undoes its mount")
	}
	return place{link, st, path}, nil
}

// usersOf are those whose daemon may be behind a mount: who asks, and who mounted.
func usersOf(m *mountinfo.Info) []int {
	uids := []int{os.Getuid()}
	if m != nil && mounts.OwnerOf(m) >= 0 && mounts.OwnerOf(m) != os.Getuid() {
		uids = append(uids, mounts.OwnerOf(m))
	}
	return uids
}

// mountOf finds the mount that a file or folder is in, and its path in there. Where
// there is none, dir is the name itself, m what is mounted on it, if anything: its
// daemon may still deliver.
func mountOf(name string) (dir, path string, m *mountinfo.Info, err error) {
	abs, err := mounts.Absolute(name)
	if err != nil {
		return "", "", nil, err
	}
	mounted, err := mounts.OurMounts()
	if err != nil {
		return "", "", nil, err
	}
	for _, resolve := range []func(string) string{filepath.Clean, mounts.RealPath} { // a dead mount resolves nothing
		p := resolve(abs)
		for _, of := range mounted {
			if mounts.Within(p, of.Mountpoint) && len(of.Mountpoint) >= len(dir) {
				dir, path, m = of.Mountpoint, strings.TrimPrefix(p[len(of.Mountpoint):], "/"), of
			}
		}
		if m != nil {
			return dir, path, m, nil
		}
	}
	if dir, err = mounts.ResolveDir(name); err != nil {
		return "", "", nil, err
	}
	m, err = mounts.MountAt(dir)
	return dir, "", m, err
}

// placesToAsk is the place that args name, for who asks something else about it than
// placeOf does; or every place, but for those of which the error says that nothing is
// known.
func placesToAsk(ctx context.Context, args []string) ([]place, error) {
	if len(args) == 0 {
		all, err := everyPlace(ctx)
		return slices.DeleteFunc(all, func(p place) bool { return p.state.Daemon == daemonUnknown }), err
	}
	p, err := findPlace(ctx, args[0])
	if err != nil && ctx.Err() == nil {
		if kept, ok := keptAt(args[0]); ok && kept.worthShowing() {
			return []place{kept}, nil
		}
	}
	if err != nil {
		return nil, err
	}
	return []place{p}, nil
}
