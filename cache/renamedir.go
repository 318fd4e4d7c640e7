package cache

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/s3share/s3share/cache/keyname"
	"github.com/s3share/s3share/cache/meta"
	"github.com/s3share/s3share/cache/outbox"
	"github.com/s3share/s3share/s3backend"
)

// dirRename is the rename of a directory under way.
type dirRename struct {
	c        *Cache
	old, dir string // prefixes
	markers  []string
}

// run moves all that is below a directory, as one operation: first every object is
// copied, then what is pending gets its new name, and only then the old objects are deleted.
// What S3 refuses to copy for what it is stays where it is, and is told at the end as an
// *outbox.CopyRefusedError.
func (r *dirRename) run(ctx context.Context, replace bool) error {
	c := r.c
	if strings.HasPrefix(r.dir, r.old) {
		if r.dir == r.old {
			return nil
		}
		return ErrInvalid // into itself
	}
	if replace {
		if _, err := c.checkEmpty(ctx, r.dir); err != nil {
			return err
		}
	}
	resume, err := c.out.Halt(ctx, r.old)
	if err != nil {
		return err
	}
	defer resume()
	moves, err := r.plan(ctx)
	if err != nil {
		return err
	}
	op := outbox.DirMove{From: r.old, To: r.dir, Markers: r.markers}
	err = c.out.MoveDir(ctx,
		op, moves, func(made []s3backend.Object) error { return r.copied(ctx, moves, made) })
	if err != nil {
		return err
	}
	c.removed.endIfDone(r.old)
	return nil
}

// plan lists what S3 has to copy. What a file that is pending will replace is not copied: it
// is deleted once that file is delivered under its new name.
func (r *dirRename) plan(ctx context.Context) ([]outbox.Move, error) {
	c := r.c
	replaced := map[string]string{} // ETags by key
	for _, f := range r.pendingFiles() {
		it := f.pending()
		if it == nil {
			continue
		}
		switch over, err := it.FindCommitted(ctx); {
		case err != nil:
			return nil, err
		case over.ETag != "":
			replaced[over.Key] = over.ETag
		}
	}
	objs, err := r.objects(ctx)
	if err != nil {
		return nil, err
	}
	if len(objs) > 0 || len(replaced) > 0 {
		if c.out.Private(r.dir) && !c.out.Private(r.old) {
			return nil, fmt.Errorf("%w: %q", ErrPrivate, r.dir)
		}
		if err := c.grants.CanDelete(ctx, r.old); err != nil {
			return nil, err
		}
	}
	var moves []outbox.Move
	for _, o := range objs {
		to := r.rename(o.Key)
		switch {
		case len(to) > keyname.MaxKey:
			return nil, fmt.Errorf("%w: %q", ErrNameTooLong, to)
		case strings.HasSuffix(o.Key, "/"):
			r.markers = append(r.markers, o.Key)
		case replaced[o.Key] != o.ETag:
			moves = append(moves, outbox.Move{From: o, To: to})
		}
	}
	for _, f := range r.pendingFiles() {
		if to := r.rename(f.Attr().Key); len(to) > keyname.MaxKey {
			return nil, fmt.Errorf("%w: %q", ErrNameTooLong, to)
		}
	}
	return moves, nil
}

func (r *dirRename) rename(key string) string { return r.dir + strings.TrimPrefix(key, r.old) }

// pendingFiles returns the files below the old name that are pending.
func (r *dirRename) pendingFiles() (all []*File) {
	r.c.mu.Lock()
	defer r.c.mu.Unlock()
	for _, f := range r.c.files.under(r.old) {
		if f.item != nil {
			all = append(all, f)
		}
	}
	return all
}

// copied gives what is pending its new name, and shows all under it, in the end in one
// moment.
func (r *dirRename) copied(ctx context.Context, moves []outbox.Move,
	made []s3backend.Object) error {
	copies := map[string]s3backend.Object{} // by the old key
	for i, m := range moves {
		if made[i].Key != "" {
			copies[m.From.Key] = made[i]
		}
	}
	var done []*File
	folders, err := r.makeMarkers()
	for err == nil {
		files := r.pendingFiles()
		if len(files) == 0 && r.show(moves, made) {
			break
		}
		for _, f := range files {
			if err = r.renamePending(ctx, f, copies); err != nil {
				break
			}
			done = append(done, f)
		}
	}
	if err != nil {
		r.takeBack(ctx, done)
		return err
	}
	r.c.dirs.moved(r.old, r.dir) // before the removal of the old marker forgets them
	for _, prefix := range folders {
		err := r.c.markers.remove(ctx, prefix, false, func(marker s3backend.Object) error {
			r.c.out.MustRemove(marker)
			return nil
		})
		if err != nil {
			r.c.log.Warn("a directory that was renamed is there under its old name too",
				"key", prefix, "err", err)
		}
	}
	return nil
}

// makeMarkers makes the directories' own objects anew, and returns those that are pending
// under the old name.
func (r *dirRename) makeMarkers() (owed []string, err error) {
	c := r.c
	owed = c.markers.under(r.old)
	for _, prefix := range slices.Concat(r.markers, owed) {
		if err := c.markers.create(r.rename(prefix)); err != nil {
			return nil, err
		}
	}
	return owed, nil
}

// renamePending renames one file that is pending.
func (r *dirRename) renamePending(ctx context.Context, f *File,
	copies map[string]s3backend.Object) error {
	to := r.rename(f.Attr().Key)
	it := f.pending()
	if it == nil {
		return nil
	}
	over := it.Over()
	if _, err := f.rename(ctx, to, Attr{}); err != nil {
		return err
	}
	if made, ok := copies[over.Key]; ok {
		return it.ReplaceCopy(ctx, over, made) // it was written to while its version was copied
	}
	return nil
}

// show moves all files that are open, and what is known of them. It reports false where
// something has become pending under the old name since the caller looked.
func (r *dirRename) show(moves []outbox.Move, made []s3backend.Object) bool {
	c := r.c
	c.removed.beforeRestore(r.dir)
	c.names.Drop(r.dir)
	all, held := true, len(r.markers) > 0
	for i, m := range moves {
		if made[i].Key == "" { // S3 does not copy it, and it stays
			all = false
			continue
		}
		made[i] = c.recordCopy(m.From, made[i])
		held = true
	}
	if held { // else S3 has nothing of it yet
		c.names.PutDir(r.dir)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, f := range c.files.under(r.old) {
		if f.item != nil {
			return false
		}
	}
	for i, m := range moves {
		if made[i].Key != "" {
			c.movedLocked(m.From, made[i])
		}
	}
	c.removed.restore(r.dir)
	if all {
		c.removed.add(r.old)
		c.names.RemoveDir(r.old)
	}
	return true
}

// takeBack gives what was renamed its old name again.
func (r *dirRename) takeBack(ctx context.Context, done []*File) {
	back := dirRename{c: r.c, old: r.dir, dir: r.old}
	for _, f := range done {
		if err := back.renamePending(ctx, f, nil); err != nil {
			r.c.log.Error(
				"a file that is owed has kept its new name, though the rename of its directory has failed", "key", f.Attr().Key, "err", err)
		}
	}
}

// maxMoved is how many objects a directory may have that is renamed.
const maxMoved = 250_000

// neverHeld reports whether S3 held no directory of the old name when it was asked last. What the
// other party may have put there since is not renamed.
func (r *dirRename) neverHeld() bool {
	above, elem := keyname.Split(strings.TrimSuffix(r.old, "/"))
	found, known := r.c.names.Last(above, elem)
	return known && !found.IsDir
}

// objects lists every object below the old name that this side still shows.
func (r *dirRename) objects(ctx context.Context) ([]s3backend.Object, error) {
	c := r.c
	var objs []s3backend.Object
	in := s3backend.ListInput{Prefix: r.old}
	for {
		before := c.out.Removals(r.old) // S3 may list what it removes before it has answered
		page, err := c.bucket.List(ctx, in)
		if errors.Is(err, s3backend.ErrOffline) && in.Token == "" && r.neverHeld() {
			return nil, nil
		}
		if err != nil {
			return nil, err
		}
		for _, o := range page.Objects {
			removal, removing := before[o.Key]
			if now, is := c.out.Removing(o.Key); is {
				removal, removing = now, true
			}
			marker := strings.HasSuffix(o.Key, "/")
			if !removing || removal.ETag != o.ETag && !marker && !c.out.Hides(o) {
				objs = append(objs, o)
			}
		}
		if len(objs) > maxMoved {
			return nil, fmt.Errorf("%w to be renamed at once: there are more than %d below %q",
				meta.ErrTooMany, maxMoved, r.old)
		}
		if in.Token = page.Next; in.Token == "" {
			return objs, nil
		}
	}
}
