package buckettest

import (
	"context"
	"crypto/md5"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"hash/crc32"
	"io"
	"slices"

	"github.com/s3share/s3share/s3backend"
)

// upload is a multipart upload under way.
type upload struct {
	key    string
	header *s3backend.Header
	parts  map[int32]sentPart
}

type sentPart struct {
	etag string
	data []byte
}

// CreateUpload begins a multipart upload.
func (b *Bucket) CreateUpload(ctx context.Context, key string,
	h *s3backend.Header) (up s3backend.Upload, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	defer func() { b.doneLocked(Request{Op: CreateUpload, Key: key, Err: err}) }()
	if err := canceled(ctx, CreateUpload, key); err != nil {
		return up, err
	}
	b.nextID++
	up = s3backend.Upload{Key: key, ID: fmt.Sprintf("upload-%d", b.nextID), CRC32: true}
	b.uploads[up.ID] = &upload{key: key, header: cloneHeader(h), parts: map[int32]sentPart{}}
	return up, nil
}

func (b *Bucket) uploadLocked(op string, up s3backend.Upload) (*upload, error) {
	u := b.uploads[up.ID]
	if u == nil || u.key != up.Key {
		return nil, refuse(op, up.Key, s3backend.NotExist, "NoSuchUpload")
	}
	return u, nil
}

// UploadPart sends a part; one sent before is replaced.
func (b *Bucket) UploadPart(ctx context.Context, up s3backend.Upload, num int32, body io.ReadSeeker,
	size int64) (p s3backend.Part, err error) {
	data, err := readBody(ctx, UploadPart, up.Key, body, size)
	b.mu.Lock()
	defer b.mu.Unlock()
	defer func() {
		b.doneLocked(Request{Op: UploadPart, Key: up.Key, Part: num, Size: size, Err: err})
	}()
	if err != nil {
		return p, err
	}
	return b.partLocked(UploadPart, up, num, data)
}

// CopyPart makes a range of src a part.
func (b *Bucket) CopyPart(ctx context.Context, up s3backend.Upload, num int32, src s3backend.Object,
	off, size int64) (p s3backend.Part, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	defer func() {
		b.doneLocked(Request{Op: CopyPart, Key: up.Key, Part: num, Size: size, Err: err})
	}()
	if err := canceled(ctx, CopyPart, up.Key); err != nil {
		return p, err
	}
	from, err := b.sourceLocked(CopyPart, up.Key, src)
	if err != nil {
		return p, err
	}
	if off < 0 || size <= 0 || off+size > int64(len(from.data)) {
		return p, refuse(CopyPart, up.Key, s3backend.Other, "InvalidArgument: range")
	}
	return b.partLocked(CopyPart, up, num, from.data[off:off+size])
}

func (b *Bucket) partLocked(op string, up s3backend.Upload, num int32,
	data []byte) (s3backend.Part, error) {
	u, err := b.uploadLocked(op, up)
	if err != nil {
		return s3backend.Part{}, err
	}
	if num < 1 || num > s3backend.MaxParts {
		return s3backend.Part{}, refuse(op, up.Key, s3backend.Other, "InvalidArgument: part number")
	}
	etag := etagOf(data)
	u.parts[num] = sentPart{etag, data}
	sum := binary.BigEndian.AppendUint32(nil, crc32.ChecksumIEEE(data))
	return s3backend.Part{Number: num, ETag: etag, CRC32: base64.StdEncoding.EncodeToString(sum),
		Size: int64(len(data))}, nil
}

// Complete makes the parts one object.
func (b *Bucket) Complete(ctx context.Context, up s3backend.Upload, parts []s3backend.Part,
	size int64, cond s3backend.Condition) (obj s3backend.Object, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	defer func() { b.doneLocked(Request{Op: Complete, Key: up.Key, Size: size, Err: err}) }()
	if err := canceled(ctx, Complete, up.Key); err != nil {
		return obj, err
	}
	u, err := b.uploadLocked(Complete, up)
	if err != nil {
		return obj, err
	}
	parts = slices.SortedFunc(slices.Values(parts),
		func(a, b s3backend.Part) int { return int(a.Number) - int(b.Number) })
	bodies, total := make([][]byte, 0, len(parts)), int64(0)
	sums := md5.New()
	for i, p := range parts {
		sent, ok := u.parts[p.Number]
		switch {
		case !ok || sent.etag != p.ETag:
			return obj, refuse(Complete, up.Key, s3backend.OtherPart,
				fmt.Sprintf("InvalidPart: %d", p.Number))
		case i > 0 && parts[i-1].Number == p.Number:
			return obj, refuse(Complete, up.Key, s3backend.Other, "InvalidPartOrder")
		case i < len(parts)-1 && int64(len(sent.data)) < s3backend.MinPartSize:
			return obj, refuse(Complete, up.Key, s3backend.Other, "EntityTooSmall")
		}
		bodies, total = append(bodies, sent.data), total+int64(len(sent.data))
		sum, _ := hex.DecodeString(sent.etag)
		sums.Write(sum)
	}
	if len(parts) == 0 || total != size {
		return obj, refuse(Complete, up.Key, s3backend.Other, "InvalidRequest: size")
	}
	if err := b.holdsLocked(Complete, up.Key, cond); err != nil {
		return obj, err
	}
	delete(b.uploads, up.ID)
	etag := fmt.Sprintf("%x-%d", sums.Sum(nil), len(parts))
	return b.storeLocked(up.Key, clone(bodies...), etag, u.header), nil
}

// Abort forgets an upload; that there is none is as good.
func (b *Bucket) Abort(ctx context.Context, up s3backend.Upload) (err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	defer func() { b.doneLocked(Request{Op: Abort, Key: up.Key, Err: err}) }()
	if err := canceled(ctx, Abort, up.Key); err != nil {
		return err
	}
	delete(b.uploads, up.ID)
	return nil
}
