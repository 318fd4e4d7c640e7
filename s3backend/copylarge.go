package s3backend

import (
	"context"
	"errors"
	"time"

	"golang.org/x/sync/errgroup"
)

// copyLarge copies by parts of at least least bytes. An upload that fails is
// aborted where that is allowed.
func (c *Client) copyLarge(ctx context.Context, src source, key string, h *Header,
	cond Condition, least int64,
) (Object, error) {
	part, err := partSize(src.Size, least)
	if err != nil {
		return Object{}, &Error{Op: "CopyObject", Key: key, Kind: TooLarge, Err: err}
	}
	if h == nil {
		if h, err = src.header(ctx); err != nil {
			return Object{}, err
		}
	}
	annotations, err := src.annotationsToKeep(ctx, key)
	if err != nil {
		return Object{}, err
	}
	up, err := c.CreateUpload(ctx, key, h)
	if errors.Is(err, Denied) && h.Tagging != "" {
		err = tagsRefused(err, src.Object)
	}
	if err != nil {
		return Object{}, err
	}
	parts := make([]Part, (src.Size+part-1)/part)
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(copyStreams)
	for i := range parts {
		g.Go(func() error {
			if gctx.Err() != nil {
				return nil // another part's failure is the one to return
			}
			off := int64(i) * part
			p, err := c.copyPart(gctx, up, int32(i+1), src, off, min(part, src.Size-off),
				func(etag string, send func(string) error) error {
					return src.match(gctx, "UploadPartCopy",
						etag, func() bool { return true }, send)
				})
			parts[i] = p
			return err
		})
	}
	if err = g.Wait(); err == nil {
		err = ctx.Err()
	}
	if err == nil && c.notAWS && src.ETag != "" {
		// The parts may have been copied without a condition.
		err = src.checkNow(ctx, "UploadPartCopy")
	}
	var obj Object
	if err == nil {
		obj, err = c.Complete(ctx, up, parts, src.Size, cond)
	}
	if err != nil {
		c.abortLate(ctx, up)
		return Object{}, wrapError(ctx, "CopyObject", key, err)
	}
	if err := c.annotations.copyTo(ctx, annotations, obj); err != nil {
		c.deleteLate(ctx, obj, cond)
		return Object{}, err
	}
	return obj, nil
}

// header returns the header of s, from s where it has it, with its tags. That they may
// not be read is an error.
func (s source) header(ctx context.Context) (*Header, error) {
	h := s.Header
	if h == nil {
		now, err := s.c.head(ctx, s.Object)
		if err != nil {
			return nil, err
		}
		if s.ETag != "" && now.ETag != s.ETag {
			return nil, &Error{Op: "HeadObject", Key: s.Key, Kind: Stale}
		}
		h = now.Header
	}
	if h.TagCount > 0 && h.Tagging == "" {
		tags, err := s.c.tagging(ctx, s.Object)
		if errors.Is(err, Denied) {
			err = tagsRefused(err, s.Object)
		}
		if err != nil {
			return nil, err
		}
		with := *h
		with.Tagging = tags
		h = &with
	}
	return h, nil
}

// abortLate aborts an upload after a failure, be it the caller's leaving. What
// cannot be aborted is left to the bucket's lifecycle rule.
func (c *Client) abortLate(ctx context.Context, up Upload) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	if err := c.Abort(ctx, up); err != nil {
		c.log.Warn("a copy's upload could not be aborted", "err", err)
	}
}

// deleteLate deletes a copy that is not complete. One that has replaced something stays.
func (c *Client) deleteLate(ctx context.Context, copied Object, cond Condition) {
	if cond.IfMatch != "" {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	if err := c.Delete(ctx, copied.Key, Condition{IfMatch: copied.ETag}); err != nil {
		c.log.Warn("a copy without all of its annotations could not be deleted",
			"key", copied.Key, "err", err)
	}
}
