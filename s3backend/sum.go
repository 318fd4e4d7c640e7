package s3backend

import (
	"context"
	"crypto/sha1" // #nosec G505 -- one of the checksums that S3 keeps of an object
	"crypto/sha256"
	"encoding/base64"
	"hash"
	"hash/crc32"
	"hash/crc64"

	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

// Sum is a checksum of a whole object that S3 keeps.
type Sum struct {
	New   func() hash.Hash // the algorithm; nil if S3 keeps no such checksum
	Value string           // base64
}

// Matches reports whether h, which is of the algorithm, has the value.
func (s Sum) Matches(h hash.Hash) bool {
	return base64.StdEncoding.EncodeToString(h.Sum(nil)) == s.Value
}

// crc64NVME is the polynomial of CRC-64/NVME, reversed.
// Source: NVM Express NVM Command Set Specification, "64b CRC Definition".
const crc64NVME = 0x9a6c9329ac4bc9b5

// NewCRC64NVME returns a hash of the algorithm that S3 calls CRC64NVME. The base64 of its sum
// is what S3 shows.
func NewCRC64NVME() hash.Hash { return crc64.New(crc64.MakeTable(crc64NVME)) }

// HeadSum returns what the key holds, without its Header, and the checksum that S3 keeps of it as
// S3 shows it: the algorithm and base64, and the number of parts if it is one of the checksums of
// those. It is "" if S3 keeps none. It takes s3:GetObject.
func (c *Client) HeadSum(ctx context.Context, key string) (Object, string, error) {
	const op = "HeadObject"
	out, err := c.s3.HeadObject(ctx,
		&s3.HeadObjectInput{Bucket: &c.bucket, Key: &key, ChecksumMode: types.ChecksumModeEnabled})
	if err != nil {
		return Object{}, "", wrapError(ctx, op, key, err)
	}
	if err := checkHead(key, out); err != nil {
		return Object{}, "", err
	}
	obj := Object{Key: key, Size: val(out.ContentLength), ETag: unquote(out.ETag),
		Modified: val(out.LastModified), Version: val(out.VersionId)}
	for _, s := range []struct {
		name  string
		value *string
	}{
		{"SHA256", out.ChecksumSHA256}, {"SHA1",
			out.ChecksumSHA1}, {"CRC64NVME", out.ChecksumCRC64NVME},
		{"CRC32C", out.ChecksumCRC32C}, {"CRC32", out.ChecksumCRC32},
	} {
		if v := val(s.value); v != "" && len(v) <= maxTextBytes {
			return obj, s.name + " " + v, nil
		}
	}
	return obj, "", nil
}

// Sum asks for the checksum of the whole object that S3 keeps of this version. It takes
// s3:GetObject. A checksum of the checksums of parts is none.
func (c *Client) Sum(ctx context.Context, obj Object) (Sum, error) {
	in := &s3.HeadObjectInput{Bucket: &c.bucket, Key: &obj.Key, VersionId: obj.versionID(),
		ChecksumMode: types.ChecksumModeEnabled}
	if obj.ETag != "" {
		_, in.IfMatch = Condition{IfMatch: obj.ETag}.headers()
	}
	out, err := c.s3.HeadObject(ctx, in)
	if err != nil {
		return Sum{}, wrapError(ctx, "HeadObject", obj.Key, err)
	}
	if out.ChecksumType == types.ChecksumTypeComposite {
		return Sum{}, nil
	}
	for _, s := range []struct {
		value *string
		hash  func() hash.Hash
	}{
		{out.ChecksumSHA256, sha256.New},
		{out.ChecksumSHA1, sha1.New},
		{out.ChecksumCRC64NVME, NewCRC64NVME},
		{out.ChecksumCRC32C,
			func() hash.Hash { return crc32.New(crc32.MakeTable(crc32.Castagnoli)) }},
		{out.ChecksumCRC32, func() hash.Hash { return crc32.NewIEEE() }},
	} {
		h := s.hash()
		if raw, err := base64.StdEncoding.DecodeString(val(s.value)); err == nil &&
			len(raw) == h.Size() {
			return Sum{s.hash, *s.value}, nil
		}
	}
	return Sum{}, nil
}
