package transfer

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/s3share/s3share/cache/filestamp"
	"github.com/s3share/s3share/cache/keyname"
	"github.com/s3share/s3share/cache/meta"
	"github.com/s3share/s3share/cache/outbox"
	"github.com/s3share/s3share/cache/privatename"
	"github.com/s3share/s3share/s3backend"
)

var (
	errInTheWay = errors.New("something else has the name of a directory")
	errNoName   = errors.New("no free name for a conflict copy")
)

// Get fetches an object, or all objects of a folder, into a directory, which is made if it is
// not there. source is a key; that of a folder may end in a slash. An object is fetched as
// dir/NAME, those of a folder as they are in it.
//
// Nothing is made outside of dir, whatever keys the bucket has, and no symbolic link in it is
// followed. A local file that differs is never changed unless it is as an earlier Get has
// made it: the object is fetched beside it, under the name of a conflict copy.
func Get(ctx context.Context, cfg Config, source, dir string) (Total, error) {
	g, ctx, err := newGet(ctx, cfg, dir)
	if err != nil {
		return Total{}, err
	}
	defer g.root.Close()
	return g.end(g.all(ctx, source))
}

// newGet opens the directory, or makes it. The caller closes the root.
func newGet(ctx context.Context, cfg Config, dir string) (*get, context.Context, error) {
	newFileMode()
	// #nosec G301 -- the user's umask says who may read what is fetched
	if err := os.Mkdir(dir, 0o777); err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, nil, err
	}
	abs, err := filepath.Abs(dir)
	if err != nil {
		return nil, nil, err
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, nil, err
	}
	if real, err := filepath.EvalSymlinks(abs); err == nil {
		abs = real
	}
	r, ctx := newRun(ctx, cfg)
	return &get{run: r, root: root, dir: abs}, ctx, nil
}

type get struct {
	*run
	root *os.Root
	dir  string
	kept int // bytes of the names of directories that were listed and not fetched yet
}

const (
	// mostKept bounds get.kept: some 600,000 directories. A server may list them for ever.
	mostKept     = 32 << 20
	stringHeader = 16 // bytes, beside those of the text
)

// remote is an object that is to be fetched.
type remote struct {
	obj  s3backend.Object
	dir  string // below the root, in slashes; "." for the root itself
	name string

	// check, if it is set, is given the bytes before the file gets its name, and those of a
	// file that is there already. Only this version is fetched then.
	check Check
}

func (g *get) all(ctx context.Context, source string) error {
	if !strings.HasSuffix(source, "/") {
		switch obj, err := g.Bucket.Head(ctx, source); {
		case err == nil:
			return g.object(ctx, ".", obj, false)
		case !errors.Is(err, s3backend.NotExist) && !errors.Is(err, s3backend.Denied):
			return err
		default:
			// Whoever may not list is told Denied of a key that does not exist.
			page, lerr := g.Bucket.List(ctx, s3backend.ListInput{Prefix: source + "/", Max: 1})
			if lerr != nil {
				return errors.Join(err, lerr)
			}
			if len(page.Objects) == 0 {
				return err
			}
		}
		source += "/"
	}
	return g.directory(ctx, ".", source)
}

// directory fetches what is directly below a prefix, then what is further below.
func (g *get) directory(ctx context.Context, dir, prefix string) error {
	var l listing
	in := s3backend.ListInput{Prefix: prefix, Delimiter: "/"}
	for {
		page, err := g.Bucket.List(ctx, in)
		if err != nil {
			return err
		}
		for _, p := range page.Prefixes {
			g.kept += len(p) + stringHeader
		}
		reached := l.take(page, prefix)
		if g.kept > mostKept {
			return fmt.Errorf("%w: more than %d directories in %q",
				meta.ErrTooMany, len(l.below), prefix)
		}
		if err := g.fetchListed(ctx, dir, &l, reached); err != nil {
			return err
		}
		if in.Token = page.Next; page.Next == "" {
			break
		}
	}
	return g.below(ctx, dir, prefix, l.below)
}

// listing is what a directory has, while it is listed.
type listing struct {
	below []string // the prefixes of directories in it, in order
	// pending may have the name of a directory that is listed later.
	pending []s3backend.Object
}

// take takes in a page of the listing of prefix, and returns the last name that was listed; "" if
// all were.
func (l *listing) take(page s3backend.Page, prefix string) (reached string) {
	l.below = append(l.below, page.Prefixes...)
	for _, obj := range page.Objects {
		reached = obj.Key
		if obj.Key != prefix { // the folder's own object
			l.pending = append(l.pending, obj)
		}
	}
	for _, p := range page.Prefixes {
		reached = max(reached, p)
	}
	if page.Next == "" {
		return ""
	}
	return reached
}

// fetchListed fetches the pending objects, but for those of which it is not known yet whether a
// directory has their name.
func (g *get) fetchListed(ctx context.Context, dir string, l *listing, reached string) error {
	var rest []s3backend.Object
	for _, obj := range l.pending {
		as := obj.Key + "/"
		_, beside := slices.BinarySearch(l.below, as)
		if reached != "" && reached <= as && !beside {
			rest = append(rest, obj)
		} else if err := g.object(ctx, dir, obj, beside); err != nil {
			return err
		}
	}
	l.pending = rest
	return nil
}

// below fetches the directories below prefix into directories in dir.
func (g *get) below(ctx context.Context, dir, prefix string, all []string) error {
	for _, p := range all {
		g.kept -= len(p) + stringHeader
		name := keyname.FileName(strings.TrimSuffix(p[len(prefix):], "/"), false)
		to := path.Join(dir, name)
		if err := makeDir(g.root, to); err != nil {
			g.tell(Result{Outcome: Failed, Path: g.path(to), Key: p, Err: plain(err)})
			continue
		}
		if err := g.directory(ctx, to, p); err != nil {
			return err
		}
	}
	return nil
}

// path is where something below the root is, for people.
func (g *get) path(name string) string { return filepath.Join(g.dir, filepath.FromSlash(name)) }

// object fetches an object into a directory below the root.
func (g *get) object(ctx context.Context, dir string, obj s3backend.Object, beside bool) error {
	elem := obj.Key[strings.LastIndexByte(obj.Key, '/')+1:]
	r := remote{obj: obj, dir: dir, name: keyname.FileName(elem, beside)}
	return g.start(ctx, obj.Size, func(ctx context.Context) Result { return g.one(ctx, r) })
}

// makeDir makes a directory below the root, whose parent is there. A symbolic link is none.
func makeDir(root *os.Root, name string) error {
	if err := root.Mkdir(name, 0o777); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	st, err := root.Lstat(name)
	if err == nil && !st.IsDir() {
		err = errInTheWay
	}
	return err
}

// maxSwaps is how often a new version is begun when the object is replaced meanwhile.
const maxSwaps = 3

// one fetches one object.
func (g *get) one(ctx context.Context, r remote) Result {
	res := Result{Path: g.path(path.Join(r.dir, r.name)), Key: r.obj.Key, Size: r.obj.Size}
	var err error
	for range maxSwaps {
		res.Outcome, res.Beside, err = g.try(ctx, r)
		if !errors.Is(err, s3backend.Stale) || r.check != nil || r.obj.ByVersion {
			break
		}
		now, asked := g.Bucket.Head(ctx, r.obj.Key)
		if asked != nil {
			err = asked
			break
		}
		r.obj, res.Size = now, now.Size
	}
	if err != nil {
		res.Outcome, res.Err = Failed, plain(err)
	}
	res.Object = r.obj
	return res
}

// try makes one attempt to fetch a version.
func (g *get) try(ctx context.Context, r remote) (Outcome, string, error) {
	dir, err := openDir(g.root, r.dir)
	if err != nil {
		return 0, "", err
	}
	defer dir.Close()
	if outcome, err := g.named(ctx, dir, r); outcome != Conflict || err != nil {
		return outcome, "", err
	}
	// What has the name stays. The name beside it is that of this version, so that another
	// Get finds it again.
	at := conflictTime(r.obj)
	for range maxConflicts {
		name := conflictName(r.name, at)
		note := g.path(path.Join(r.dir, name)) + "\x00" + r.obj.Key
		before, remembered := g.Notes.of(note)
		there, err := g.compare(ctx, dir, name, r.obj, before, remembered)
		switch {
		case err != nil:
			return 0, "", err
		case there.same:
			if err := r.checkNamed(ctx, dir, name); err != nil {
				return 0, "", err
			}
			return Conflict, g.path(path.Join(r.dir, name)), nil
		case there.absent:
			if err := g.fetch(ctx, dir, r, name, nil); err == nil {
				g.remember(dir, name, note, r.obj)
				return Conflict, g.path(path.Join(r.dir, name)), nil
			} else if !errors.Is(err, fs.ErrExist) {
				return 0, "", err
			}
		}
		at = at.Add(time.Millisecond)
	}
	return 0, "", errNoName
}

const (
	// fetchPatience is how long another process may take that fetches the same version.
	fetchPatience = 30 * time.Second
	shortestPause = 20 * time.Millisecond
	longestPause  = time.Second
)

// named makes one attempt to fetch a version to its own name. It waits for another process that
// fetches the same version into this directory, for fetchPatience at most. The outcome is Conflict
// if something else has the name.
func (g *get) named(ctx context.Context, dir *os.Root, r remote) (Outcome, error) {
	note := g.path(path.Join(r.dir, r.name)) + "\x00" + r.obj.Key
	deadline := time.Now().Add(fetchPatience)
	pause := shortestPause
	for taken := false; ; {
		before, remembered := g.Notes.of(note)
		there, err := g.compare(ctx, dir, r.name, r.obj, before, remembered)
		switch {
		case err != nil:
			return 0, err
		case there.same:
			g.Meter.Moved.Add(r.obj.Size)
			if err := r.checkNamed(ctx, dir, r.name); err != nil {
				return 0, err
			}
			dropLink(dir, r.name, r.obj)
			if taken {
				dropPartial(dir, r.obj)
			}
			g.remember(dir, r.name, note, r.obj)
			return Present, nil
		case !there.absent && (taken || there.ours == nil):
			return Conflict, nil
		}
		switch err := g.fetch(ctx, dir, r, r.name, there.ours); {
		case err == nil:
			g.remember(dir, r.name, note, r.obj)
			return Moved, nil
		case errors.Is(err, fs.ErrExist): // something has the name since: this version, perhaps
			taken = true
		case errors.Is(err, errFetching) && time.Now().Before(deadline):
			select {
			case <-time.After(pause):
				pause = min(2*pause, longestPause)
			case <-ctx.Done():
				return 0, ctx.Err()
			}
		default:
			return 0, err
		}
	}
}

// maxConflicts is how many conflict copies of one version are looked at.
const maxConflicts = 1000

// remember notes that a local file is obj.
func (g *get) remember(dir *os.Root, name, note string, obj s3backend.Object) {
	if st, err := dir.Lstat(name); err == nil {
		g.Notes.remember(note, version{ETag: obj.ETag, Stamp: filestamp.Of(st)})
	}
}

func conflictTime(obj s3backend.Object) time.Time {
	if obj.Modified.IsZero() {
		return time.Unix(0, 0).UTC()
	}
	return obj.Modified.UTC()
}

// conflictName is the name beside a local file, as a mount names a conflict copy.
func conflictName(name string, at time.Time) string {
	all, _ := privatename.New(nil)
	return path.Base(outbox.ConflictKey("dir/"+name, "", at,
		all, func(elem string) string { return elem }))
}

// found is what has a name in the directory.
type found struct {
	absent bool
	same   bool        // it is the version that is to be fetched
	ours   os.FileInfo // it is an earlier version that Get has fetched, and that nobody has changed
}

// compare looks at what has a name.
func (g *get) compare(ctx context.Context, dir *os.Root, name string, obj s3backend.Object,
	before version, remembered bool) (found, error) {
	st, err := dir.Lstat(name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return found{absent: true}, nil
	case err != nil:
		return found{}, err
	case !st.Mode().IsRegular():
		return found{}, nil
	}
	f, err := dir.OpenFile(name, os.O_RDONLY|noFollow, 0)
	if err != nil {
		return found{}, err
	}
	defer f.Close()
	opened, err := f.Stat()
	if err != nil || !os.SameFile(st, opened) {
		return found{}, err
	}
	if same, err := sameBytes(ctx, g.Bucket, f, opened.Size(), obj); same || err != nil {
		return found{same: same}, err
	}
	if !remembered {
		return found{}, nil
	}
	old := before.unchangedSince(opened)
	if before.ETag == obj.ETag {
		return found{same: old}, nil
	}
	if !old {
		if old, err = matchesETag(ctx, f, opened.Size(), before.ETag); err != nil || !old {
			return found{}, err
		}
	}
	return found{ours: opened}, nil
}
