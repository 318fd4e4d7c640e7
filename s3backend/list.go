package s3backend

import (
	"context"
	"errors"
	"net/url"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

// ListInput asks for one page of a listing.
type ListInput struct {
	Prefix     string // keys that begin with it
	Delimiter  string // "/" rolls up what is deeper into Page.Prefixes
	StartAfter string // keys after it, in S3's order: by the bytes of UTF-8
	Token      string // a Page's Next: the page that follows, of the same listing
	Max        int32  // keys and prefixes at most; 0 is S3's 1000, which is also the most it gives
	Owner      bool   // ask for each object's owner
}

// Page is one page of a listing, in the order of keys.
type Page struct {
	Objects  []Object
	Prefixes []string // with the delimiter at their end
	Next     string   // continuation token; "" on the last page
}

// Exact returns the object of this very key from a page that was listed with the key as its
// prefix: no key with that prefix comes before it.
func (p Page) Exact(key string) (Object, bool) {
	if len(p.Objects) == 0 || p.Objects[0].Key != key {
		return Object{}, false
	}
	return p.Objects[0], true
}

// Finder are the requests that find what one key holds. *Client implements it.
type Finder interface {
	Head(ctx context.Context, key string) (Object, error)
	List(ctx context.Context, in ListInput) (Page, error)
}

// HeadOrList finds what a key holds by HeadObject, or where that is refused by a listing,
// which has no headers. The error is NotExist for nothing, and Denied where both are
// refused.
func HeadOrList(ctx context.Context, b Finder, key string) (Object, error) {
	obj, err := b.Head(ctx, key)
	if !errors.Is(err, Denied) {
		return obj, err
	}
	return ListExact(ctx, b, key)
}

// ListExact finds what a key holds by a listing. The error is NotExist for nothing.
func ListExact(ctx context.Context, b Finder, key string) (Object, error) {
	page, err := b.List(ctx, ListInput{Prefix: key, Max: 1})
	if err != nil {
		return Object{}, err
	}
	obj, ok := page.Exact(key)
	if !ok {
		err = &Error{Op: "ListObjectsV2", Key: key, Kind: NotExist}
	}
	return obj, err
}

// List returns one page. Keys travel URL-encoded, since XML cannot hold every
// byte that a key can. A page that S3 could not have sent is an error, and so is one
// with which the listing goes round in a circle.
func (c *Client) List(ctx context.Context, in ListInput) (Page, error) {
	const op = "ListObjectsV2"
	asked := time.Now()
	var plain fastListDecoder
	out, err := c.s3.ListObjectsV2(ctx, &s3.ListObjectsV2Input{
		Bucket:            &c.bucket,
		EncodingType:      types.EncodingTypeUrl,
		Prefix:            opt(in.Prefix),
		Delimiter:         opt(in.Delimiter),
		StartAfter:        opt(in.StartAfter),
		ContinuationToken: opt(in.Token),
		MaxKeys:           opt(in.Max),
		FetchOwner:        opt(in.Owner),
	}, plain.install)
	if err != nil {
		return Page{}, wrapError(ctx, op, in.Prefix, err)
	}
	l := plain.listing
	if l == nil {
		l = listingOf(out)
	}
	err = l.unescape(in.Prefix)
	if err == nil {
		err = l.check(in)
	}
	if err != nil {
		return Page{}, err
	}
	if !l.truncated {
		l.page.Next = ""
	} else if l.page.Next == "" || l.page.Next == in.Token {
		return Page{}, protocolError(op,
			in.Prefix, "the listing is cut off and does not say how to go on")
	}
	if err := c.listingGuard.observe(in, l.page, time.Since(asked), c.http.quiet); err != nil {
		return Page{}, err
	}
	return l.page, nil
}

// listing is a reply to ListObjectsV2 as it stands there.
type listing struct {
	page      Page // keys and prefixes still encoded
	encoded   bool // as URLs are
	truncated bool
}

// listingOf takes over what the SDK has decoded.
func listingOf(out *s3.ListObjectsV2Output) *listing {
	l := &listing{encoded: out.EncodingType == types.EncodingTypeUrl,
		truncated: val(out.IsTruncated)}
	l.page = Page{Objects: make([]Object, 0, len(out.Contents)),
		Next: val(out.NextContinuationToken)}
	for i := range out.Contents {
		o := &out.Contents[i]
		obj := Object{Key: val(o.Key), Size: val(o.Size), ETag: unquote(o.ETag),
			Modified: val(o.LastModified), Class: string(o.StorageClass)}
		if o.Owner != nil {
			obj.Owner = val(o.Owner.ID)
		}
		l.page.Objects = append(l.page.Objects, obj)
	}
	for _, p := range out.CommonPrefixes {
		l.page.Prefixes = append(l.page.Prefixes, val(p.Prefix))
	}
	return l
}

// unescape makes keys of how they travelled. prefix is for the error alone.
func (l *listing) unescape(prefix string) (err error) {
	if !l.encoded {
		return nil
	}
	for i := range l.page.Objects {
		o := &l.page.Objects[i]
		if o.Key, err = url.QueryUnescape(o.Key); err != nil {
			return protocolError("ListObjectsV2", prefix, "a key is not encoded as asked: %w", err)
		}
	}
	for i, p := range l.page.Prefixes {
		if l.page.Prefixes[i], err = url.QueryUnescape(p); err != nil {
			return protocolError("ListObjectsV2",
				prefix, "a prefix is not encoded as asked: %w", err)
		}
	}
	return nil
}

// modified is a time as S3 writes it; false for any other.
func modified(text []byte) (time.Time, bool) {
	t, err := time.Parse(time.RFC3339, string(text))
	return t.UTC(), err == nil
}
