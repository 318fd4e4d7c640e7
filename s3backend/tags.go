package s3backend

import (
	"context"
	"net/url"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/s3"
)

// Tagging returns an object's tags as Header.Tagging wants them, "" for none.
// It is a permission of its own (s3:GetObjectTagging): Denied is common.
func (c *Client) Tagging(ctx context.Context, key string) (string, error) {
	return c.tagging(ctx, Object{Key: key})
}

// VersionTagging is Tagging of the version obj.Version (s3:GetObjectVersionTagging).
func (c *Client) VersionTagging(ctx context.Context, obj Object) (string, error) {
	obj.ByVersion = true
	return c.tagging(ctx, obj)
}

// tagging is Tagging, or with obj.ByVersion, VersionTagging.
func (c *Client) tagging(ctx context.Context, obj Object) (string, error) {
	const op = "GetObjectTagging"
	out, err := c.s3.GetObjectTagging(ctx,
		&s3.GetObjectTaggingInput{Bucket: &c.bucket, Key: &obj.Key, VersionId: obj.versionID()})
	if err != nil {
		return "", wrapError(ctx, op, obj.Key, err)
	}
	pairs := make([]string, len(out.TagSet))
	for i, t := range out.TagSet {
		pairs[i] = url.QueryEscape(val(t.Key)) + "=" + url.QueryEscape(val(t.Value))
	}
	return strings.Join(pairs, "&"), nil
}
