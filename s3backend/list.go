package s3backend

import (
	"context"
	"net/url"

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

// List returns one page. Keys travel URL-encoded, since XML cannot hold every
// byte that a key can.
func (c *Client) List(ctx context.Context, in ListInput) (Page, error) {
	const op = "ListObjectsV2"
	out, err := c.s3.ListObjectsV2(ctx, &s3.ListObjectsV2Input{
		Bucket:            &c.bucket,
		EncodingType:      types.EncodingTypeUrl,
		Prefix:            opt(in.Prefix),
		Delimiter:         opt(in.Delimiter),
		StartAfter:        opt(in.StartAfter),
		ContinuationToken: opt(in.Token),
		MaxKeys:           opt(in.Max),
		FetchOwner:        opt(in.Owner),
	})
	if err != nil {
		return Page{}, fail(ctx, op, in.Prefix, err)
	}
	decode := func(s *string) (string, error) {
		if out.EncodingType != types.EncodingTypeUrl {
			return val(s), nil
		}
		return url.QueryUnescape(val(s))
	}
	page := Page{Objects: make([]Object, 0, len(out.Contents))}
	for i := range out.Contents {
		o := &out.Contents[i]
		key, err := decode(o.Key)
		if err != nil {
			return Page{}, broken(op, in.Prefix, "key %q is not encoded as asked: %w", val(o.Key), err)
		}
		obj := Object{
			Key: key, Size: val(o.Size), ETag: unquote(o.ETag),
			Modified: val(o.LastModified), Class: string(o.StorageClass),
		}
		if o.Owner != nil {
			obj.Owner = val(o.Owner.ID)
		}
		page.Objects = append(page.Objects, obj)
	}
	for _, p := range out.CommonPrefixes {
		prefix, err := decode(p.Prefix)
		if err != nil {
			return Page{}, broken(op, in.Prefix, "prefix %q is not encoded as asked: %w", val(p.Prefix), err)
		}
		page.Prefixes = append(page.Prefixes, prefix)
	}
	if val(out.IsTruncated) {
		page.Next = val(out.NextContinuationToken)
		if page.Next == "" || page.Next == in.Token {
			return Page{}, broken(op, in.Prefix, "the listing is cut off and does not say how to go on")
		}
	}
	return page, nil
}
