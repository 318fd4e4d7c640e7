package transfer

import (
	"context"
	"io"
	"os"
	"path"
	"strings"

	"github.com/s3share/s3share/cache/keyname"
	"github.com/s3share/s3share/s3backend"
)

// Check looks at the first size bytes of a file. Its error refuses them.
type Check func(ctx context.Context, file io.ReaderAt, size int64) error

// Wanted is a version that is to be fetched to a path.
type Wanted struct {
	Object s3backend.Object // key, size and ETag have to be known
	Path   string           // below the directory, in slashes; its elements are those of keys
	Check  Check
}

// GetVersions fetches versions into a directory by the rules of [Get], each under its own path.
// If the key of one holds another version by now, that one fails with s3backend.Stale. A file
// gets its name only if its check accepts its bytes.
func GetVersions(ctx context.Context, cfg Config, all []Wanted, dir string) (Total, error) {
	g, ctx, err := newGet(ctx, cfg, dir)
	if err != nil {
		return Total{}, err
	}
	defer g.root.Close()
	return g.end(g.these(ctx, all))
}

func (g *get) these(ctx context.Context, all []Wanted) error {
	made := map[string]error{".": nil}
	for _, w := range all {
		elems := strings.Split(w.Path, "/")
		for i, elem := range elems {
			elems[i] = keyname.FileName(elem, false)
		}
		r := remote{obj: w.Object, dir: ".", name: elems[len(elems)-1], check: w.Check}
		var err error
		for _, elem := range elems[:len(elems)-1] {
			r.dir = path.Join(r.dir, elem)
			if _, known := made[r.dir]; !known {
				made[r.dir] = makeDir(g.root, r.dir)
			}
			if err = made[r.dir]; err != nil {
				break
			}
		}
		if err != nil {
			g.tell(Result{Outcome: Failed, Path: g.path(r.dir), Key: w.Object.Key, Err: plain(err)})
			continue
		}
		if err := g.start(ctx, r.obj.Size,
			func(ctx context.Context) Result { return g.one(ctx, r) }); err != nil {
			return err
		}
	}
	return nil
}

// checkNamed applies the check to the file that has a name.
func (r *remote) checkNamed(ctx context.Context, dir *os.Root, name string) error {
	if r.check == nil {
		return nil
	}
	f, err := dir.OpenFile(name, os.O_RDONLY|noFollow, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	return r.check(ctx, f, r.obj.Size)
}
