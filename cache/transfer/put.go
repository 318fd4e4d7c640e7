package transfer

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/s3share/s3share/cache"
	"github.com/s3share/s3share/cache/keyname"
)

var (
	errChanged    = errors.New("the file was changed while it was read")
	errLonger     = errors.New("the file has more bytes than its size says, as files in /proc have")
	errNotRegular = errors.New("not a regular file")
	errLink       = errors.New("a symbolic link, which is not followed")
	errPrivate    = errors.New("a private name, which is never sent")
	errTwice      = errors.New("another file was named that would have the same key")
	errFlapping   = errors.New("the other party changes the object faster than it can be looked at")
	errNotThere   = errors.New("the bucket does not hold this version of it")
	errDiffers    = errors.New(
		"its name has another version in the bucket, which this machine has not put")
)

// Put delivers files, and directories with all that is in them, into a folder of the
// exchange: files as folder/NAME. folder is a key without a slash at its end. A symbolic link
// is followed if it is named, and not if it is found in a directory.
func Put(ctx context.Context, cfg Config, paths []string, folder string) (Total, error) {
	sources := make([]Source, len(paths))
	for i, path := range paths {
		name := filepath.Base(path)
		if abs, err := filepath.Abs(path); err == nil { // of "." and ".."
			name = filepath.Base(abs)
		}
		sources[i] = Source{Path: path, Prefix: folder + "/", Name: name}
	}
	return PutSources(ctx, cfg, sources)
}

// Source is a file or directory that is to be put under a prefix, as a file of this name.
type Source struct {
	Path   string
	Prefix string // of keys: it ends in a slash, or is empty
	Name   string // as a mount shows it
}

// PutSources is [Put] with a prefix and a name for each file.
func PutSources(ctx context.Context, cfg Config, sources []Source) (Total, error) {
	r, ctx := newRun(ctx, cfg)
	p := &put{run: r}
	return r.end(p.all(ctx, sources))
}

// MoreThan reports whether PutSources would send more than n files. It asks S3 nothing.
func MoreThan(ctx context.Context, cfg Config, sources []Source, n int) (bool, error) {
	cfg.Tell, cfg.Meter = nil, nil
	r, ctx := newRun(ctx, cfg)
	p := &put{run: r, counts: true, max: n}
	_, err := r.end(p.all(ctx, sources))
	if errors.Is(err, fs.SkipAll) {
		return true, nil
	}
	return false, err
}

type put struct {
	*run
	counts     bool // nothing is sent, and the files are counted up to max
	max, files int
}

// local is a file that is to be sent.
type local struct {
	path, key string
	size      int64
	follow    bool // it may be a symbolic link
}

func (p *put) all(ctx context.Context, sources []Source) error {
	var files []local
	taken := map[string]bool{}
	for _, from := range sources {
		path, prefix, name := from.Path, from.Prefix, from.Name
		st, err := os.Stat(path)
		if err != nil {
			p.tell(Result{Outcome: Failed, Path: path, Err: plain(err)})
			continue
		}
		key, err := p.key(prefix, name, st.IsDir())
		if err == nil && taken[key] {
			err = errTwice
		}
		if err != nil {
			p.tell(Result{Outcome: Failed, Path: path, Key: prefix + name, Err: err})
			continue
		}
		taken[key] = true
		if err := p.excluded(key, st.IsDir()); err != nil {
			p.tell(Result{Outcome: Skipped, Path: path, Key: key, Err: err})
			continue
		}
		if st.IsDir() {
			if err := p.directory(ctx, path, key+"/"); err != nil {
				return err
			}
			continue
		}
		files = append(files, local{path, key, st.Size(), true})
	}
	// Files that are named one by one may be of several directories.
	slices.SortStableFunc(files,
		func(a, b local) int { return strings.Compare(directoryOf(a.key), directoryOf(b.key)) })
	for len(files) > 0 {
		n := 1
		for n < len(files) && directoryOf(files[n].key) == directoryOf(files[0].key) {
			n++
		}
		if err := p.batch(ctx, files[:n]); err != nil {
			return err
		}
		files = files[n:]
	}
	return ctx.Err()
}

// directoryOf returns a key up to its last slash.
func directoryOf(key string) string { return key[:strings.LastIndexByte(key, '/')+1] }

// excluded returns why a key is not to be put, nil if it is.
func (p *put) excluded(key string, dir bool) error {
	if p.Exclude == nil {
		return nil
	}
	if dir {
		key += "/"
	}
	return p.Exclude(key)
}

// directory sends what is in a directory, and below it.
func (p *put) directory(ctx context.Context, dir, prefix string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		p.tell(Result{Outcome: Failed, Path: dir, Key: prefix, Err: plain(err)})
		return ctx.Err()
	}
	var files []local
	for _, e := range entries {
		path := filepath.Join(dir, e.Name())
		key, err := p.key(prefix, e.Name(), e.IsDir())
		var excluded error
		if err == nil {
			excluded = p.excluded(key, e.IsDir())
		}
		switch {
		case excluded != nil:
			p.tell(Result{Outcome: Skipped, Path: path, Key: key, Err: excluded})
		case errors.Is(err, errPrivate):
			p.tell(Result{Outcome: Skipped, Path: path, Key: prefix + e.Name(), Err: err})
		case err != nil:
			p.tell(Result{Outcome: Failed, Path: path, Key: prefix + e.Name(), Err: err})
		case e.IsDir():
			if err := p.directory(ctx, path, key+"/"); err != nil {
				return err
			}
		case e.Type()&fs.ModeSymlink != 0:
			p.tell(Result{Outcome: Skipped, Path: path, Key: key, Err: errLink})
		case !e.Type().IsRegular():
			p.tell(Result{Outcome: Skipped, Path: path, Key: key, Err: errNotRegular})
		default:
			st, err := e.Info()
			if err != nil {
				p.tell(Result{Outcome: Failed, Path: path, Key: key, Err: plain(err)})
				continue
			}
			files = append(files, local{path, key, st.Size(), false})
		}
	}
	return p.batch(ctx, files)
}

// key returns the key of a name below prefix, by the rules of a mount.
func (p *put) key(prefix, name string, dir bool) (string, error) {
	elem, err := keyname.NewElement(name)
	if err != nil {
		return "", err
	}
	key := prefix + elem
	if len(key) > keyname.MaxKey || len(elem) > unix.NAME_MAX {
		return "", cache.ErrNameTooLong
	}
	if dir && p.Private.Dir(elem) || !dir && p.Private.Key(key) {
		return "", errPrivate
	}
	return key, nil
}

// batch sends files whose keys differ in their last element alone.
func (p *put) batch(ctx context.Context, files []local) error {
	if p.counts {
		if p.files += len(files); p.files > p.max {
			return fs.SkipAll // it ends the count
		}
		return ctx.Err()
	}
	slices.SortFunc(files, func(a, b local) int { return strings.Compare(a.key, b.key) })
	known, err := lookAhead(ctx, p.Bucket, files)
	if err != nil {
		return err
	}
	for _, f := range files {
		look := known.of(f.key)
		if err := p.start(ctx,
			f.size, func(ctx context.Context) Result { return p.one(ctx, f, look) }); err != nil {
			return err
		}
	}
	return nil
}
