package s3backend

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"time"
)

// copyTags remembers what was learnt about copies of objects that may have tags. AWS copies
// an object that has tags only for who may read and set them, whatever becomes of the tags.
// Some servers ask for that of every copy that does not replace the tags.
// Source: Amazon S3 User Guide, "Required permissions for Amazon S3 API operations";
// ceph/ceph#47897, nasa/cumulus-orca#530.
type copyTags struct {
	mu         sync.Mutex
	unreadable time.Time // when S3 last refused to show tags
	plain      time.Time // when a plain copy was last refused that went without tags
}

// tagsBelieved is how long that is remembered.
const tagsBelieved = time.Hour

// recent reports whether one of the times is so recent that it still counts.
func (t *copyTags) recent(at *time.Time) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return !at.IsZero() && time.Since(*at) < tagsBelieved
}

func (t *copyTags) note(at *time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	*at = time.Now()
}

// withTags runs send, which copies s. If that is refused, and s has no tags, it copies
// it with none (untagged). If it has some, or may have, the error says so, and nothing was
// copied. replaced says that the request brings tags of its own.
func (s source) withTags(ctx context.Context, replaced bool, send func(untagged bool) error) error {
	var err error
	if replaced || !s.c.copyTags.recent(&s.c.copyTags.plain) {
		err = send(false)
		if !errors.Is(err, Denied) || IsOfKey(err) || errors.Is(err, ErrAnnotationsRefused) {
			return err
		}
	}
	if replaced {
		return tagsRefused(err, s.Object)
	}
	tagged, unknown, terr := s.hasTags(ctx)
	switch {
	case tagged && err == nil:
		return send(false)
	case tagged:
		return tagsRefused(err, s.Object)
	case terr != nil && err == nil:
		return terr
	case errors.Is(terr, Denied):
		return withReason(err, ErrSourceRefused)
	case terr != nil:
		return err
	}
	again := send(true)
	switch {
	case !errors.Is(again, Denied):
		s.c.copyTags.note(&s.c.copyTags.plain)
		return again
	case unknown:
		return tagsRefused(again, s.Object)
	case err == nil:
		return again
	}
	return err
}

// hasTags reports whether s has tags, or whether that is unknown, since they may not be
// read. Its error says that s itself could not be looked at.
func (s source) hasTags(ctx context.Context) (tagged, unknown bool, err error) {
	now, err := s.c.head(ctx, s.Object)
	if err != nil {
		return false, false, err
	}
	if now.Header.TagCount > 0 { // told to who may read them; by some servers, to all
		return true, false, nil
	}
	// The tags of versions are a permission of their own.
	if !s.ByVersion && s.c.copyTags.recent(&s.c.copyTags.unreadable) {
		return false, !s.c.notAWS, nil
	}
	tags, err := s.c.tagging(ctx, s.Object)
	switch {
	case err == nil:
		return tags != "", false, nil
	case errors.Is(err, Denied):
		if !s.ByVersion {
			s.c.copyTags.note(&s.c.copyTags.unreadable)
		}
		return false, !s.c.notAWS, nil
	case errors.Is(err, NotExist), errors.Is(err, Refused),
		statusOf(err) == http.StatusNotImplemented:
		return false, false, nil // this server has no tags
	}
	return false, false, err
}

// tagsRefused is the refusal of a copy for the tags of its source.
func tagsRefused(err error, src Object) error {
	reason := ErrTagsRefused
	if src.ByVersion {
		reason = ErrVersionTagsRefused
	}
	err = withReason(err, reason)
	var e *Error
	if errors.As(err, &e) {
		e.Key = src.Key
	}
	return err
}
