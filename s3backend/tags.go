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
	const op = "GetObjectTagging"
	out, err := c.s3.GetObjectTagging(ctx, &s3.GetObjectTaggingInput{Bucket: &c.bucket, Key: &key})
	if err != nil {
		return "", wrapError(ctx, op, key, err)
	}
	pairs := make([]string, len(out.TagSet))
	for i, t := range out.TagSet {
		pairs[i] = url.QueryEscape(val(t.Key)) + "=" + url.QueryEscape(val(t.Value))
	}
	return strings.Join(pairs, "&"), nil
}
