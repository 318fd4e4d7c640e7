package transfer

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"hash"
	"hash/crc32"
	"io"
	"maps"
	"slices"
	"sync"

	"github.com/s3share/s3share/s3backend"
)

// digest is the checksums of the bytes that are written to it.
type digest struct {
	io.Writer
	sha256, crc64 hash.Hash
}

func newDigest() *digest {
	d := &digest{sha256: sha256.New(), crc64: s3backend.NewCRC64NVME()}
	d.Writer = io.MultiWriter(d.sha256, d.crc64)
	return d
}

// version returns a version of these bytes.
func (d *digest) version(obj s3backend.Object) *Version {
	return &Version{
		ETag: obj.ETag, ID: obj.Version,
		SHA256:    hex.EncodeToString(d.sha256.Sum(nil)),
		CRC64NVME: base64.StdEncoding.EncodeToString(d.crc64.Sum(nil)),
	}
}

// digestParts returns the checksums of a file that was sent in these parts. The CRC-32 of each
// part in the file has to be that of the part as it was sent: else the file was changed
// meanwhile, and the checksums would not be those of the object.
func digestParts(ctx context.Context, file io.ReaderAt, size int64,
	parts map[int32]s3backend.Part) (*digest, error) {
	d := newDigest()
	off := int64(0)
	for _, n := range slices.Sorted(maps.Keys(parts)) {
		part := parts[n]
		crc := crc32.NewIEEE()
		if err := ReadAll(ctx, io.MultiWriter(d, crc), io.NewSectionReader(file, off, part.Size),
			part.Size); err != nil {
			return nil, err
		}
		if part.CRC32 != "" && s3backend.FormatCRC32(crc.Sum32()) != part.CRC32 {
			return nil, errChanged
		}
		off += part.Size
	}
	if off != size {
		return nil, errChanged
	}
	return d, nil
}

// digestWith has w make the checksums of what it sends. A body that goes in one request is
// summed as it is sent. One in parts is read once more before they become an object, and
// compared with the parts that S3 has.
func (s *sending) digestWith(ctx context.Context, w *s3backend.WholeUpload) {
	s.digest = newDigest()
	w.Single = func(body io.Reader) error {
		s.digest = newDigest()
		_, err := io.Copy(s.digest, body)
		return err
	}
	if w.Size <= s3backend.WholePart {
		return
	}
	var mu sync.Mutex // guards parts
	parts := map[int32]s3backend.Part{}
	sent, ready := w.Sent, w.Ready
	w.Sent = func(part s3backend.Part) {
		mu.Lock()
		parts[part.Number] = part
		mu.Unlock()
		sent(part)
	}
	w.Ready = func() (err error) {
		mu.Lock()
		defer mu.Unlock()
		if s.digest, err = digestParts(ctx, s.src.file, w.Size, parts); err != nil {
			return plain(err)
		}
		return ready()
	}
}

// version tells the version that S3 holds of the file, once it is known that it does.
func (s *sending) version(ctx context.Context) (*Version, error) {
	if s.digest == nil { // it was there already
		s.digest = newDigest()
		if err := ReadAll(ctx, s.digest, s.src.file, s.src.size); err != nil {
			return nil, plain(err)
		}
		if err := s.src.unchanged(); err != nil {
			return nil, err
		}
	}
	return s.digest.version(s.holds), nil
}
