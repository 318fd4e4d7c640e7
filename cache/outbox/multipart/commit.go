package multipart

import (
	"context"
	"crypto/md5" // #nosec G501 -- S3's ETags are made of it, nothing is proved by it
	"encoding/hex"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/s3share/s3share/cache/outbox/parts"
	"github.com/s3share/s3share/s3backend"
)

// TakeOver ends the sending of parts before the commit, and returns the parts that the upload has
// to have for a content of size bytes. ok is false if another upload has to be created, since the
// content does not fit this one any more, or S3 could not be asked for it while the file was
// written.
func (up *Upload) TakeOver(ctx context.Context, size int64) (list []parts.Part, ok bool,
	err error) {
	seq := up.f.Content.Changes()
	if err := up.drain(ctx); err != nil {
		return nil, false, err
	}
	if up.remote.ID == "" {
		return nil, false, nil
	}
	if !up.s.LargePartsFit() {
		up.useSmallParts(size)
		up.noteLayout()
	}
	switch {
	case up.layout.IsZero() &&
		(up.planned == seq || up.recovered && up.f.Content.CanCopy(up.list)) &&
		parts.End(up.list) == size:
		up.planned = seq
		return up.list, true, up.verify()
	case !up.layout.IsZero() && up.layout.Holds(size):
		return up.layout.Plan(size), true, up.verify()
	}
	return nil, false, nil
}

// SendMissing sends those of the parts that S3 lacks, and returns all of them for Complete. The
// error is a *CopyRefusedError if S3 does not copy a part of the base: then the upload is useless.
func (up *Upload) SendMissing(ctx context.Context, list []parts.Part) ([]s3backend.Part, error) {
	var todo []parts.Part
	sent := int64(0)
	for _, p := range list {
		if up.has(p) {
			sent += p.N
		} else {
			todo = append(todo, p)
		}
	}
	up.f.Progress.SetSent(sent)
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(up.s.Limiter.Max())
	var suspended atomic.Pointer[suspendedError]
	for _, p := range todo {
		if gctx.Err() != nil || suspended.Load() != nil {
			break
		}
		g.Go(func() error {
			err := up.send(gctx, p)
			if why := (*suspendedError)(nil); errors.As(err, &why) {
				suspended.Store(why) // no other part is cut off because of that
				return nil
			}
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	if e := suspended.Load(); e != nil {
		return nil, e.why
	}
	all := make([]s3backend.Part, len(list))
	for i, p := range list {
		d, _ := up.part(p.Num)
		all[i] = d.s3
	}
	return all, nil
}

// has reports whether S3 has the part as it is here now.
func (up *Upload) has(p parts.Part) bool {
	d, ok := up.part(p.Num)
	return ok && d.Part == p && !up.f.Content.ChangedSince(p.Off, p.Off+p.N, d.seq)
}

// Complete makes the parts the object, on a condition.
func (up *Upload) Complete(ctx context.Context, list []s3backend.Part, size int64,
	cond s3backend.Condition) (s3backend.Object, error) {
	return up.s.Bucket.Complete(ctx, up.remote, list, size, cond)
}

// Discard aborts an upload that will not be completed. It returns at once. up may be nil.
func (up *Upload) Discard() {
	if up == nil {
		return
	}
	up.cancel()
	up.s.Go(func() {
		// Also of an outbox that is being closed: its requests have been cut off.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(up.s.Context), abortTimeout)
		defer cancel()
		up.abort(ctx)
	})
}

// abortTimeout limits how long an upload is being aborted.
const abortTimeout = 10 * time.Second

// abort aborts the upload at S3, once no part is on its way any more.
func (up *Upload) abort(ctx context.Context) {
	up.once.Do(func() {}) // nobody creates it any more
	if up.drain(ctx) != nil || up.remote.ID == "" {
		return
	}
	if up.partCut.Load() {
		t := time.NewTimer(AbortAfter)
		defer t.Stop()
		select {
		case <-t.C:
		case <-ctx.Done():
			return
		}
	}
	// Where the policy refuses, the bucket's lifecycle has to end it.
	err := up.s.Bucket.Abort(ctx, up.remote)
	if err != nil && !errors.Is(err, s3backend.NotExist) {
		up.s.Log.Warn(
			"an upload that was given up stays at S3 until the bucket's lifecycle ends it",
			"key", up.remote.Key, "upload", up.remote.ID, "err", err)
	}
}

// AbortAfter is how long an upload is left alone of which a part was cut off on its way:
// where S3 has all of it, it takes the part, and keeps it though the upload was ended
// meanwhile.
// Source: Amazon S3 API Reference, AbortMultipartUpload.
const AbortAfter = time.Second

// ETag returns the ETag of the object that the parts make, if S3 has all of size bytes; else "".
// ETag of a nil Upload is "".
func (up *Upload) ETag(size int64) string {
	if up == nil {
		return ""
	}
	up.mu.Lock()
	defer up.mu.Unlock()
	list := up.list
	if !up.layout.IsZero() {
		list = up.layout.Plan(size)
	}
	sum := md5.New() // #nosec G401 -- see the import
	for _, p := range list {
		d, ok := up.done[p.Num]
		part, err := hex.DecodeString(d.s3.ETag)
		if !ok || err != nil || len(part) != md5.Size {
			return ""
		}
		sum.Write(part)
	}
	if parts.End(list) != size {
		return ""
	}
	return fmt.Sprintf("%x-%d", sum.Sum(nil), len(list))
}
