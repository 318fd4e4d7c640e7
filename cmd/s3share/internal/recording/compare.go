package recording

import (
	"context"
	"crypto/md5" // #nosec G501 -- what S3 calls an ETag is an MD5; nothing is trusted to it
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"

	"golang.org/x/sync/errgroup"

	"github.com/s3share/s3share/cache/receipts"
	"github.com/s3share/s3share/cache/transfer"
	"github.com/s3share/s3share/s3backend"
)

// State is what S3 holds of a version that was recorded.
type State string

// The states.
const (
	Present State = "present" // S3 holds the version
	Changed State = "changed" // S3 holds another version
	Gone    State = "gone"    // S3 holds nothing
	Unknown State = "unknown" // S3 could not be asked
)

// Bytes is what reading a version has shown.
type Bytes string

// What reading shows.
const (
	NotRead   Bytes = ""
	Same      Bytes = "same"      // they have the checksums
	Different Bytes = "different" // they have not
	Unsure    Bytes = "unknown"   // they could not be read, or there is no checksum to compare with
)

// Found is what S3 holds of a version.
type Found struct {
	Entry receipts.Entry
	Now   s3backend.Object // the zero Object if the state is Gone or Unknown
	State State
	Bytes Bytes
	How   string // the checksums that were compared
	Err   error  // why something is not known
}

// comparers is how many objects are looked at at a time.
const comparers = 16

// Compare finds out what S3 holds of each version, and with deep set reads its bytes and compares
// their checksums.
func Compare(ctx context.Context, b transfer.Bucket, entries []receipts.Entry,
	deep bool) ([]Found, error) {
	keys := make([]string, len(entries))
	for i, e := range entries {
		keys[i] = string(e.Key)
	}
	listed, unknown, err := transfer.Current(ctx, b, keys)
	switch {
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case s3backend.IsOfBucket(err), errors.Is(err, s3backend.ErrOffline):
		return nil, err
	case err != nil:
		listed, unknown = nil, len(keys)
	}
	all := make([]Found, len(entries))
	group, gctx := errgroup.WithContext(ctx)
	group.SetLimit(comparers)
	for i, e := range entries {
		group.Go(func() error {
			f := &all[i]
			f.Entry = e
			obj, ok := listed[keys[i]]
			var err error
			if !ok && unknown > 0 { // which of them are not known is found out one by one
				obj, err = s3backend.HeadOrList(gctx, b, keys[i])
				ok = err == nil
				if errors.Is(err, s3backend.NotExist) {
					err = nil
				}
			}
			f.compare(obj, ok, err)
			if deep && f.State == Present {
				f.read(gctx, b)
			}
			return gctx.Err()
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	return all, ctx.Err()
}

// compare compares the entry with what S3 holds.
func (f *Found) compare(obj s3backend.Object, there bool, err error) {
	switch {
	case err != nil:
		f.State, f.Err = Unknown, err
	case !there:
		f.State = Gone
	case f.Entry.ETag == "" || obj.ETag == "":
		f.Now, f.State, f.Err = obj, Unknown, errors.New("there is no ETag to compare")
	case obj.ETag != f.Entry.ETag, f.Entry.Size >= 0 && obj.Size != f.Entry.Size:
		f.Now, f.State = obj, Changed
	case obj.Version != "" && f.Entry.VersionID != "" && obj.Version != f.Entry.VersionID:
		f.Now, f.State = obj, Changed // the same bytes were sent again
	default:
		f.Now, f.State = obj, Present
	}
}

// read reads the bytes and compares their checksums with those that were recorded, or else with
// what S3 keeps of the version.
func (f *Found) read(ctx context.Context, b transfer.Bucket) {
	f.Bytes = Unsure
	type check struct {
		name, want string
		hash       hash.Hash
		text       func([]byte) string
	}
	var checks []check
	if f.Entry.SHA256 != "" {
		checks = append(checks, check{"SHA-256", f.Entry.SHA256, sha256.New(), hex.EncodeToString})
	}
	if f.Entry.CRC64NVME != "" {
		checks = append(checks, check{"CRC64NVME", f.Entry.CRC64NVME, s3backend.NewCRC64NVME(),
			base64.StdEncoding.EncodeToString})
	}
	// The ETag is no MD5 of what was sent in parts, or is encrypted with a key of KMS: then that
	// it differs shows nothing.
	sum := check{"MD5", f.Entry.ETag, md5.New(), hex.EncodeToString} // #nosec G401 -- as S3 makes ETags
	if len(checks) == 0 {
		if kept, err := b.Sum(ctx, f.Now); err == nil && kept.New != nil {
			checks = append(checks,
				check{"S3's checksum", kept.Value, kept.New(), base64.StdEncoding.EncodeToString})
		}
	}
	w := []io.Writer{sum.hash}
	for _, c := range checks {
		w = append(w, c.hash)
	}
	if f.Now.Size > 0 {
		body, err := b.Get(ctx, f.Now, 0, f.Now.Size)
		if err == nil {
			_, err = io.CopyBuffer(io.MultiWriter(w...), body, make([]byte, 128<<10))
			_ = body.Close()
		}
		if errors.Is(err, s3backend.Stale) {
			f.State, f.Bytes = Changed, NotRead
			return
		}
		if err != nil {
			f.Err = err
			return
		}
	}
	if sum.text(sum.hash.Sum(nil)) == sum.want {
		f.Bytes, f.How = Same, sum.name
	}
	for _, c := range checks {
		if got := c.text(c.hash.Sum(nil)); got != c.want {
			f.Bytes, f.How, f.Err = Different,
				c.name, fmt.Errorf("its %s is %s, and %s was recorded", c.name, got, c.want)
			return
		}
		f.Bytes, f.How = Same, c.name
	}
	if f.Bytes == Unsure {
		f.Err = errors.New("no checksum of it is recorded, and S3 keeps none")
	}
}
