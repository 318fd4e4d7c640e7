package watch

import (
	"context"
	"errors"
	"fmt"
	"path"
	"strings"

	"github.com/s3share/s3share/cache/keyname"
	"github.com/s3share/s3share/cmd/s3share/internal/hint"
	"github.com/s3share/s3share/s3backend"
)

// errNoFolder is returned if what is to be watched is no folder.
var errNoFolder = errors.New("there is no such folder")

// checkFolder returns a usage error if a folder within one of the exchange's is to be watched for
// the first time, and S3 holds nothing in it: its name is misspelt, or is that of a file. The
// folders of the exchange themselves may be empty.
func (w *watcher) checkFolder(ctx context.Context) error {
	if len(w.Prefixes) != 1 || strings.Count(w.Prefixes[0], "/") < 2 {
		return nil
	}
	key := strings.TrimSuffix(w.Prefixes[0], "/")
	page, err := w.Bucket.List(ctx, s3backend.ListInput{Prefix: key + "/", Max: 1})
	if err != nil || len(page.Objects) > 0 {
		return err
	}
	name := keyname.Path(key)
	switch _, err := s3backend.HeadOrList(ctx, w.Bucket, key); {
	case err == nil:
		return hint.Usage("name the folder that it is in", "%w: %q is a file", errNoFolder, name)
	case !errors.Is(err, s3backend.NotExist):
		return err
	}
	parent := path.Dir(key) + "/"
	page, err = w.Bucket.List(ctx, s3backend.ListInput{Prefix: parent, Delimiter: "/"})
	if err != nil {
		return err
	}
	var known []string
	for _, prefix := range page.Prefixes {
		known = append(known, fmt.Sprintf("%q", keyname.Path(strings.TrimSuffix(prefix, "/"))))
	}
	advice := hint.DidYouMean(fmt.Sprintf("%q", name), known,
		"make it first, or watch "+keyname.Path(path.Dir(key)))
	return hint.Usage(advice, "%w: S3 holds nothing in %q", errNoFolder, name)
}
