package delivery

import (
	"context"
	"errors"
	"slices"

	"github.com/s3share/s3share/cache/transfer"
)

// maxLater is how many later deliveries are read to find what replaced a file.
const maxLater = 50

// SupersededBy returns the names of the later deliveries that have replaced every file of d that
// is not as it was sent. It returns none if one of the files is not in any of them, or was not
// replaced.
func SupersededBy(ctx context.Context, b transfer.Bucket, r Route, d *Delivery, problems []Problem,
	all []*Delivery) (by []string) {
	left := map[string]bool{}
	for _, p := range problems {
		var size *sizeError
		if !errors.Is(p.Err, ErrReplaced) && !errors.As(p.Err, &size) {
			return nil
		}
		left[p.Path] = true
	}
	i := slices.IndexFunc(all, func(o *Delivery) bool { return o.Name == d.Name })
	if i < 0 {
		return nil
	}
	sent := map[string]string{}
	for _, f := range d.Manifest.Files {
		sent[f.Path] = f.ETag
	}
	for n, later := range all[i+1:] {
		if n == maxLater || len(left) == 0 {
			break
		}
		other := *later
		if Read(ctx, b, r, &other) != nil {
			continue
		}
		had := len(left)
		for _, f := range other.Manifest.Files {
			if left[f.Path] && f.ETag != sent[f.Path] {
				delete(left, f.Path)
			}
		}
		if len(left) < had {
			by = append(by, other.Name)
		}
	}
	if len(left) > 0 {
		return nil
	}
	return by
}
