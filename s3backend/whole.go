package s3backend

import (
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"maps"
	"slices"
	"sync"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/feature/s3/transfermanager"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"golang.org/x/sync/errgroup"
)

// This file and download.go are the ones that know feature/s3/transfermanager. It divides an object
// into parts and ranges and keeps several in flight. Each of its requests is made by this
// package's own methods, so that the ACL, the expected owner, the conditions, the checksums
// and what is known of the server are the same as everywhere.

// Requests are the requests by which a whole object is moved. *Client implements it.
type Requests interface {
	Get(ctx context.Context, obj Object, off, n int64) (io.ReadCloser, error)
	Put(ctx context.Context, key string, body io.ReadSeeker, size int64, h *Header,
		cond Condition) (Object, error)
	CreateUpload(ctx context.Context, key string, h *Header) (Upload, error)
	UploadPart(ctx context.Context, up Upload, n int32, body io.ReadSeeker,
		size int64) (Part, error)
	Complete(ctx context.Context, up Upload, parts []Part, size int64,
		cond Condition) (Object, error)
	Abort(ctx context.Context, up Upload) error
}

var _ Requests = (*Client)(nil)

const (
	// WholePart is the size of a part that Upload sends, up to 9,999 of them, and the
	// largest object that it makes by one PutObject.
	WholePart = 16 << 20

	// transfermanager holds each part in flight in memory. From bufferedPart on, which is
	// that of an object of 625 GiB, parts are read from the body as they are sent.
	bufferedPart    = 64 << 20
	bufferedMemory  = 96 << 20
	unbufferedParts = 4
)

// WholeUpload is a body that is to become one object.
type WholeUpload struct {
	Key    string
	Body   io.ReaderAt
	Size   int64
	Header *Header
	Cond   Condition

	// Begun is a multipart upload that an earlier process began for the same body and
	// header, with the parts that S3 has. A part is sent again unless its CRC-32 is that of
	// the body. The zero value is none.
	Begun      Upload
	BegunParts []Part

	// Begin is called when a multipart upload has begun, before its first part is sent, and
	// Sent when S3 has a part. Both may be nil. Sent may be called concurrently.
	Begin func(Upload) error
	Sent  func(Part)

	// Read is called with how many bytes more of the body requests in flight have read. It is
	// negative when a request is sent again, and when it ends: the sum is what is in flight. It
	// may be nil, and may be called concurrently.
	Read func(n int64)

	// Single is called with the body of a PutObject before it is sent: the very bytes that S3
	// gets. It may read them to the end, and its error ends the upload. It may be nil.
	Single func(body io.Reader) error

	// Ready is called before the request that makes the object. Its error ends the upload.
	Ready func() error
}

// Upload makes the body one object, if the condition holds. What it holds in memory does
// not grow with the body. A multipart upload that failed is neither completed nor aborted;
// if Begin was called for it, a later Upload may go on with it. NotExist: the upload that
// was begun is gone.
func (w WholeUpload) Upload(ctx context.Context, to Requests) (Object, error) {
	u := &upload{to: to, WholeUpload: w, parts: map[int32]Part{}, begun: map[int32]Part{}}
	for _, p := range w.BegunParts {
		u.begun[p.Number] = p
	}
	size := wholePartSize(w.Size)
	if size > bufferedPart {
		return u.unbuffered(ctx, size)
	}
	manager := transfermanager.New(u, func(o *transfermanager.Options) {
		o.PartSizeBytes = size
		o.MultipartUploadThreshold = WholePart + 1
		o.Concurrency = int(max(1, bufferedMemory/size-1))
		o.MaxUploadParts = int64(MaxParts)
		o.RequestChecksumCalculation = aws.RequestChecksumCalculationWhenRequired
	})
	_, err := manager.UploadObject(ctx, &transfermanager.UploadObjectInput{
		Bucket: aws.String("-"), Key: &w.Key, ContentLength: &w.Size,
		Body: io.NewSectionReader(w.Body, 0, w.Size),
	})
	if err := u.first(); err != nil {
		return Object{}, err
	}
	return u.obj, wrapError(ctx, "PutObject", w.Key, err)
}

// wholePartSize is the size of all parts of an upload but the last: whole MiB.
func wholePartSize(size int64) int64 {
	const step = 1 << 20
	least := size/(int64(MaxParts)-1) + 1
	return max(WholePart, (least+step-1)/step*step)
}

// upload is a WholeUpload on its way. It is what transfermanager takes for S3.
type upload struct {
	WholeUpload
	to  Requests
	obj Object

	up    Upload
	begun map[int32]Part

	mu    sync.Mutex // guards parts
	parts map[int32]Part

	firstError
	unusedCalls
}

var _ transfermanager.S3APIClient = (*upload)(nil)

// firstError keeps the first error of several requests.
type firstError struct {
	errMu sync.Mutex // guards err
	err   error
}

// note keeps err if it is the first, and returns it.
func (f *firstError) note(err error) error {
	f.errMu.Lock()
	defer f.errMu.Unlock()
	if f.err == nil {
		f.err = err
	}
	return err
}

func (f *firstError) first() error {
	f.errMu.Lock()
	defer f.errMu.Unlock()
	return f.err
}

func (u *upload) ready() error {
	if u.Ready == nil {
		return nil
	}
	return u.Ready()
}

// unbuffered sends parts that are too large to be held in memory.
func (u *upload) unbuffered(ctx context.Context, size int64) (Object, error) {
	if err := u.begin(ctx); err != nil {
		return Object{}, err
	}
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(unbufferedParts)
	for n, off := int32(1), int64(0); off < u.Size && gctx.Err() == nil; n, off = n+1, off+size {
		part := min(size, u.Size-off)
		g.Go(func() error {
			_, err := u.send(gctx, n, io.NewSectionReader(u.Body, off, part), part)
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return Object{}, err
	}
	return u.obj, u.complete(ctx)
}

func (u *upload) begin(ctx context.Context) error {
	if u.up = u.Begun; u.up.ID != "" {
		return nil
	}
	var err error
	if u.up, err = u.to.CreateUpload(ctx, u.Key, u.Header); err != nil {
		return u.note(err)
	}
	if u.Begin != nil {
		return u.note(u.Begin(u.up))
	}
	return nil
}

// send sends a part, unless an earlier process has.
func (u *upload) send(ctx context.Context, n int32, body io.ReadSeeker, size int64) (Part, error) {
	had, ok := u.begun[n]
	if ok && had.Size == size && had.CRC32 != "" {
		sum := crc32.NewIEEE()
		if _, err := io.Copy(sum, body); err != nil {
			return Part{}, u.note(fmt.Errorf("read part %d of %q: %w", n, u.Key, err))
		}
		if _, err := body.Seek(0, io.SeekStart); err != nil {
			return Part{}, u.note(err)
		}
		ok = FormatCRC32(sum.Sum32()) == had.CRC32
	} else {
		ok = false
	}
	if !ok {
		counted, end := u.counted(body)
		defer end()
		var err error
		if had, err = u.to.UploadPart(ctx, u.up, n, counted, size); err != nil {
			return Part{}, u.note(err)
		}
	}
	u.mu.Lock()
	u.parts[n] = had
	u.mu.Unlock()
	if u.Sent != nil {
		u.Sent(had)
	}
	return had, nil
}

func (u *upload) complete(ctx context.Context) error {
	var list []Part
	size := int64(0)
	for _, n := range slices.Sorted(maps.Keys(u.parts)) {
		list = append(list, u.parts[n])
		size += u.parts[n].Size
	}
	if size != u.Size {
		return u.note(errTruncated)
	}
	if err := u.ready(); err != nil {
		return u.note(err)
	}
	obj, err := u.to.Complete(ctx, u.up, list, u.Size, u.Cond)
	if err != nil {
		return u.note(err)
	}
	u.made(obj)
	return nil
}

func (u *upload) made(obj Object) {
	obj.Key, obj.Size, obj.Header = u.Key, u.Size, u.Header
	u.obj = obj
}

// PutObject implements [transfermanager.S3APIClient], as do the methods below.
func (u *upload) PutObject(ctx context.Context, in *s3.PutObjectInput,
	_ ...func(*s3.Options)) (*s3.PutObjectOutput, error) {
	body, err := wholeBody(in.Body, u.Size)
	if err == nil && u.Single != nil {
		if err = u.Single(body); err == nil {
			_, err = body.Seek(0, io.SeekStart)
		}
	}
	if err == nil {
		err = u.ready()
	}
	if err != nil {
		return nil, u.note(err)
	}
	body, end := u.counted(body)
	defer end()
	obj, err := u.to.Put(ctx, u.Key, body, u.Size, u.Header, u.Cond)
	if err != nil {
		return nil, u.note(err)
	}
	u.made(obj)
	return &s3.PutObjectOutput{ETag: &obj.ETag}, nil
}

// errTruncated reports that a body ended before its size.
var errTruncated = errors.New("the file has become shorter while it was read")

// wholeBody returns what transfermanager read of the body, which may be less than it had.
func wholeBody(r io.Reader, size int64) (io.ReadSeeker, error) {
	body, ok := r.(interface {
		io.ReadSeeker
		Len() int
	})
	if !ok || int64(body.Len()) != size {
		return nil, errTruncated
	}
	return body, nil
}

func (u *upload) CreateMultipartUpload(ctx context.Context, _ *s3.CreateMultipartUploadInput,
	_ ...func(*s3.Options)) (*s3.CreateMultipartUploadOutput, error) {
	if err := u.begin(ctx); err != nil {
		return nil, err
	}
	return &s3.CreateMultipartUploadOutput{UploadId: &u.up.ID}, nil
}

func (u *upload) UploadPart(ctx context.Context, in *s3.UploadPartInput,
	_ ...func(*s3.Options)) (*s3.UploadPartOutput, error) {
	n := *in.PartNumber
	size := wholePartSize(u.Size)
	size = min(size, u.Size-int64(n-1)*size)
	body, err := wholeBody(in.Body, size)
	if err != nil {
		return nil, u.note(err)
	}
	part, err := u.send(ctx, n, body, size)
	if err != nil {
		return nil, err
	}
	return &s3.UploadPartOutput{ETag: &part.ETag}, nil
}

func (u *upload) CompleteMultipartUpload(ctx context.Context, _ *s3.CompleteMultipartUploadInput,
	_ ...func(*s3.Options)) (*s3.CompleteMultipartUploadOutput, error) {
	_ = u.complete(ctx) // noted: transfermanager writes an error of this request to standard error
	return &s3.CompleteMultipartUploadOutput{ETag: &u.obj.ETag}, nil
}

// AbortMultipartUpload aborts nothing: whoever called Upload knows whether it goes on.
func (u *upload) AbortMultipartUpload(context.Context, *s3.AbortMultipartUploadInput,
	...func(*s3.Options)) (*s3.AbortMultipartUploadOutput, error) {
	return &s3.AbortMultipartUploadOutput{}, nil
}
