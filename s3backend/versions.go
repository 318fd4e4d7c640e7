package s3backend

import (
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/smithy-go"
	"github.com/aws/smithy-go/middleware"
	smithyhttp "github.com/aws/smithy-go/transport/http"
)

// Version is one entry of an object's history: a version, or a delete marker, which S3 puts there
// when the object is removed.
type Version struct {
	// Object is the version; its ByVersion is set. A delete marker has no size and no ETag.
	Object
	Latest  bool // it is what the key holds
	Removed bool // it is a delete marker
}

// NullVersion is the version ID of what was put while the bucket kept no versions.
const NullVersion = "null"

// maxVersionID is the length of a version ID, in bytes.
// Source: Amazon S3 User Guide, "Version IDs".
const maxVersionID = 1024

// maxVersions is how many versions of one object are listed, some 100 MB.
const maxVersions = 200_000

// Versions lists the versions and delete markers of a key, newest first. It takes
// s3:ListBucketVersions: the error has ErrVersionsRefused if that is not granted. A bucket that
// keeps no versions has one of each object, with the version ID NullVersion. The error has
// ErrNoVersions if the server does not list versions.
func (c *Client) Versions(ctx context.Context, key string) ([]Version, error) {
	const op = "ListObjectVersions"
	in := &s3.ListObjectVersionsInput{Bucket: &c.bucket, Prefix: &key,
		EncodingType: types.EncodingTypeUrl}
	var all []Version
	for {
		var page versionsPage
		_, err := c.s3.ListObjectVersions(ctx, in, page.install)
		switch {
		case errors.Is(err, ErrNoVersions):
			return nil, &Error{Op: op, Key: key, Kind: Refused, Err: ErrNoVersions}
		case err != nil:
			err = wrapError(ctx, op, key, err)
			switch status := statusOf(err); {
			case status == http.StatusNotImplemented, status == http.StatusMethodNotAllowed:
				err = withReason(err, ErrNoVersions)
			case errors.Is(err, Denied) && !IsOfKey(err):
				err = withReason(err, ErrVersionsRefused)
			}
			return nil, err
		}
		more, err := page.take(key, &all)
		if err != nil {
			return nil, protocolError(op, key, "%w", err)
		}
		if !more {
			break
		}
		next, nextID := page.NextKeyMarker, page.NextVersionIDMarker
		if next == "" || next == val(in.KeyMarker) && nextID == val(in.VersionIdMarker) {
			return nil, protocolError(op,
				key, "the listing is cut off and does not say how to go on")
		}
		if len(all) > maxVersions {
			return nil, protocolError(op, key, "it has more than %d versions", maxVersions)
		}
		in.KeyMarker, in.VersionIdMarker = &next, opt(nextID)
	}
	// Some servers list all delete markers after all versions.
	slices.SortStableFunc(all, func(a, b Version) int {
		if a.Latest != b.Latest {
			return map[bool]int{true: -1, false: 1}[a.Latest]
		}
		return b.Modified.Compare(a.Modified)
	})
	return all, nil
}

// HeadVersion returns the version obj.Version of obj.Key, with its Header. It takes
// s3:GetObjectVersion: the error has ErrVersionRefused if that is not granted. Stale: it has
// another ETag than obj has, if that has one, so that the server does not know version IDs.
func (c *Client) HeadVersion(ctx context.Context, obj Object) (Object, error) {
	obj.ByVersion = true
	now, err := c.head(ctx, obj)
	switch {
	case err != nil:
		return Object{}, err
	case obj.ETag != "" && now.ETag != obj.ETag, now.Version != obj.Version && now.Version != "":
		return Object{}, &Error{Op: "HeadObject", Key: obj.Key, Kind: Stale,
			Err: fmt.Errorf("S3 sent version %q where %q was asked for", now.Version, obj.Version)}
	}
	now.Version, now.Owner = obj.Version, obj.Owner
	return now, nil
}

// CopiesVersions reports whether Copy may be given a version by its version ID. Another server
// might take the ID for a part of the key, or copy what the key holds.
func (c *Client) CopiesVersions(ctx context.Context) bool {
	return !c.notAWS || c.Server(ctx) != Unknown
}

// Versioning is whether a bucket keeps versions.
type Versioning string

// The states of a bucket.
const (
	VersioningOn        Versioning = "on"
	VersioningSuspended Versioning = "suspended" // what was kept stays, and nothing more is kept
	VersioningOff       Versioning = "off"
)

// Versioning asks whether the bucket keeps versions. It takes s3:GetBucketVersioning, which clients
// seldom have. The error is ErrUnknown if the server is not recognised: another might answer
// with something else.
func (c *Client) Versioning(ctx context.Context) (Versioning, error) {
	if c.notAWS && c.Server(ctx) == Unknown {
		return "", ErrUnknown
	}
	out, err := c.s3.GetBucketVersioning(ctx, &s3.GetBucketVersioningInput{Bucket: &c.bucket})
	if err != nil {
		return "", wrapError(ctx, "GetBucketVersioning", "", err)
	}
	switch out.Status {
	case types.BucketVersioningStatusEnabled:
		return VersioningOn, nil
	case types.BucketVersioningStatusSuspended:
		return VersioningSuspended, nil
	}
	return VersioningOff, nil
}

// ErrNoVersions is the reason where a server does not know requests about versions.
var ErrNoVersions = errors.New("this server lists no versions")

// versionsPage is a reply to ListObjectVersions. The SDK has versions apart from delete markers;
// here they are in the order in which S3 has listed them.
type versionsPage struct {
	XMLName             xml.Name
	EncodingType        string
	IsTruncated         bool
	NextKeyMarker       string
	NextVersionIDMarker string          `xml:"NextVersionIdMarker"`
	Entries             []listedVersion `xml:",any"`
}

// listedVersion is a Version or a DeleteMarker of a reply, or another element.
type listedVersion struct {
	XMLName      xml.Name
	Key          string
	VersionID    string `xml:"VersionId"`
	IsLatest     bool
	LastModified string
	ETag         string
	Size         int64
	StorageClass string
	Owner        string `xml:"Owner>ID"`
}

// install is an option of the request.
func (p *versionsPage) install(o *s3.Options) {
	o.APIOptions = append(o.APIOptions, func(stack *middleware.Stack) error {
		return stack.Deserialize.Insert(p, "OperationDeserializer", middleware.After)
	})
}

// ID implements [middleware.DeserializeMiddleware].
func (p *versionsPage) ID() string { return "s3share:versions" }

// maxVersionsReply is the size of a reply at which it is not read on, in bytes: a page has 1,000
// entries, of keys of 1,024 bytes, which may be encoded.
const maxVersionsReply = 32 << 20

// HandleDeserialize decodes a reply in place of the SDK, which gets an empty one.
func (p *versionsPage) HandleDeserialize(ctx context.Context, in middleware.DeserializeInput,
	next middleware.DeserializeHandler) (
	middleware.DeserializeOutput, middleware.Metadata, error,
) {
	out, meta, err := next.HandleDeserialize(ctx, in)
	reply, ok := out.RawResponse.(*smithyhttp.Response)
	if err != nil || !ok || reply.StatusCode/100 != 2 {
		return out, meta, err
	}
	text, err := io.ReadAll(io.LimitReader(reply.Body, maxVersionsReply))
	if err != nil {
		return out, meta, &smithy.DeserializationError{Err: err}
	}
	*p = versionsPage{}
	if err := xml.Unmarshal(text, p); err != nil {
		return out, meta, &smithy.DeserializationError{Err: err}
	}
	if p.XMLName.Local != "ListVersionsResult" {
		reply.Body.Close()
		return out, meta, ErrNoVersions
	}
	reply.Body = replayed{http.NoBody, reply.Body}
	return out, meta, nil
}

// take adds the entries of key to all, and reports whether further pages may have more. Keys that
// begin with key and go on come after it.
func (p *versionsPage) take(key string, all *[]Version) (more bool, err error) {
	more = p.IsTruncated
	unescape := func(s *string) {
		if p.EncodingType == string(types.EncodingTypeUrl) && err == nil {
			*s, err = url.QueryUnescape(*s)
		}
	}
	unescape(&p.NextKeyMarker)
	for i := range p.Entries {
		e := &p.Entries[i]
		removed := e.XMLName.Local == "DeleteMarker"
		if e.XMLName.Local != "Version" && !removed {
			continue
		}
		if unescape(&e.Key); err != nil {
			return false, fmt.Errorf("a key is not encoded as asked: %w", err)
		}
		if e.Key != key {
			more = more && e.Key < key
			continue
		}
		at, terr := time.Parse(time.RFC3339, e.LastModified)
		switch {
		case terr != nil:
			return false, fmt.Errorf("S3 gave a version the time %q", e.LastModified)
		case e.Size < 0 || e.Size > maxSize:
			return false, fmt.Errorf("S3 gave a version a size of %d", e.Size)
		case e.VersionID == "" || len(e.VersionID) > maxVersionID || len(e.ETag) > maxTextBytes+2:
			return false, fmt.Errorf("S3 sent a version ID of %d bytes", len(e.VersionID))
		}
		*all = append(*all, Version{Latest: e.IsLatest, Removed: removed, Object: Object{
			Key: key, Size: e.Size, ETag: unquote(&e.ETag), Modified: at.UTC(),
			Version: e.VersionID, ByVersion: true,
			Owner: e.Owner, Class: e.StorageClass,
		}})
	}
	return more, err
}

// versionsSeen is whether the bucket keeps versions, as the replies about objects have shown: they
// have version IDs if it does.
type versionsSeen struct{ state atomic.Int32 }

// The states of versionsSeen.
const (
	versionsUnknown int32 = iota
	versionsNone
	versionsKept
)

// note notes the version ID of a reply to a PutObject, GetObject or HeadObject, "" for none.
func (v *versionsSeen) note(id string) {
	if id != "" {
		v.state.Store(versionsKept)
	} else {
		v.state.CompareAndSwap(versionsUnknown, versionsNone)
	}
}

// known reports whether a reply has shown it.
func (v *versionsSeen) known() bool { return v.state.Load() != versionsUnknown }

// mayBeKept reports whether the bucket keeps versions, or that is not known.
func (v *versionsSeen) mayBeKept() bool { return v.state.Load() != versionsNone }
