package s3backend

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"io"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/smithy-go/middleware"
	smithyhttp "github.com/aws/smithy-go/transport/http"
)

// Annotations are named texts that AWS keeps with a version of an object: up to 1,000 of up to
// 1 MiB. Anybody who may can add them at any time, which leaves the ETag as it is. CopyObject
// takes them along; what replaces an object has none. No answer about the object shows that
// it has some: neither HEAD nor GET nor a listing.
// Source: Amazon S3 User Guide, "Annotating your objects".

// The limits of AWS.
const (
	maxAnnotations    = 1000
	maxAnnotationSize = 1 << 20
)

// annotations sends the requests about annotations, and remembers what was learnt.
type annotations struct {
	at     *endpoint
	absent atomic.Bool // this server, or this kind of bucket, has none
	known  atomic.Bool // it has listed some

	mu         sync.Mutex
	unreadable map[string]time.Time // by folder, when a list was last refused
	excluded   time.Time            // when a plain copy was last refused that went without them
}

// unlisted reports whether a list was refused lately in the folder of key.
func (a *annotations) unlisted(key string) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	at, ok := a.unreadable[folderOf(key)]
	return ok && time.Since(at) < tagsBelieved
}

func (a *annotations) noteUnlisted(key string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.unreadable == nil {
		a.unreadable = map[string]time.Time{}
	}
	a.unreadable[folderOf(key)] = time.Now()
}

func (a *annotations) excludes() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return !a.excluded.IsZero() && time.Since(a.excluded) < tagsBelieved
}

func (a *annotations) noteExcluded() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.excluded = time.Now()
}

// Annotation is one annotation of an object, without its text.
type Annotation struct {
	Name string
	Size int64 // bytes
}

// errNoAnnotations is the answer of a server that does not know annotations.
var errNoAnnotations = errors.New("the answer is not a list of annotations")

// Annotations lists what the key's object is annotated with. It is a permission of its own
// (s3:ListObjectAnnotations): Denied is common, and is not asked for again in the same
// folder for an hour. Nothing is sent to a server that is not AWS: another might take the
// request for one about the object itself. Nor is a server asked again that has no annotations.
func (a *annotations) Annotations(ctx context.Context, key string) ([]Annotation, error) {
	return a.list(ctx, Object{Key: key}, maxAnnotations)
}

func (a *annotations) list(ctx context.Context, obj Object, most int32) ([]Annotation, error) {
	const op = "ListObjectAnnotations"
	key := obj.Key
	if a.at.notAWS || a.absent.Load() {
		return nil, nil
	}
	if !obj.ByVersion && a.unlisted(key) {
		return nil, &Error{Op: op, Key: key, Kind: Denied, Err: errors.New("refused a while ago")}
	}
	in := &s3.ListObjectAnnotationsInput{Bucket: &a.at.bucket,
		Key: &key, VersionId: obj.versionID(), MaxAnnotationResults: &most}
	var all []Annotation
	for {
		out, err := a.at.s3.ListObjectAnnotations(ctx, in, onlyLists)
		if err != nil {
			err = wrapError(ctx, op, key, err)
			switch {
			case errors.Is(err, errNoAnnotations), statusOf(err) == http.StatusNotImplemented,
				statusOf(err) == http.StatusMethodNotAllowed:
				a.absent.Store(true)
				return nil, nil
			case errors.Is(err, Denied) && !IsOfKey(err) && !obj.ByVersion:
				a.noteUnlisted(key)
			}
			return nil, err
		}
		for _, one := range out.Annotations {
			all = append(all, Annotation{val(one.AnnotationName), val(one.Size)})
		}
		if len(all) > 0 {
			a.known.Store(true)
		}
		if in.ContinuationToken = out.NextContinuationToken; val(in.ContinuationToken) == "" ||
			len(all) >= int(most) {
			return all, nil
		}
	}
}

// onlyLists refuses an answer to ListObjectAnnotations that is the object itself, as that of a
// server is which does not know what is asked for: it has the header of an object, and may be
// large.
func onlyLists(o *s3.Options) {
	o.APIOptions = append(o.APIOptions, func(stack *middleware.Stack) error {
		return stack.Deserialize.Add(middleware.DeserializeMiddlewareFunc("s3share:annotations",
			func(
				ctx context.Context, in middleware.DeserializeInput,
				next middleware.DeserializeHandler,
			) (middleware.DeserializeOutput, middleware.Metadata, error) {
				out, m, err := next.HandleDeserialize(ctx, in)
				if r, ok := out.RawResponse.(*smithyhttp.Response); ok && err == nil &&
					r.StatusCode/100 == 2 &&
					(r.Header.Get("Accept-Ranges") != "" || r.Header.Get("Last-Modified") != "") {
					r.Body.Close()
					return out, m, errNoAnnotations
				}
				return out, m, err
			}), middleware.After)
	})
}

// Annotation returns the text of one annotation of the key's object. It takes
// s3:GetObjectAnnotation.
func (a *annotations) Annotation(ctx context.Context, key, name string) ([]byte, error) {
	return a.read(ctx, Object{Key: key}, name)
}

// annotation is Annotation, or with obj.ByVersion, of that version.
func (a *annotations) read(ctx context.Context, obj Object, name string) ([]byte, error) {
	const op = "GetObjectAnnotation"
	key := obj.Key
	if !a.known.Load() {
		return nil, protocolError(op, key, "%w", errNoAnnotations)
	}
	out, err := a.at.s3.GetObjectAnnotation(ctx, &s3.GetObjectAnnotationInput{Bucket: &a.at.bucket,
		Key: &key, VersionId: obj.versionID(), AnnotationName: &name})
	if err != nil {
		return nil, wrapError(ctx, op, key, err)
	}
	defer out.AnnotationPayload.Close()
	text, err := io.ReadAll(io.LimitReader(out.AnnotationPayload, maxAnnotationSize+1))
	switch {
	case err != nil:
		return nil, wrapError(ctx, op, key, err)
	case len(text) > maxAnnotationSize:
		return nil, protocolError(op, key, "the annotation %q is larger than 1 MiB", name)
	case out.ContentLength != nil && *out.ContentLength != int64(len(text)):
		return nil, protocolError(op, key, "the annotation %q has %d bytes, of %d",
			name, len(text), *out.ContentLength)
	}
	return text, nil
}

// Annotate gives obj an annotation, or another text to the one of that name. It takes
// s3:PutObjectAnnotation. Stale: the key holds another version by now. If this server has not
// listed any annotation yet, obj's are listed first: another might take the request for an upload.
func (a *annotations) Annotate(ctx context.Context, obj Object, name string, text []byte) error {
	const op = "PutObjectAnnotation"
	if !a.known.Load() {
		if _, err := a.Annotations(ctx, obj.Key); err != nil {
			return err
		}
	}
	if a.at.notAWS || a.absent.Load() {
		return protocolError(op, obj.Key, "%w", errNoAnnotations)
	}
	in := &s3.PutObjectAnnotationInput{
		Bucket: &a.at.bucket, Key: &obj.Key, AnnotationName: &name,
		AnnotationPayload: bytes.NewReader(text),
	}
	sum := base64.StdEncoding.EncodeToString(binary.BigEndian.AppendUint32(nil,
		crc32.ChecksumIEEE(text)))
	in.ChecksumCRC32 = &sum
	if obj.ETag != "" {
		etag := quote(obj.ETag)
		in.ObjectIfMatch = &etag
	}
	_, err := a.at.s3.PutObjectAnnotation(ctx, in)
	return wrapError(ctx, op, obj.Key, err)
}

// IsNoAnnotation reports whether an object has no annotation of the name that was asked for.
func IsNoAnnotation(err error) bool { return codeOf(err) == "NoSuchAnnotation" }
