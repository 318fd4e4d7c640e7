package control

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/moby/sys/mountinfo"

	"github.com/s3share/s3share/cmd/s3share/internal/hint"
	"github.com/s3share/s3share/cmd/s3share/internal/mounts"
)

// Target is what a person has named: a mount, and a file or folder in it.
type Target struct {
	Client *Client
	State  State
	Path   string // below the mountpoint; "" for all of it
}

// String is the place as people write it.
func (p Target) String() string { return hint.Printable(filepath.Join(p.State.Dir, p.Path)) }

// FindTarget finds the daemon behind the mount that name is in, or on, and asks it what
// it knows of it.
func FindTarget(ctx context.Context, name string) (Target, error) {
	p, err := findMount(ctx, name)
	if err != nil {
		return Target{}, err
	}
	if p.Path == "" {
		p.State, err = p.Client.checkedStatus(ctx)
	} else {
		p.State, err = p.Client.File(ctx, p.Path)
	}
	return p, err
}

// findMount finds the daemon behind the mount that name is in, or on.
func findMount(ctx context.Context, name string) (Target, error) {
	dir, path, m, err := mountOf(name)
	if err != nil {
		return Target{}, err
	}
	if m != nil && !mounts.IsOurs(m) {
		return Target{}, fmt.Errorf("it is not a mount of s3share, but of %s (%s)",
			m.Source, m.FSType)
	}
	link, st, err := FindDaemon(ctx, dir, DaemonUIDs(m)...)
	switch {
	case err == nil:
	case !errors.Is(err, ErrNoDaemon):
		return Target{}, err
	case m == nil:
		return Target{}, NotMounted(dir)
	case os.Getuid() != 0 && mounts.Owner(m) >= 0 && mounts.Owner(m) != os.Getuid():
		return Target{}, NotYourMount(dir, mounts.Owner(m))
	default:
		return Target{}, hint.With(err,
			"if it is gone for good, s3share unmount "+dir+" undoes its mount")
	}
	return Target{link, st, path}, nil
}

// MountOf returns the mountpoint of the mount of s3share that a file or folder is in, and its path
// in there; "" for both where it is in none.
func MountOf(name string) (dir, path string, err error) {
	dir, path, m, err := mountOf(name)
	if err != nil || m == nil || !mounts.IsOurs(m) {
		return "", "", err
	}
	return dir, path, nil
}

// DaemonUIDs are those whose daemon may be behind a mount: who asks, and who mounted.
func DaemonUIDs(m *mountinfo.Info) []int {
	uids := []int{os.Getuid()}
	if m != nil && mounts.Owner(m) >= 0 && mounts.Owner(m) != os.Getuid() {
		uids = append(uids, mounts.Owner(m))
	}
	return uids
}

// mountOf finds the mount that a file or folder is in, and its path in there. Where
// there is none, dir is the name itself, m what is mounted on it, if anything: its
// daemon may still deliver.
func mountOf(name string) (dir, path string, m *mountinfo.Info, err error) {
	abs, err := mounts.AbsPath(name)
	if err != nil {
		return "", "", nil, err
	}
	mounted, err := mounts.All()
	if err != nil {
		return "", "", nil, err
	}
	// Below a dead mount no path can be resolved, so try the path as it is first.
	for _, resolve := range []func(string) string{filepath.Clean, mounts.ResolveExisting} {
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
	m, err = mounts.At(dir)
	return dir, "", m, err
}

// TargetsToAsk is the place that args name, for who asks something else about it than
// FindTarget does; or every place, but for those of which the error says that nothing is
// known.
func TargetsToAsk(ctx context.Context, args []string) ([]Target, error) {
	if len(args) == 0 {
		all, err := AllTargets(ctx)
		return slices.DeleteFunc(all,
			func(p Target) bool { return p.State.Daemon == DaemonUnknown }), err
	}
	p, err := findMount(ctx, args[0])
	if err != nil && ctx.Err() == nil {
		if kept, ok := OutboxAt(args[0]); ok && kept.worthShowing() {
			return []Target{kept}, nil
		}
	}
	if err != nil {
		return nil, err
	}
	return []Target{p}, nil
}

// NotYourMount refuses to take another user's word for settings: root's credentials
// would go where that user wants them.
func NotYourMount(dir string, uid int) error {
	who, as := userName(uid), fmt.Sprintf("#%d", uid)
	if u, err := user.LookupId(strconv.Itoa(uid)); err == nil {
		as = u.Username
	}
	return hint.With(fmt.Errorf("%s is a mount of %s, whose settings and credentials are not yours",
		dir, who),
		fmt.Sprintf(
			"run it as that user: sudo -u %s -i s3share ...; or name an exchange of your own",
			hint.ShellQuote(as)))
}

// userName is what people call a user.
func userName(uid int) string {
	if u, err := user.LookupId(strconv.Itoa(uid)); err == nil {
		return u.Username
	}
	return fmt.Sprintf("the user %d", uid)
}

// NotMounted says what is wrong with dir, on which nothing is mounted.
func NotMounted(dir string) error {
	nothing := errors.New("nothing is mounted there")
	if p, ok := OutboxAt(dir); ok && len(Undelivered(p.State.Pending)) > 0 {
		is := "files are"
		n := len(Undelivered(p.State.Pending))
		if n == 1 {
			is = "file is"
		}
		return hint.With(fmt.Errorf("%w; of what was written there before, %d %s not delivered",
			nothing, n, is), cmp.Or(p.State.Advice(), p.State.DaemonText()))
	}
	mounted, err := mounts.All()
	if err != nil {
		return nothing
	}
	var dirs []string
	for _, m := range mounted {
		if mounts.Owner(m) != os.Getuid() {
			continue
		}
		if mounts.Within(dir, m.Mountpoint) {
			return hint.With(fmt.Errorf("it is a directory in the mount on %s",
				hint.Printable(m.Mountpoint)), "s3share unmount "+hint.ShellQuote(m.Mountpoint))
		}
		dirs = append(dirs, hint.Printable(m.Mountpoint))
	}
	const most = 5
	advice := ""
	if len(dirs) > 0 {
		advice = "mounted are " + strings.Join(dirs[:min(len(dirs), most)], ", ")
	}
	if n := len(dirs) - most; n > 0 {
		advice += fmt.Sprintf(" and %d more", n)
	}
	return hint.With(nothing, advice)
}

// MountWith finds the mount that a file or directory is in. found is false if it is in none of
// this user's mounts.
func MountWith(ctx context.Context, name string) (t Target, found bool, err error) {
	_, _, m, err := mountOf(name)
	if err != nil || m == nil || !mounts.IsOurs(m) ||
		mounts.Owner(m) >= 0 && mounts.Owner(m) != os.Getuid() {
		return Target{}, false, err
	}
	t, err = findMount(ctx, name)
	return t, err == nil, err
}
