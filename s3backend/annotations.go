package s3backend

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
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

// annotations remembers what was learnt about annotations.
type annotations struct {
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
func (c *Client) Annotations(ctx context.Context, key string) ([]Annotation, error) {
	return c.listAnnotations(ctx, Object{Key: key}, maxAnnotations)
}

func (c *Client) listAnnotations(ctx context.Context, obj Object, most int32) ([]Annotation, error) {
	const op = "ListObjectAnnotations"
	key := obj.Key
	if c.notAWS || c.annotations.absent.Load() {
		return nil, nil
	}
	if !obj.ByVersion && c.annotations.unlisted(key) {
		return nil, &Error{Op: op, Key: key, Kind: Denied, Err: errors.New("refused a while ago")}
	}
	in := &s3.ListObjectAnnotationsInput{Bucket: &c.bucket, Key: &key, VersionId: obj.versionID(), MaxAnnotationResults: &most}
	var all []Annotation
	for {
		out, err := c.s3.ListObjectAnnotations(ctx, in, onlyLists)
		if err != nil {
			err = wrapError(ctx, op, key, err)
			switch {
			case errors.Is(err, errNoAnnotations), statusOf(err) == http.StatusNotImplemented, statusOf(err) == http.StatusMethodNotAllowed:
				c.annotations.absent.Store(true)
				return nil, nil
			case errors.Is(err, Denied) && !IsOfKey(err) && !obj.ByVersion:
				c.annotations.noteUnlisted(key)
			}
			return nil, err
		}
		for _, a := range out.Annotations {
			all = append(all, Annotation{val(a.AnnotationName), val(a.Size)})
		}
		if len(all) > 0 {
			c.annotations.known.Store(true)
		}
		if in.ContinuationToken = out.NextContinuationToken; val(in.ContinuationToken) == "" || len(all) >= int(most) {
			return all, nil
		}
	}
}

// onlyLists refuses an answer to ListObjectAnnotations that is the object itself, as that of a
// server is which does not know what is asked for: it has the header of an object, and may be
// large.
func onlyLists(o *s3.Options) {
	o.APIOptions = append(o.APIOptions, func(stack *middleware.Stack) error {
		return stack.Deserialize.Add(middleware.DeserializeMiddlewareFunc("s3share:annotations", func(
			ctx context.Context, in middleware.DeserializeInput, next middleware.DeserializeHandler,
		) (middleware.DeserializeOutput, middleware.Metadata, error) {
			out, m, err := next.HandleDeserialize(ctx, in)
			if r, ok := out.RawResponse.(*smithyhttp.Response); ok && err == nil && r.StatusCode/100 == 2 &&
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
func (c *Client) Annotation(ctx context.Context, key, name string) ([]byte, error) {
	return c.annotation(ctx, Object{Key: key}, name)
}

// annotation is Annotation, or with obj.ByVersion, of that version.
func (c *Client) annotation(ctx context.Context, obj Object, name string) ([]byte, error) {
	const op = "GetObjectAnnotation"
	key := obj.Key
	if !c.annotations.known.Load() {
		return nil, protocolError(op, key, "%w", errNoAnnotations)
	}
	out, err := c.s3.GetObjectAnnotation(ctx, &s3.GetObjectAnnotationInput{Bucket: &c.bucket, Key: &key, VersionId: obj.versionID(), AnnotationName: &name})
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
		return nil, protocolError(op, key, "the annotation %q has %d bytes, of %d", name, len(text), *out.ContentLength)
	}
	return text, nil
}

// Annotate gives obj an annotation, or another text to the one of that name. It takes
// s3:PutObjectAnnotation. Stale: the key holds another version by now. If this server has not
// listed any annotation yet, obj's are listed first: another might take the request for an upload.
func (c *Client) Annotate(ctx context.Context, obj Object, name string, text []byte) error {
	const op = "PutObjectAnnotation"
	if !c.annotations.known.Load() {
		if _, err := c.Annotations(ctx, obj.Key); err != nil {
			return err
		}
	}
	if c.notAWS || c.annotations.absent.Load() {
		return protocolError(op, obj.Key, "%w", errNoAnnotations)
	}
	in := &s3.PutObjectAnnotationInput{
		Bucket: &c.bucket, Key: &obj.Key, AnnotationName: &name, AnnotationPayload: bytes.NewReader(text),
	}
	sum := base64.StdEncoding.EncodeToString(binary.BigEndian.AppendUint32(nil, crc32.ChecksumIEEE(text)))
	in.ChecksumCRC32 = &sum
	if obj.ETag != "" {
		etag := quote(obj.ETag)
		in.ObjectIfMatch = &etag
	}
	_, err := c.s3.PutObjectAnnotation(ctx, in)
	return wrapError(ctx, op, obj.Key, err)
}

// withAnnotations runs send, which copies src. If that is refused, and src has no
// annotations, it copies without any (excluded). unknown says that src may have some, which may
// not be listed; then it is not copied without.
func (c *Client) withAnnotations(ctx context.Context, src Object, send func(excluded bool) error) (unknown bool, err error) {
	if c.notAWS || c.annotations.absent.Load() {
		return false, send(false)
	}
	if !c.annotations.excludes() {
		err = send(false)
		if !errors.Is(err, Denied) || IsOfKey(err) {
			return false, err
		}
	}
	has, listErr := c.listAnnotations(ctx, src, 1)
	switch {
	case len(has) > 0 && err == nil:
		return false, send(false)
	case len(has) > 0:
		return false, annotationsRefused(err, src)
	case listErr != nil && err == nil: // as far as it is known, it was never refused
		return true, send(false)
	case listErr != nil:
		return errors.Is(listErr, Denied), err
	}
	again := send(true)
	if !errors.Is(again, Denied) {
		c.annotations.noteExcluded()
	}
	return false, again
}

// withTagsAndAnnotations is withTags and withAnnotations in one. Where a refusal is explained by no
// tags, and src may have annotations, the error says that.
func (c *Client) withTagsAndAnnotations(ctx context.Context, src Object, replaced bool, send func(untagged, excluded bool) error) error {
	maybe := false
	err := c.withTags(ctx, src, replaced, func(untagged bool) error {
		unknown, err := c.withAnnotations(ctx, src, func(excluded bool) error { return send(untagged, excluded) })
		maybe = unknown
		return err
	})
	if maybe && errors.Is(err, Denied) && !errors.Is(err, ErrAnnotationsRefused) && !errors.Is(err, ErrSourceRefused) && !IsOfKey(err) {
		return annotationsRefused(err, src)
	}
	return err
}

// annotationsRefused is the refusal of a copy for the annotations of its source.
func annotationsRefused(err error, src Object) error {
	reason := ErrAnnotationsRefused
	if src.ByVersion {
		reason = ErrVersionAnnotationsRefused
	}
	err = withReason(err, reason)
	var e *Error
	if errors.As(err, &e) {
		e.Key = src.Key
	}
	return err
}

// annotationsOf is the annotations of a copy's source, that the copy by parts has to be given.
type annotationsOf struct {
	src   Object
	list  []Annotation
	texts map[string][]byte // nil: they are read from src once the copy is there
}

// maxAnnotationsHeld is how many bytes of annotations are held in memory, of an object that is
// copied by parts onto itself.
const maxAnnotationsHeld = 16 << 20

// annotationsToKeep lists the annotations of src before it is copied to key by parts. One is read,
// so that a missing permission is known before anything is copied. If they may not be listed, the
// copy has none, which is logged.
func (c *Client) annotationsToKeep(ctx context.Context, src Object, key string) (annotationsOf, error) {
	a := annotationsOf{src: src}
	var err error
	a.list, err = c.listAnnotations(ctx, src, maxAnnotations)
	if errors.Is(err, Denied) {
		c.log.Info("the annotations of an object, if it has any, are not copied with its parts: they may not be listed (s3:ListObjectAnnotations)", "key", src.Key)
		return a, nil
	}
	if err != nil || len(a.list) == 0 {
		return a, err
	}
	if src.Key != key || src.ByVersion {
		if _, err := c.annotation(ctx, src, a.list[0].Name); !IsNoAnnotation(err) {
			return a, c.whyUnannotated(err, src)
		}
		return a, nil
	}
	total := int64(0)
	for _, one := range a.list {
		total += one.Size
	}
	if total > maxAnnotationsHeld {
		return a, &Error{Op: "CopyObject", Key: key, Kind: TooLarge, Err: fmt.Errorf("its annotations have %d bytes, and at most %d can be kept", total, maxAnnotationsHeld)}
	}
	a.texts = map[string][]byte{}
	for _, one := range a.list {
		text, err := c.annotation(ctx, src, one.Name)
		if err != nil {
			return a, c.whyUnannotated(err, src)
		}
		a.texts[one.Name] = text
	}
	return a, nil
}

// annotate gives the copy the annotations, one at a time.
func (c *Client) annotate(ctx context.Context, a annotationsOf, copied Object) error {
	for _, one := range a.list {
		text, ok := a.texts[one.Name]
		if !ok {
			var err error
			text, err = c.annotation(ctx, a.src, one.Name)
			if IsNoAnnotation(err) {
				continue // it was deleted meanwhile
			}
			if err != nil {
				return c.whyUnannotated(err, a.src)
			}
		}
		if err := c.Annotate(ctx, copied, one.Name, text); err != nil {
			return c.whyUnannotated(err, a.src)
		}
	}
	return nil
}

// IsNoAnnotation reports whether an object has no annotation of the name that was asked for.
func IsNoAnnotation(err error) bool { return codeOf(err) == "NoSuchAnnotation" }

// whyUnannotated adds to a refusal that it is for the annotations of src.
func (c *Client) whyUnannotated(err error, src Object) error {
	if errors.Is(err, Denied) {
		return annotationsRefused(err, src)
	}
	return err
}
