package buckettest

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/binary"
	"hash"
	"hash/crc32"
	"io"

	"github.com/s3share/s3share/s3backend"
)

// Head tells of the object at key.
func (b *Bucket) Head(ctx context.Context, key string) (obj s3backend.Object, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	defer func() { b.doneLocked(Request{Op: Head, Key: key, Err: err}) }()
	if err := canceled(ctx, Head, key); err != nil {
		return obj, err
	}
	o, ok := b.objects[key]
	if !ok {
		return obj, refuse(Head, key, s3backend.NotExist, "NotFound")
	}
	obj = o.Object
	obj.Header = cloneHeader(obj.Header)
	return obj, nil
}

// Get returns a range of the version obj; Stale once the key holds another.
func (b *Bucket) Get(ctx context.Context, obj s3backend.Object,
	off, n int64) (r io.ReadCloser, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	defer func() { b.doneLocked(Request{Op: Get, Key: obj.Key, Size: n, Err: err}) }()
	if err := canceled(ctx, Get, obj.Key); err != nil {
		return nil, err
	}
	o, ok := b.findLocked(obj)
	switch {
	case !ok:
		return nil, refuse(Get, obj.Key, s3backend.NotExist, "NoSuchKey")
	case obj.ETag != "" && o.ETag != obj.ETag:
		return nil, refuse(Get, obj.Key, s3backend.Stale, "PreconditionFailed")
	case off < 0 || n < 0 || off+n > int64(len(o.data)):
		return nil, refuse(Get, obj.Key, s3backend.Other, "InvalidRange")
	}
	return io.NopCloser(bytes.NewReader(o.data[off : off+n])), nil
}

// Put makes body's first size bytes the object at key.
func (b *Bucket) Put(ctx context.Context, key string, body io.ReadSeeker, size int64,
	h *s3backend.Header, cond s3backend.Condition) (obj s3backend.Object, err error) {
	data, err := readBody(ctx, Put, key, body, size)
	b.mu.Lock()
	defer b.mu.Unlock()
	defer func() { b.doneLocked(Request{Op: Put, Key: key, Size: size, Err: err}) }()
	if err != nil {
		return obj, err
	}
	if err := b.holdsLocked(Put, key, cond); err != nil {
		return obj, err
	}
	return b.storeLocked(key, data, etagOf(data), h), nil
}

// readBody takes exactly size bytes of a request's body.
func readBody(ctx context.Context, op, key string, body io.ReadSeeker, size int64) ([]byte, error) {
	if err := canceled(ctx, op, key); err != nil {
		return nil, err
	}
	data := make([]byte, size)
	if _, err := io.ReadFull(body, data); err != nil {
		return nil, &s3backend.Error{Op: op, Key: key, Kind: s3backend.Other, Err: err}
	}
	return data, nil
}

// Copy makes the version src the object at key, with src's header or with h.
func (b *Bucket) Copy(ctx context.Context, src s3backend.Object, key string, h *s3backend.Header,
	cond s3backend.Condition) (obj s3backend.Object, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	defer func() { b.doneLocked(Request{Op: Copy, Key: key, Size: src.Size, Err: err}) }()
	if err := canceled(ctx, Copy, key); err != nil {
		return obj, err
	}
	from, err := b.sourceLocked(Copy, key, src)
	if err != nil {
		return obj, err
	}
	if err := b.holdsLocked(Copy, key, cond); err != nil {
		return obj, err
	}
	if h == nil {
		if src.Key == key && !src.ByVersion {
			return obj, refuse(Copy, key,
				s3backend.Other, "InvalidRequest: onto itself, with nothing to change")
		}
		h = from.Header
	}
	return b.storeLocked(key, from.data, etagOf(from.data), h), nil
}

// sourceLocked is the version src, if its key still holds it.
func (b *Bucket) sourceLocked(op, key string, src s3backend.Object) (object, error) {
	from, ok := b.findLocked(src)
	switch {
	case !ok:
		return from, refuse(op, key, s3backend.NotExist, "NoSuchKey")
	case src.ETag != "" && from.ETag != src.ETag:
		return from, refuse(op, key, s3backend.Stale, "PreconditionFailed")
	}
	return from, nil
}

// Delete removes what key holds; that it holds nothing is as good.
func (b *Bucket) Delete(ctx context.Context, key string, cond s3backend.Condition) (err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	defer func() { b.doneLocked(Request{Op: Delete, Key: key, Err: err}) }()
	if err := canceled(ctx, Delete, key); err != nil {
		return err
	}
	if _, ok := b.objects[key]; !ok {
		return nil
	}
	if err := b.holdsLocked(Delete, key, s3backend.Condition{IfMatch: cond.IfMatch}); err != nil {
		return err
	}
	b.removeLocked(key)
	return nil
}

// RemovesVersions is true, as of AWS.
func (b *Bucket) RemovesVersions() bool { return true }

// DeleteAll removes versions, or what keys hold where no version is told.
func (b *Bucket) DeleteAll(ctx context.Context,
	objs []s3backend.Object) (failed map[string]error, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	defer func() { b.doneLocked(Request{Op: DeleteAll, Keys: len(objs), Err: err}) }()
	if err := canceled(ctx, DeleteAll, ""); err != nil {
		return nil, err
	}
	failed = map[string]error{}
	for _, o := range objs {
		if _, ok := b.objects[o.Key]; !ok {
			continue
		}
		if err := b.holdsLocked(DeleteAll,
			o.Key, s3backend.Condition{IfMatch: o.ETag}); err != nil {
			failed[o.Key] = err
			continue
		}
		b.removeLocked(o.Key)
	}
	return failed, nil
}

// MayDelete reports whether the policy grants it: always, unless a fault says no.
func (b *Bucket) MayDelete(ctx context.Context, prefix string) (err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	defer func() { b.doneLocked(Request{Op: MayDelete, Key: prefix, Err: err}) }()
	return canceled(ctx, MayDelete, prefix)
}

// Sum returns the CRC-32 of an object, as S3 keeps it of what was uploaded with one.
func (b *Bucket) Sum(ctx context.Context, obj s3backend.Object) (s3backend.Sum, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	now, ok := b.findLocked(obj)
	switch {
	case !ok:
		return s3backend.Sum{}, refuse(Head, obj.Key, s3backend.NotExist, "NotFound")
	case obj.ETag != "" && now.ETag != obj.ETag:
		return s3backend.Sum{}, refuse(Head, obj.Key, s3backend.Stale, "PreconditionFailed")
	}
	sum := binary.BigEndian.AppendUint32(nil, crc32.ChecksumIEEE(now.data))
	return s3backend.Sum{New: func() hash.Hash { return crc32.NewIEEE() },
		Value: base64.StdEncoding.EncodeToString(sum)}, nil
}
