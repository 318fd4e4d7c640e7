package s3backend

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"sync"
	"unicode/utf8"

	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/smithy-go"
	"golang.org/x/sync/errgroup"
)

const (
	deleteBatch   = 1000 // keys in one DeleteObjects, at most (Amazon S3 API Reference)
	deleteStreams = 16   // single deletes at once, where the server takes no batch
)

// Delete removes the object under key, if cond.IfMatch holds. A key that holds
// nothing is success. IfNoneMatch means nothing here.
func (c *Client) Delete(ctx context.Context, key string, cond Condition) error {
	const op = "DeleteObject"
	cond.IfNoneMatch = false
	w := conditional{op: op, key: key, probes: &c.quirks.delete, matchUse: probeAfterUses}
	w.send = func(cond Condition) error {
		in := &s3.DeleteObjectInput{Bucket: &c.bucket, Key: &key}
		_, in.IfMatch = cond.headers()
		_, err := c.s3.DeleteObject(ctx, in)
		c.recentHeads.forget(key)
		return wrapError(ctx, op, key, err)
	}
	err := c.conditions.send(ctx, w, cond)
	if isGone(err) || cond.IfMatch != "" && errors.Is(err, Stale) && c.isMissing(ctx, key) {
		return nil
	}
	return err
}

// isGone reports whether a reply says that the thing does not exist. A 404 that speaks of the
// bucket is another matter.
func isGone(err error) bool { return errors.Is(err, NotExist) }

func (c *Client) isMissing(ctx context.Context, key string) bool {
	_, err := c.conditions.currentETag(ctx, key)
	return errors.Is(err, NotExist)
}

// RemovesVersions reports whether DeleteAll removes an object only while it is the version
// that was named.
func (c *Client) RemovesVersions() bool { return !c.notAWS }

// DeleteAll removes objects, 1000 a request. Where obj has an ETag, AWS removes that
// version and no other; of another server that is not known, and it removes what the
// key holds. The map has every key that may still be there, with its reason, Stale
// for another version; a key not in it is gone. The error is the first that stopped
// a whole request, or nil.
func (c *Client) DeleteAll(ctx context.Context, objs []Object) (map[string]error, error) {
	failed := map[string]error{}
	var batch, single []Object
	for _, o := range objs {
		if c.notAWS {
			o.ETag = ""
		}
		if inXML(o.Key) {
			batch = append(batch, o)
		} else {
			single = append(single, o)
		}
	}
	var first error
	for some := range slices.Chunk(batch, deleteBatch) {
		if first != nil || c.quirks.noDeleteMany.Load() {
			single = append(single, some...)
			continue
		}
		changed, err := c.deleteMany(ctx, some, failed)
		single = append(single, changed...)
		if errors.Is(err, Denied) &&
			c.Delete(ctx, some[0].Key, Condition{IfMatch: some[0].ETag}) == nil {
			// This server wants the permission on the bucket for such a request,
			// and lets each key be deleted by itself.
			c.quirks.noDeleteMany.Store(true)
			single = append(single, some[1:]...)
		} else if refusesMany(err) {
			if c.quirks.noDeleteMany.CompareAndSwap(false, true) {
				c.log.Info("this server takes no DeleteObjects; each key is deleted by itself",
					"reply", err)
			}
			single = append(single, some...)
		} else if err != nil {
			first = err
			for _, o := range some {
				failed[o.Key] = err
			}
		}
	}
	if first != nil { // what stopped one request would stop the others
		for _, o := range single {
			failed[o.Key] = first
		}
		return failed, first
	}
	c.deleteEach(ctx, single, failed)
	return failed, ctx.Err()
}

// deleteMany is one DeleteObjects. It returns those of which S3 found another
// version; a request for each proves that, in its standard form of an ETag.
func (c *Client) deleteMany(ctx context.Context, objs []Object,
	failed map[string]error) (changed []Object, err error) {
	const op = "DeleteObjects"
	ids := make([]types.ObjectIdentifier, len(objs))
	etags := map[string]string{}
	for i, o := range objs {
		ids[i] = types.ObjectIdentifier{Key: &objs[i].Key, ETag: opt(o.ETag)}
		etags[o.Key] = o.ETag
	}
	quietly := true // list only what failed
	out, err := c.s3.DeleteObjects(ctx, &s3.DeleteObjectsInput{
		Bucket: &c.bucket, Delete: &types.Delete{Objects: ids, Quiet: &quietly},
	})
	for _, o := range objs {
		c.recentHeads.forget(o.Key)
	}
	if err != nil {
		return nil, wrapError(ctx, op, "", err)
	}
	c.quirks.worked.deleteMany.Store(true)
	for _, e := range out.Errors {
		key := val(e.Key)
		api := &smithy.GenericAPIError{Code: val(e.Code), Message: val(e.Message)}
		switch err := wrapError(context.WithoutCancel(ctx), op, key, api); {
		case isGone(err):
		case errors.Is(err, Stale) && etags[key] != "":
			changed = append(changed, Object{Key: key, ETag: etags[key]})
		default:
			failed[key] = err
		}
	}
	return changed, nil
}

// refusesMany reports whether a server does not take DeleteObjects, or wants an MD5
// with it, from one that failed.
func refusesMany(err error) bool {
	switch statusOf(err) {
	case http.StatusBadRequest:
		return !errors.Is(err, BadLogin)
	case http.StatusMethodNotAllowed, http.StatusLengthRequired, http.StatusNotImplemented:
		return true
	}
	return false
}

func (c *Client) deleteEach(ctx context.Context, objs []Object, failed map[string]error) {
	var mu sync.Mutex // guards failed
	var g errgroup.Group
	g.SetLimit(deleteStreams)
	for _, o := range objs {
		g.Go(func() error {
			if err := c.Delete(ctx, o.Key, Condition{IfMatch: o.ETag}); err != nil {
				mu.Lock()
				failed[o.Key] = err
				mu.Unlock()
			}
			return nil
		})
	}
	g.Wait()
}

// inXML reports whether the key survives a trip through XML, in which control
// characters and what is not UTF-8 would become another key.
func inXML(key string) bool {
	for _, r := range key {
		if r < 0x20 || r == utf8.RuneError || r == 0xFFFE || r == 0xFFFF || r >= 0x7F && r <= 0x9F {
			return false
		}
	}
	return true
}
