package cache

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/s3share/s3share/cache/meta"
	"github.com/s3share/s3share/cache/outbox"
	"github.com/s3share/s3share/s3backend"
)

// move has S3 move all objects of a folder. An interrupt does not cut it short: it
// would leave them under both names for longer. Its error may be an
// *outbox.StayedError.
func (c *Cache) move(ctx context.Context, moves []outbox.Move) error {
	_, err := c.out.Move(context.WithoutCancel(ctx), moves, func(made []s3backend.Object) {
		for i, m := range moves {
			if made[i].Key != "" {
				c.renamed(m.From, made[i], false)
			}
		}
	})
	return err
}

// renameDir moves all that is below a folder: first every object is copied, and
// only when all are there the old ones are deleted. What S3 refuses to copy for what it
// is stays where it is, and is told at the end as an error.
func (c *Cache) renameDir(ctx context.Context, from, to place, replace bool) error {
	old, dir := from.dir(), to.dir()
	if strings.HasPrefix(dir, old) {
		if dir == old {
			return nil
		}
		return ErrInvalid // into itself
	}
	if replace {
		if _, err := c.checkEmpty(ctx, dir); err != nil {
			return err
		}
		if err := c.forgetFolder(ctx, dir); err != nil {
			return err
		}
	}
	landing := c.watchLanding(old)
	defer landing.end()
	objs, err := c.allUnder(ctx, old)
	if err != nil {
		return err
	}
	if len(objs) > 0 {
		if err := c.mayDelete(ctx, old); err != nil {
			return err
		}
	}
	var stayed *outbox.StayedError
	if err := c.moveObjects(ctx, objs, old, dir); err != nil && !errors.As(err, &stayed) {
		return err
	}
	if err := c.moveOwed(ctx, old, dir); err != nil {
		return err
	}
	for late := landing.since(objs); len(late) > 0; late = landing.since(late) {
		if err := c.moveObjects(ctx, late, old, dir); err != nil && !errors.As(err, &stayed) {
			return err
		}
	}
	c.names.PutDir(dir)
	if stayed != nil {
		return stayed
	}
	c.names.RemoveDir(old)
	return nil
}

// moveObjects moves what S3 holds below a folder.
func (c *Cache) moveObjects(ctx context.Context, objs []s3backend.Object, old, dir string) error {
	var moves []outbox.Move
	var markers []s3backend.Object
	for _, o := range objs {
		to := dir + strings.TrimPrefix(o.Key, old)
		switch {
		case len(to) > maxKey:
			return fmt.Errorf("%w: %q", ErrNameTooLong, to)
		case strings.HasSuffix(o.Key, "/"):
			markers = append(markers, o)
		default:
			moves = append(moves, outbox.Move{From: o, To: to})
		}
	}
	var stayed *outbox.StayedError
	if err := c.move(ctx, moves); err != nil && !errors.As(err, &stayed) {
		return err
	}
	for _, o := range markers { // a folder's own object is made anew
		if err := c.oweFolder(dir + strings.TrimPrefix(o.Key, old)); err != nil {
			return err
		}
		if stayed != nil && slices.ContainsFunc(stayed.Keys, func(key string) bool { return strings.HasPrefix(key, o.Key) }) {
			continue
		}
		c.mu.Lock()
		c.gone[o.Key] = &removal{obj: o}
		c.mu.Unlock()
		c.out.Remove(o)
	}
	if stayed != nil {
		return stayed
	}
	return nil
}

// maxMoved is how many objects a folder may have that is renamed.
const maxMoved = 250_000

// allUnder lists every object below prefix that this side still shows.
func (c *Cache) allUnder(ctx context.Context, prefix string) ([]s3backend.Object, error) {
	var objs []s3backend.Object
	in := s3backend.ListInput{Prefix: prefix}
	for {
		page, err := c.bucket.List(ctx, in)
		if err != nil {
			return nil, err
		}
		c.mu.Lock()
		for _, o := range page.Objects {
			if r := c.gone[o.Key]; !r.hides(o.ETag) && (r == nil || !strings.HasSuffix(o.Key, "/")) {
				objs = append(objs, o)
			}
		}
		c.mu.Unlock()
		if len(objs) > maxMoved {
			return nil, fmt.Errorf("%w to be renamed at once: there are more than %d below %q", meta.ErrTooMany, maxMoved, prefix)
		}
		if in.Token = page.Next; in.Token == "" {
			return objs, nil
		}
	}
}

// moveOwed moves what is owed below a folder.
func (c *Cache) moveOwed(ctx context.Context, old, dir string) error {
	c.mu.Lock()
	files := c.files.under(old)
	var folders []string
	for prefix := range c.folders {
		if strings.HasPrefix(prefix, old) {
			folders = append(folders, prefix)
		}
	}
	c.mu.Unlock()
	for _, prefix := range folders {
		if err := c.forgetFolder(ctx, prefix); err != nil {
			return err
		}
		if err := c.oweFolder(dir + strings.TrimPrefix(prefix, old)); err != nil {
			return err
		}
	}
	for _, f := range files {
		c.mu.Lock()
		prefix, elem := splitKey(dir + strings.TrimPrefix(f.key, old))
		owed := f.item != nil
		c.mu.Unlock()
		if !owed {
			continue
		}
		if _, err := c.renameOwed(ctx, f, place{prefix: prefix, elem: elem}, Attr{}, false); err != nil {
			return err
		}
	}
	return nil
}
