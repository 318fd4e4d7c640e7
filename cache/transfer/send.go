package transfer

import (
	"context"
	"errors"
	"io"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"github.com/s3share/s3share/cache/filestamp"
	"github.com/s3share/s3share/cache/jsonbytes"
	"github.com/s3share/s3share/cache/keyname"
	"github.com/s3share/s3share/cache/outbox"
	"github.com/s3share/s3share/s3backend"
)

// one delivers one file.
func (p *put) one(ctx context.Context, f local,
	look func(context.Context, Bucket) (held, error)) Result {
	res := Result{Path: f.path, Key: f.key, Size: f.size}
	failed := func(err error) Result {
		res.Outcome, res.Err = Failed, err
		return res
	}
	if p.Refuse != nil {
		if err := p.Refuse(f.key); err != nil {
			return failed(err)
		}
	}
	src, err := openSource(f)
	if err != nil {
		return failed(err)
	}
	defer src.file.Close()
	res.Size = src.size
	now, err := look(ctx, p.Bucket)
	if err != nil {
		return failed(err)
	}
	s := &sending{p: p, src: src, key: f.key}
	if src.size > s3backend.WholePart {
		s.note = p.Notes.upload(f.key)
	}
	defer func() { s.end(ctx, res.Err) }()
	res.Outcome, res.Beside, err = s.tryAgain(ctx, now)
	if err == nil && p.Digest {
		res.Version, err = s.version(ctx)
	}
	if err != nil {
		return failed(err)
	}
	res.Object, res.Ours = s.holds, res.Outcome != Present || s.ours
	if res.Object.Key == "" {
		res.Object.Key, res.Object.Size = s.key, res.Size
	}
	return res
}

// tryAgain puts the file, over or beside what S3 holds. As long as that changes meanwhile, it tries
// again.
func (s *sending) tryAgain(ctx context.Context,
	now held) (outcome Outcome, beside string, err error) {
	for range 4 { // each turn that does not return has learnt what S3 holds
		outcome, beside, err = s.try(ctx, now)
		if !errors.Is(err, s3backend.Stale) && !errors.Is(err, s3backend.NotExist) &&
			!s3backend.Ambiguous(err) {
			break
		}
		var asked error
		if now, asked = holds(ctx, s.p.Bucket, s.key); asked != nil {
			break
		}
		if now.denied && s3backend.Ambiguous(err) && !errors.Is(err, s3backend.Stale) {
			break // whether it came through cannot be asked
		}
		if now.obj.Header != nil && s.header != nil && outbox.SameCommit(now.obj.Header, s.header) {
			s.remember(now.obj, "")
			s.holds = now.obj
			outcome, err = Moved, nil
			break
		}
		now.refused = errors.Is(err, s3backend.Stale)
	}
	if errors.Is(err, s3backend.Stale) {
		err = errFlapping
	}
	return outcome, beside, err
}

// source is a local file that is open.
type source struct {
	file  *os.File
	stat  os.FileInfo
	size  int64
	mtime time.Time
}

func openSource(f local) (*source, error) {
	flag := os.O_RDONLY | unix.O_NONBLOCK // of a named pipe the open would wait
	if !f.follow {
		flag |= unix.O_NOFOLLOW
	}
	file, err := os.OpenFile(f.path, flag, 0)
	if err != nil {
		return nil, plain(err)
	}
	st, err := file.Stat()
	if err == nil && !st.Mode().IsRegular() {
		err = errNotRegular
	}
	if err != nil {
		_ = file.Close()
		return nil, plain(err)
	}
	src := &source{file, st, st.Size(), st.ModTime()}
	if err := src.endsAtSize(); err != nil {
		_ = file.Close()
		return nil, err
	}
	return src, nil
}

// endsAtSize fails if there are bytes behind the size of the file. Files in /proc have the size 0,
// and so have files of some FUSE file systems, which learn the size when a file is read: only the
// bytes up to the size would be sent.
func (s *source) endsAtSize() error {
	n, err := s.file.ReadAt(make([]byte, 1), s.size)
	switch {
	case n == 0 && errors.Is(err, io.EOF):
		return nil
	case n == 0:
		return plain(err)
	}
	if err := s.unchanged(); err != nil {
		return err // it is being written
	}
	return errLonger
}

// unchanged fails if the file is not any more as it was when it was opened.
func (s *source) unchanged() error {
	st, err := s.file.Stat()
	if err != nil {
		return plain(err)
	}
	if filestamp.Of(st) != filestamp.Of(s.stat) {
		return errChanged
	}
	return nil
}

// sending is one file on its way.
type sending struct {
	p    *put
	src  *source
	key  string
	note *uploadNote

	header   *s3backend.Header // of the last request that was to make an object
	begun    s3backend.Upload  // an upload that is not complete
	complete bool              // the last one was completed

	holds  s3backend.Object // what S3 holds of the file, once it does
	ours   bool             // an earlier Put has made that
	digest *digest          // of what was sent last, if it is asked for
}

// try makes one attempt, given what the key holds.
func (s *sending) try(ctx context.Context, now held) (Outcome, string, error) {
	ours, remembered, now := s.known(ctx, now)
	switch {
	case now.obj.ETag != "":
		same, err := sameBytes(ctx, s.p.Bucket, s.src.file, s.src.size, now.obj)
		if err != nil {
			return 0, "", err
		}
		same = same || remembered && ours.Beside == "" && ours.ETag == now.obj.ETag &&
			ours.unchangedSince(s.src.stat)
		if same {
			s.p.Meter.Moved.Add(s.src.size)
			s.holds, s.digest = now.obj, nil
			s.ours = remembered && ours.Beside == "" && ours.ETag == now.obj.ETag
			return Present, "", nil
		}
		if !remembered || ours.Beside != "" || ours.ETag != now.obj.ETag {
			return s.beside(ctx, ours)
		}
	case now.denied && now.refused: // there is something, and it may not be looked at
		return s.overUnseen(ctx, ours, remembered)
	}
	obj, err := s.send(ctx, s.key, s3backend.Replacing(now.obj))
	if err != nil {
		return 0, "", err
	}
	s.remember(obj, "")
	s.holds = obj
	return Moved, "", nil
}

// known returns what the notes have of the key, and what it holds. If an earlier put was ended
// before it noted what it had sent, the commit ID shows that.
func (s *sending) known(ctx context.Context, now held) (ours version, remembered bool, found held) {
	ours, remembered = s.p.Notes.of(s.key)
	if ours.Sending != nil && now.obj.ETag != "" && now.obj.ETag != ours.ETag {
		if now.obj.Header == nil { // it was listed
			if obj, err := s.p.Bucket.Head(ctx, s.key); err == nil {
				now.obj = obj
			}
		}
		if outbox.SameCommit(now.obj.Header, ours.Sending) {
			ours, remembered = version{ETag: now.obj.ETag}, true
			s.p.Notes.remember(s.key, ours)
		}
	}
	return ours, remembered, now
}

// overUnseen replaces what may not be looked at, if that is what was put last; else the file goes
// beside it.
func (s *sending) overUnseen(ctx context.Context, ours version,
	remembered bool) (Outcome, string, error) {
	same := false
	if remembered && ours.Beside == "" {
		var err error
		if same, err = s.sameAs(ctx, ours); err != nil {
			return 0, "", err
		}
	}
	switch {
	case same:
		s.holds, s.digest, s.ours = s3backend.Object{ETag: ours.ETag}, nil, true
		return Present, "", nil
	case !remembered || ours.Beside != "":
		return s.beside(ctx, ours)
	}
	obj, err := s.send(ctx, s.key, s3backend.Condition{IfMatch: ours.ETag})
	// If-Match takes s3:GetObject on AWS.
	if errors.Is(err, s3backend.Stale) || errors.Is(err, s3backend.Denied) {
		return s.beside(ctx, ours)
	}
	if err != nil {
		return 0, "", err // what was put last is what S3 has, for all that is known
	}
	s.remember(obj, "")
	s.holds = obj
	return Moved, "", nil
}

// beside delivers the file beside the other party's version, unless that was done before.
func (s *sending) beside(ctx context.Context, before version) (Outcome, string, error) {
	if s.p.NoConflicts {
		return 0, "", errDiffers
	}
	if before.Beside != "" {
		there, err := holds(ctx, s.p.Bucket, string(before.Beside))
		if err != nil {
			return 0, "", err
		}
		same := false
		switch {
		case there.denied:
			same, err = s.sameAs(ctx, before)
		case there.obj.ETag != "":
			same, err = sameBytes(ctx, s.p.Bucket, s.src.file, s.src.size, there.obj)
		}
		if err != nil {
			return 0, "", err
		}
		if same {
			s.holds = s3backend.Object{Key: string(before.Beside),
				Size: s.src.size, ETag: before.ETag}
			return Conflict, string(before.Beside), nil
		}
	}
	for at := time.Now().UTC(); ; at = at.Add(time.Millisecond) {
		key := outbox.ConflictKey(s.key, s.p.Who, at, s.p.Private, keyname.Escape)
		obj, err := s.send(ctx, key, s3backend.Condition{IfNoneMatch: true})
		if errors.Is(err, s3backend.Stale) && time.Since(at) > -100*time.Millisecond {
			continue // two conflicts in one millisecond
		}
		if s3backend.Ambiguous(err) {
			if there, asked := holds(ctx, s.p.Bucket, key); asked == nil &&
				outbox.SameCommit(there.obj.Header, s.header) {
				obj, err = there.obj, nil
			}
		}
		if err != nil {
			return 0, "", err
		}
		s.remember(obj, key)
		s.holds = obj
		return Conflict, key, nil
	}
}

// sameAs reports whether the file is what was put before.
func (s *sending) sameAs(ctx context.Context, v version) (bool, error) {
	if v.unchangedSince(s.src.stat) {
		return true, nil
	}
	return matchesETag(ctx, s.src.file, s.src.size, v.ETag)
}

// remember notes that the file is obj, at its key or beside it.
func (s *sending) remember(obj s3backend.Object, beside string) {
	s.p.Notes.remember(s.key,
		version{ETag: obj.ETag, Stamp: filestamp.Of(s.src.stat), Beside: jsonbytes.String(beside)})
}

// send makes the file the object at key.
func (s *sending) send(ctx context.Context,
	key string, cond s3backend.Condition) (s3backend.Object, error) {
	if s.p.PresentOnly {
		return s3backend.Object{}, errNotThere
	}
	w := s3backend.WholeUpload{
		Key: key, Body: s.src.file, Size: s.src.size, Cond: cond,
		Header: outbox.NewHeader(key, s.src.mtime),
		Ready:  s.src.unchanged,
		Read:   func(n int64) { s.p.Meter.InFlight.Add(n) },
	}
	if w.Size > s3backend.WholePart {
		head, parts := s.note.read()
		if string(head.Key) == key && head.Size == w.Size &&
			head.Mtime == s.src.mtime.UnixNano() && head.Header != nil {
			w.Begun, w.BegunParts, w.Header = head.Upload, parts, head.Header
		} else if head.Upload.ID != "" {
			// The upload is of other content. If Abort fails, a lifecycle rule ends it.
			_ = s.p.Bucket.Abort(ctx, head.Upload)
		}
		s.begun = w.Begun
		had := map[int32]bool{}
		for _, p := range parts {
			had[p.Number] = w.Begun.ID != ""
		}
		w.Begin = func(up s3backend.Upload) error {
			s.begun = up
			had = nil
			return s.note.begin(uploadHead{Key: jsonbytes.String(key), Size: w.Size,
				Mtime: s.src.mtime.UnixNano(), Header: w.Header, Upload: up})
		}
		w.Sent = func(part s3backend.Part) {
			if !had[part.Number] {
				s.note.sent(part)
			}
			s.p.Meter.Moved.Add(part.Size)
		}
	}
	if s.p.Digest {
		s.digestWith(ctx, &w)
	}
	s.header = w.Header
	if key == s.key {
		s.p.Notes.sending(key, w.Header)
	}
	obj, err := w.Upload(ctx, s.p.Bucket)
	if errors.Is(err, s3backend.NotExist) && w.Begun.ID != "" {
		// The upload of an earlier process is gone: it was aborted, or it is complete, and then
		// its object is there.
		s.begun = s3backend.Upload{}
		_ = s.note.begin(uploadHead{})
		return obj, err
	}
	if err != nil {
		return obj, err
	}
	if w.Sent == nil {
		s.p.Meter.Moved.Add(w.Size)
	}
	s.begun, s.complete = s3backend.Upload{}, true
	return obj, nil
}

// end lets go of an upload that is not complete. One that failed for a reason that passes is
// kept, for the next Put; else it is aborted.
func (s *sending) end(ctx context.Context, err error) {
	if err != nil && s.note != nil && s.begun.ID != "" && passes(ctx, err) {
		s.note.close(true)
		return
	}
	up := s.begun
	if up.ID == "" && !s.complete {
		head, _ := s.note.read()
		up = head.Upload
	}
	if up.ID != "" {
		_ = s.p.Bucket.Abort(context.WithoutCancel(ctx), up) // else a lifecycle rule does
	}
	s.note.close(false)
}

// passes reports whether the same request may succeed later.
func passes(ctx context.Context, err error) bool {
	var e *s3backend.Error
	if ctx.Err() != nil || !errors.As(err, &e) {
		return ctx.Err() != nil
	}
	switch e.Kind {
	case s3backend.Other, s3backend.Busy, s3backend.BadLogin:
		return true
	}
	return false
}
