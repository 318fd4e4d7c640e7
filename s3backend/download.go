package s3backend

import (
	"context"
	"fmt"
	"io"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/feature/s3/transfermanager"
	tmtypes "github.com/aws/aws-sdk-go-v2/feature/s3/transfermanager/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"
)

// How a download is divided.
const (
	rangeSize      = 8 << 20 // bytes
	rangesInFlight = 12
)

// Download writes the n bytes of obj from off on to the same offsets of w, several ranges
// at a time and so in any order. Every range carries If-Match: the error is Stale if the
// key holds another version by now. The range must lie within the object.
func Download(ctx context.Context, from Requests, obj Object, off, n int64, w io.WriterAt) error {
	if n == 0 {
		return nil
	}
	d := &download{from: from, obj: obj}
	if obj.ETag == "" { // a version that cannot be distinguished from the next one: one request
		body, err := from.Get(ctx, obj, off, n)
		if err != nil {
			return err
		}
		defer body.Close()
		_, err = io.Copy(io.NewOffsetWriter(w, off), body)
		return err
	}
	manager := transfermanager.New(d, func(o *transfermanager.Options) {
		o.GetObjectType = tmtypes.GetObjectRanges
		o.PartSizeBytes = rangeSize
		o.Concurrency = int(min(rangesInFlight, n/rangeSize+1))
		o.PartBodyMaxRetries = 1 // Get asks again by itself for the rest of a reply that broke off
		o.DisableChecksumValidation = true
	})
	out, err := manager.DownloadObject(ctx, &transfermanager.DownloadObjectInput{
		Bucket: aws.String("-"), Key: &obj.Key,
		Range:    aws.String(fmt.Sprintf("bytes=%d-%d", off, off+n-1)),
		WriterAt: io.NewOffsetWriter(w, off),
	})
	if err := d.first(); err != nil {
		return err
	}
	if err == nil && aws.ToInt64(out.ContentLength) != n {
		return protocolError("GetObject", obj.Key, "%d bytes were asked for, and %d came",
			n, aws.ToInt64(out.ContentLength))
	}
	return wrapError(ctx, "GetObject", obj.Key, err)
}

// download is what transfermanager takes for S3 while it downloads obj.
type download struct {
	from Requests
	obj  Object

	firstError
	unusedCalls
}

var _ transfermanager.S3APIClient = (*download)(nil)

func (d *download) GetObject(ctx context.Context, in *s3.GetObjectInput,
	_ ...func(*s3.Options)) (*s3.GetObjectOutput, error) {
	var first, last int64
	if _, err := fmt.Sscanf(aws.ToString(in.Range), "bytes=%d-%d", &first, &last); err != nil {
		return nil, d.note(errUnusedCall)
	}
	n := last - first + 1
	body, err := d.from.Get(ctx, d.obj, first, n)
	if err != nil {
		return nil, d.note(err)
	}
	return &s3.GetObjectOutput{
		Body: notedBody{body, d}, ETag: &d.obj.ETag, ContentLength: &n,
		ContentRange: aws.String(fmt.Sprintf("bytes %d-%d/%d", first, last, d.obj.Size)),
	}, nil
}

// notedBody notes the error with which a body ends.
type notedBody struct {
	io.ReadCloser
	d *download
}

func (b notedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if err == io.EOF {
		return n, err
	}
	return n, b.d.note(err)
}
