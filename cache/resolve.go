package cache

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/s3share/s3share/cache/keyname"
	"github.com/s3share/s3share/cache/meta"
	"github.com/s3share/s3share/s3backend"
)

// resolver turns paths into locations, and refuses those that are not the exchange's. It has no
// state, and knows nothing of what is at a location.
type resolver struct {
	bucket   meta.Bucket // is asked for shortened names
	folders  []string    // of the exchange
	readOnly bool        // nothing may be changed
}

// location is where a path leads: an element of the directory with this prefix.
type location struct {
	prefix, elem string
	shadowed     bool // the object that has the name of a directory
}

func (p location) key() string { return p.prefix + p.elem }
func (p location) dir() string { return p.prefix + p.elem + "/" }

// checkNew returns an error if nothing may be created here; see [keyname.CheckNew].
func (p location) checkNew() error { return keyname.CheckNew(p.elem, p.shadowed) }

// locate finds the location of a path. It asks S3 only for shortened names.
func (r *resolver) locate(ctx context.Context, path string) (location, error) {
	var p location
	for i, name := range strings.Split(path, "/") {
		if p.shadowed {
			return p, errNotExist(p.dir() + name) // nothing is below an object
		}
		if i > 0 {
			p.prefix = p.dir()
		}
		var err error
		if p.elem, p.shadowed, err = r.elem(ctx, p.prefix, name); err != nil {
			return p, err
		}
	}
	return p, nil
}

// locateNew is locate for a path at which something is to be made. The error says why a
// name can be nobody's; see location.checkNew for what is a name and is not to be made.
func (r *resolver) locateNew(ctx context.Context, path string) (location, error) {
	p, err := r.locate(ctx, path)
	if !errors.Is(err, s3backend.NotExist) {
		return p, err
	}
	switch name := path[strings.LastIndexByte(path, '/')+1:]; {
	case !utf8.ValidString(name):
		return p, fmt.Errorf("%w: %q", ErrNotUTF8, name)
	case !keyname.IsName(name):
		return p, fmt.Errorf("%w: %q", ErrInvalid, name)
	}
	return p, err
}

// elem is the element of a key that a name in the directory with prefix stands for.
func (r *resolver) elem(ctx context.Context,
	prefix, name string) (elem string, beside bool, err error) {
	if elem, beside, ok := keyname.Unescape(name); ok {
		return elem, beside, nil
	}
	head, beside, ok := keyname.LongHead(name)
	if !ok {
		return "", false, errNotExist(prefix + name)
	}
	in := s3backend.ListInput{Prefix: prefix + head, Delimiter: "/"}
	for range maxLongPages {
		page, err := r.bucket.List(ctx, in)
		if err != nil {
			return "", false, err
		}
		for _, o := range page.Objects {
			page.Prefixes = append(page.Prefixes, o.Key)
		}
		for _, key := range page.Prefixes {
			if elem := strings.TrimSuffix(strings.TrimPrefix(key, prefix),
				"/"); keyname.FileName(elem, beside) == name {
				return elem, beside, nil
			}
		}
		if in.Token = page.Next; in.Token == "" {
			return "", false, errNotExist(prefix + name)
		}
	}
	return "", false, fmt.Errorf("%w: that begin with %q", meta.ErrTooMany, prefix+head)
}

// maxLongPages is how many pages of names that begin alike are looked through for one
// that is too long to be shown.
const maxLongPages = 100

// checkFolder refuses what is not in one of the exchange's folders.
func (r *resolver) checkFolder(key string) error {
	if !slices.Contains(r.folders, keyname.Folder(key)) {
		return ErrNotHere
	}
	return nil
}

// checkWrite refuses a change of this key before anything is touched.
func (r *resolver) checkWrite(prefix, elem string) error {
	if r.readOnly {
		return ErrReadOnly
	}
	if prefix == "" {
		return ErrNotHere
	}
	if err := r.checkFolder(prefix); err != nil {
		return err
	}
	if len(strings.TrimSuffix(elem, "/")) > keyname.MaxName ||
		len(prefix)+len(elem) > keyname.MaxKey {
		return fmt.Errorf("%w: %d bytes", ErrNameTooLong, len(prefix)+len(elem))
	}
	return nil
}

// errNotExist returns the error for a key at which there is nothing.
func errNotExist(key string) error { return fmt.Errorf("%q: %w", key, s3backend.NotExist) }
