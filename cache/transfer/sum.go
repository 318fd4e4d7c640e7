package transfer

import (
	"context"
	"crypto/md5" // #nosec G501 -- what S3 calls an ETag is an MD5; nothing is trusted to it
	"encoding/hex"
	"fmt"
	"hash"
	"io"
	"strconv"
	"strings"

	"github.com/s3share/s3share/s3backend"
)

// sameBytes reports whether a file of this size holds what obj does, as far as the ETag or a
// checksum of S3 proves it. Anything else is taken for a difference: with an encryption key
// of KMS an ETag says nothing, and S3 keeps no checksum of what some tools have uploaded.
func sameBytes(ctx context.Context, b Bucket, file io.ReaderAt,
	size int64, obj s3backend.Object) (bool, error) {
	if size != obj.Size || obj.ETag == "" {
		return false, nil
	}
	same, err := matchesETag(ctx, file, size, obj.ETag)
	if same || err != nil {
		return same, err
	}
	sum, err := b.Sum(ctx, obj)
	if err != nil || sum.New == nil {
		return false, ctx.Err() // whoever may not read it learns no checksum
	}
	h := sum.New()
	if err := ReadAll(ctx, h, file, size); err != nil {
		return false, err
	}
	return sum.Matches(h), nil
}

// matchesETag reports whether a file has this ETag: the MD5 of its bytes, or the MD5 of the
// MD5s of its parts with their number behind it, in one of the part sizes that tools use.
// Source: Amazon S3 API Reference, Object, ETag; Amazon S3 User Guide, "Checking object
// integrity".
func matchesETag(ctx context.Context, file io.ReaderAt, size int64, etag string) (bool, error) {
	digest, number, parts := strings.Cut(etag, "-")
	if raw, err := hex.DecodeString(digest); err != nil || len(raw) != md5.Size {
		return false, nil
	}
	if !parts {
		h := md5.New() // #nosec G401 -- as S3 makes ETags
		err := ReadAll(ctx, h, file, size)
		return hex.EncodeToString(h.Sum(nil)) == digest, err
	}
	n, err := strconv.ParseInt(number, 10, 32)
	if err != nil || n < 1 {
		return false, nil
	}
	var all []*partsHash
	for _, part := range partSizes(size, n) {
		// #nosec G401 -- as S3 makes ETags
		all = append(all, &partsHash{part: part, left: part, md5: md5.New(), all: md5.New()})
	}
	if len(all) == 0 {
		return false, nil
	}
	to := make([]io.Writer, len(all))
	for i, h := range all {
		to[i] = h
	}
	if err := ReadAll(ctx, io.MultiWriter(to...), file, size); err != nil {
		return false, err
	}
	for _, h := range all {
		if h.etag(n) == etag {
			return true, nil
		}
	}
	return false, nil
}

// partSizes are the sizes of all parts but the last with which an object of this size has n
// parts, as far as tools use them: whole MiB, small ones first, and what an upload of ours
// has.
func partSizes(size, n int64) (all []int64) {
	const (
		mib      = 1 << 20
		maxTried = 6 // each costs an MD5 of the file
	)
	fits := func(part int64) bool { return part > 0 && (size+part-1)/part == n }
	usual := []int64{5, 8, 10, 15, 16, 32, 50, 64, 100, 128, 256, 512}
	for _, m := range usual {
		if part := m * mib; fits(part) {
			all = append(all, part)
		}
	}
	for part := (size/n + mib - 1) / mib * mib; fits(part) && len(all) < maxTried; part += mib {
		all = append(all, part)
	}
	if len(all) == 0 && n == 1 {
		all = append(all, max(size, 1))
	}
	return all[:min(len(all), maxTried)]
}

// partsHash is the MD5 of the MD5s of parts of one size.
type partsHash struct {
	part, left int64
	md5, all   hash.Hash
	n          int64
}

func (h *partsHash) Write(p []byte) (int, error) {
	n := len(p)
	for len(p) > 0 {
		m := min(int64(len(p)), h.left)
		h.md5.Write(p[:m])
		p, h.left = p[m:], h.left-m
		if h.left == 0 {
			h.endPart()
		}
	}
	return n, nil
}

func (h *partsHash) endPart() {
	h.all.Write(h.md5.Sum(nil))
	h.md5.Reset()
	h.left = h.part
	h.n++
}

func (h *partsHash) etag(n int64) string {
	if h.left < h.part || h.n == 0 {
		h.endPart()
	}
	if h.n != n {
		return ""
	}
	return fmt.Sprintf("%x-%d", h.all.Sum(nil), n)
}

// ReadAll writes the first size bytes of a file to w, until ctx ends. It is an error if the file
// has fewer.
func ReadAll(ctx context.Context, w io.Writer, file io.ReaderAt, size int64) error {
	n, err := io.CopyBuffer(w,
		&untilDone{ctx, io.NewSectionReader(file, 0, size)}, make([]byte, 256<<10))
	if err == nil && n != size {
		return errChanged
	}
	return err
}

type untilDone struct {
	ctx context.Context
	r   io.Reader
}

func (u *untilDone) Read(p []byte) (int, error) {
	if err := u.ctx.Err(); err != nil {
		return 0, err
	}
	return u.r.Read(p)
}
