package cache

import (
	"context"
	"errors"

	"github.com/s3share/s3share/cache/content"
	"github.com/s3share/s3share/cache/grants"
	"github.com/s3share/s3share/cache/outbox"
	"github.com/s3share/s3share/s3backend"
)

// change returns the item that takes a writer's changes, held back from delivery
// until the last writer releases the file.
func (f *File) change(ctx context.Context) (*outbox.Item, error) {
	f.c.mu.Lock()
	it, held := f.item, f.held
	f.c.mu.Unlock()
	if held {
		return it, nil
	}
	f.changing.Lock()
	defer f.changing.Unlock()
	it, err := f.hold(ctx)
	if it != nil || err != nil {
		return it, err
	}
	f.c.mu.Lock()
	obj := f.obj
	f.c.mu.Unlock()
	return f.newItem(obj, obj, nil)
}

// hold returns the item, held back from delivery as for change; nil where nothing is
// pending. The caller holds changing.
func (f *File) hold(ctx context.Context) (*outbox.Item, error) {
	for {
		f.c.mu.Lock()
		it, held := f.item, f.held
		f.c.mu.Unlock()
		if held || it == nil {
			return it, nil
		}
		held, err := holdOrGone(context.WithoutCancel(ctx), it) // see outbox.Item.MaterializeBase
		if err != nil {
			return nil, err
		}
		if held {
			f.c.mu.Lock()
			f.held = true
			f.c.mu.Unlock()
			return it, nil
		}
	}
}

// holdOrGone holds an item, so that it is not delivered. If it was delivered or dropped meanwhile,
// held is false, and the cache knows of that.
func holdOrGone(ctx context.Context, it *outbox.Item) (held bool, err error) {
	err = it.Hold(ctx)
	if errors.Is(err, outbox.ErrGone) {
		<-it.Gone()
		return false, nil
	}
	return err == nil, err
}

// refuse notes that a writer was refused a change, for the item that its next one begins.
func (f *File) refuse(err error) {
	f.c.mu.Lock()
	it := f.item
	if it == nil {
		f.refused = err
	}
	f.c.mu.Unlock()
	if it != nil {
		it.Refuse(err)
	}
}

// materializeBase makes sure that an edit of the base can be delivered. It copies a small base
// here. Of a large one that may not be readable, it reads the first byte. It returns S3's error
// before anything is written.
func (f *File) materializeBase(ctx context.Context, it *outbox.Item) error {
	if err := it.MaterializeBase(ctx); err != nil {
		return err
	}
	f.c.mu.Lock()
	under, key := f.baseReader, f.key
	f.c.mu.Unlock()
	if under == nil || it.Edited() || f.c.grants.Denied(key, false)&grants.ReadBits == 0 {
		return nil
	}
	if _, err := under.ReadAt(ctx, make([]byte, 1), 0); errors.Is(err, s3backend.Denied) {
		return err
	}
	return nil
}

// newItem stages a change of the file: over is the version that the commit replaces at the key,
// base the version that the content is a change of, mode the permission bits that it is made
// with, nil for none. The caller holds changing, or f is new.
func (f *File) newItem(over, base s3backend.Object, mode *uint32) (*outbox.Item, error) {
	f.c.mu.Lock()
	key, unnamed := f.key, f.unnamed
	f.c.mu.Unlock()
	return f.newItemOver(base, func(base s3backend.Object, read outbox.Base) (*outbox.Item, error) {
		if unnamed {
			return f.c.out.CreateUnnamed(key, base, read)
		}
		return f.c.out.Create(key, over, base, read, mode)
	})
}

// newPrivateItem stages a private file with this key, whose content is that of S3's object old. The
// caller holds changing.
func (f *File) newPrivateItem(key string, old s3backend.Object) (*outbox.Item, error) {
	return f.newItemOver(old, func(base s3backend.Object, read outbox.Base) (*outbox.Item, error) {
		return f.c.out.CreatePrivate(key, base, read)
	})
}

// newItemOver makes an item of the file, whose content is a change of base.
func (f *File) newItemOver(base s3backend.Object,
	create func(s3backend.Object, outbox.Base) (*outbox.Item, error)) (*outbox.Item, error) {
	var under *content.Reader
	var read outbox.Base
	if base.ETag != "" {
		under = f.c.blocks.Open(base)
		read = under
		if base.Header == nil {
			base.Header = f.c.names.Header(base.Key, base.ETag)
		}
	}
	f.c.mu.Lock()
	refused := f.refused
	f.c.mu.Unlock()
	it, err := create(base, read)
	if err != nil {
		if under != nil {
			under.Close()
		}
		return nil, err
	}
	if refused != nil {
		it.Refuse(refused)
	}
	f.c.attrs.keepMode(it, base)
	f.c.mu.Lock()
	defer f.c.mu.Unlock()
	f.item, f.baseReader, f.refused, f.held, f.staged = it, under, nil, true, true
	f.closeReaderLocked()
	f.c.pending[it] = f
	if !f.unnamed {
		f.c.files.put(f)
	}
	return it, nil
}
