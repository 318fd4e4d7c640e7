package delivery

import (
	"bytes"
	"context"
	"crypto/md5" // #nosec G501 -- what S3 calls an ETag is an MD5; nothing is trusted to it
	"encoding/hex"
	"errors"
	"time"

	"github.com/s3share/s3share/cache/outbox"
	"github.com/s3share/s3share/cache/transfer"
	"github.com/s3share/s3share/s3backend"
)

// Acknowledge puts the receipt for a delivery, unless there is one already. first reports
// whether it put it. The error is [ErrOtherManifest] if the receipt that is there is for another
// manifest of this name.
func Acknowledge(ctx context.Context, b transfer.Bucket, r Route,
	d *Delivery, receipt Receipt) (first bool, err error) {
	data, err := receipt.Encode()
	if err != nil {
		return false, err
	}
	there, first, err := putOnce(ctx, b, r.receiptKey(d.Name), data)
	if err != nil || first {
		return first, err
	}
	d.Receipt = there
	_, err = CheckReceipt(ctx, b, d)
	return false, err
}

// ErrOtherManifest is returned for a receipt whose manifest was replaced since.
var ErrOtherManifest = errors.New(
	"it was received before, with another manifest, which was replaced since")

// CheckReceipt reads the receipt for a delivery that was read, and compares the two.
func CheckReceipt(ctx context.Context, b transfer.Bucket, d *Delivery) (Receipt, error) {
	receipt, err := ReadReceipt(ctx, b, d)
	if err == nil && receipt.ManifestSHA256 != d.SHA256 {
		err = ErrOtherManifest
	}
	return receipt, err
}

// putTries is how often a document is put whose answer was lost.
const putTries = 4

// putOnce makes data the object at key if the key is free. first reports whether it did. If not,
// there is what the key holds.
func putOnce(ctx context.Context, b transfer.Bucket, key string,
	data []byte) (there s3backend.Object, first bool, err error) {
	header := outbox.NewHeader(key, time.Now())
	for range putTries {
		var made s3backend.Object
		made, err = b.Put(ctx, key, bytes.NewReader(data), int64(len(data)), header,
			s3backend.Condition{IfNoneMatch: true})
		if err == nil {
			return made, true, nil
		}
		if !errors.Is(err, s3backend.Stale) && !s3backend.Ambiguous(err) || ctx.Err() != nil {
			return there, false, err
		}
		obj, asked := s3backend.HeadOrList(ctx, b, key)
		switch {
		case asked == nil:
			return obj, outbox.SameCommit(obj.Header, header) ||
				obj.Header == nil && isMD5(obj, data), nil
		case !errors.Is(asked, s3backend.NotExist):
			return there, false, errors.Join(err, asked)
		}
	}
	return there, false, err
}

// isMD5 reports whether an object that may be listed, and not read, has these bytes.
func isMD5(obj s3backend.Object, data []byte) bool {
	sum := md5.Sum(data) // #nosec G401 -- as S3 makes ETags
	return obj.Size == int64(len(data)) && obj.ETag == hex.EncodeToString(sum[:])
}
