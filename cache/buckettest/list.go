package buckettest

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"github.com/s3share/s3share/s3backend"
)

// defaultPage is how many keys and prefixes S3 gives in one page, and the most
// it gives.
const defaultPage = 1000

// List returns one page of keys, rolled up at the delimiter.
func (b *Bucket) List(ctx context.Context,
	in s3backend.ListInput) (page s3backend.Page, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	defer func() { b.doneLocked(Request{Op: List, Key: in.Prefix, Err: err}) }()
	if err := canceled(ctx, List, in.Prefix); err != nil {
		return page, err
	}
	size := min(cmp.Or(b.PageSize, defaultPage), defaultPage)
	if in.Max > 0 {
		size = min(size, int(in.Max))
	}
	keys := b.sortedLocked()
	after := max(in.StartAfter, in.Token)
	i, _ := slices.BinarySearch(keys, max(in.Prefix, after))
	last := ""
	for ; i < len(keys) && strings.HasPrefix(keys[i], in.Prefix); i++ {
		key := keys[i]
		if key <= after || rolled(in) && strings.HasPrefix(key, in.Token) {
			continue // told on the page before
		}
		name, isPrefix := key, false
		if in.Delimiter != "" {
			if n := strings.Index(key[len(in.Prefix):], in.Delimiter); n >= 0 {
				name, isPrefix = key[:len(in.Prefix)+n+len(in.Delimiter)], true
			}
		}
		if isPrefix && name == last {
			continue
		}
		if len(page.Objects)+len(page.Prefixes) == size {
			page.Next = last
			return page, nil
		}
		if last = name; isPrefix {
			page.Prefixes = append(page.Prefixes, name)
			continue
		}
		obj := b.objects[key].Object
		obj.Header, obj.Owner, obj.Version = nil, "", ""
		if in.Owner {
			obj.Owner = "owner"
		}
		page.Objects = append(page.Objects, obj)
	}
	return page, nil
}

// rolled tells that the page before ended with a prefix that stands for many keys.
func rolled(in s3backend.ListInput) bool {
	return in.Delimiter != "" && len(in.Token) > len(in.Prefix) &&
		strings.HasSuffix(in.Token, in.Delimiter)
}
