package s3backend

import (
	"context"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"hash"
	"hash/crc32"
	"io"
	"net/http"
	"sync"
)

// Summed is a body that knows the CRC-32 (IEEE) of all its bytes, from where it
// stands. It is read once only. So is an io.ReaderAt, which is summed by ReadAt.
type Summed interface{ CRC32() uint32 }

// sized is the first size bytes of a body from where it stands: what is
// summed, what is sent, and what is sent again.
type sized struct {
	from        io.ReadSeeker
	start       int64 // where it stood
	size, where int64
}

func newSized(from io.ReadSeeker, size int64) (*sized, error) {
	start, err := from.Seek(0, io.SeekCurrent)
	if err != nil {
		return nil, err
	}
	if size < 0 {
		return nil, errors.New("negative size")
	}
	return &sized{from: from, start: start, size: size}, nil
}

// Read ends after size bytes; a body that ends before is an error, so that a
// file cut short on its way is never delivered as though it were whole.
func (s *sized) Read(p []byte) (int, error) {
	if s.where >= s.size {
		return 0, io.EOF
	}
	n, err := s.from.Read(p[:min(int64(len(p)), s.size-s.where)])
	s.where += int64(n)
	if err == io.EOF && s.where < s.size {
		err = io.ErrUnexpectedEOF
	} else if err == io.EOF {
		err = nil // the next Read says so
	}
	return n, err
}

func (s *sized) Seek(off int64, whence int) (int64, error) {
	switch whence {
	case io.SeekCurrent:
		off += s.where
	case io.SeekEnd:
		off += s.size
	}
	if off < 0 {
		return 0, errors.New("seek before the start")
	}
	if off == s.where && whence != io.SeekStart {
		return off, nil
	}
	if _, err := s.from.Seek(s.start+off, io.SeekStart); err != nil {
		return 0, err
	}
	s.where = off
	return off, nil
}

var sumBuffers = sync.Pool{New: func() any { b := make([]byte, 256<<10); return &b }}

// sum is the body's CRC-32 (IEEE) as S3 writes it: four bytes, big-endian, in base64.
func (s *sized) sum(ctx context.Context) (string, error) {
	if known, ok := s.from.(Summed); ok {
		return FormatCRC32(known.CRC32()), nil
	}
	h := crc32.NewIEEE()
	err := s.hash(ctx, h)
	return FormatCRC32(h.Sum32()), err
}

// hash reads the body into h. The body then stands at its start again.
func (s *sized) hash(ctx context.Context, h hash.Hash) error {
	var from io.Reader = s
	if at, ok := s.from.(io.ReaderAt); ok {
		from = &sized{from: io.NewSectionReader(at, s.start, s.size), size: s.size}
	}
	buf := sumBuffers.Get().(*[]byte)
	defer sumBuffers.Put(buf)
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		n, err := from.Read(*buf)
		h.Write((*buf)[:n])
		if err == io.EOF {
			break
		}
		if err != nil {
			return err
		}
	}
	_, err := s.Seek(0, io.SeekStart)
	return err
}

// FormatCRC32 is a CRC-32 as S3 writes it, in Part.CRC32 and in headers.
func FormatCRC32(sum uint32) string {
	return base64.StdEncoding.EncodeToString(binary.BigEndian.AppendUint32(nil, sum))
}

// withChecksum runs send with a checksum, or without where this server is
// known to refuse it. A refusal is believed once the same request without the
// checksum has worked; then none is sent again. AWS is always sent one: a bucket with
// Object Lock refuses uploads without.
func (c *Client) withChecksum(send func(on bool) error) error {
	if c.quirks.noChecksum.Load() {
		return send(false)
	}
	err := send(true)
	if err == nil {
		c.quirks.worked.checksum.Store(true)
	}
	if !c.notAWS || !refusesChecksum(err) {
		return err
	}
	if send(false) != nil {
		return err
	}
	if c.quirks.noChecksum.CompareAndSwap(false, true) {
		c.log.Warn("this server refuses checksums; none is sent from now on", "reply", err)
	}
	return nil
}

// refusesChecksum distinguishes a server that does not know checksums from one that
// found a wrong one (BadDigest).
func refusesChecksum(err error) bool {
	switch codeOf(err) {
	case "InvalidRequest", "InvalidArgument":
		return statusOf(err) == http.StatusBadRequest
	case "NotImplemented":
		return true
	}
	return false
}
