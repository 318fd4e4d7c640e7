package s3backend

import (
	"context"
	"errors"
	"fmt"
)

// withAnnotations runs send, which copies s. If that is refused, and s has no
// annotations, it copies without any (excluded). unknown says that s may have some, which may
// not be listed; then it is not copied without.
func (s source) withAnnotations(ctx context.Context,
	send func(excluded bool) error) (unknown bool, err error) {
	if s.c.notAWS || s.c.annotations.absent.Load() {
		return false, send(false)
	}
	if !s.c.annotations.excludes() {
		err = send(false)
		if !errors.Is(err, Denied) || IsOfKey(err) {
			return false, err
		}
	}
	has, listErr := s.c.annotations.list(ctx, s.Object, 1)
	switch {
	case len(has) > 0 && err == nil:
		return false, send(false)
	case len(has) > 0:
		return false, annotationsRefused(err, s.Object)
	case listErr != nil && err == nil: // as far as it is known, it was never refused
		return true, send(false)
	case listErr != nil:
		return errors.Is(listErr, Denied), err
	}
	again := send(true)
	if !errors.Is(again, Denied) {
		s.c.annotations.noteExcluded()
	}
	return false, again
}

// withTagsAndAnnotations is withTags and withAnnotations in one. Where a refusal is explained by no
// tags, and s may have annotations, the error says that.
func (s source) withTagsAndAnnotations(ctx context.Context, replaced bool,
	send func(untagged, excluded bool) error) error {
	maybe := false
	err := s.withTags(ctx, replaced, func(untagged bool) error {
		unknown, err := s.withAnnotations(ctx,
			func(excluded bool) error { return send(untagged, excluded) })
		maybe = unknown
		return err
	})
	if maybe && errors.Is(err, Denied) && !errors.Is(err, ErrAnnotationsRefused) &&
		!errors.Is(err, ErrSourceRefused) && !IsOfKey(err) {
		return annotationsRefused(err, s.Object)
	}
	return err
}

// annotationsRefused is the refusal of a copy for the annotations of its source.
func annotationsRefused(err error, src Object) error {
	reason := ErrAnnotationsRefused
	if src.ByVersion {
		reason = ErrVersionAnnotationsRefused
	}
	err = withReason(err, reason)
	var e *Error
	if errors.As(err, &e) {
		e.Key = src.Key
	}
	return err
}

// annotationsOf is the annotations of a copy's source, that the copy by parts has to be given.
type annotationsOf struct {
	src   Object
	list  []Annotation
	texts map[string][]byte // nil: they are read from src once the copy is there
}

// maxAnnotationsHeld is how many bytes of annotations are held in memory, of an object that is
// copied by parts onto itself.
const maxAnnotationsHeld = 16 << 20

// annotationsToKeep lists the annotations of s before it is copied to key by parts. One is read,
// so that a missing permission is known before anything is copied. If they may not be listed, the
// copy has none, which is logged.
func (s source) annotationsToKeep(ctx context.Context, key string) (annotationsOf, error) {
	a := annotationsOf{src: s.Object}
	var err error
	a.list, err = s.c.annotations.list(ctx, s.Object, maxAnnotations)
	if errors.Is(err, Denied) {
		s.c.log.Info(
			"the annotations of an object, if it has any, are not copied with its parts: they may not be listed (s3:ListObjectAnnotations)", "key", s.Key)
		return a, nil
	}
	if err != nil || len(a.list) == 0 {
		return a, err
	}
	if s.Key != key || s.ByVersion {
		if _, err := s.c.annotations.read(ctx, s.Object, a.list[0].Name); !IsNoAnnotation(err) {
			return a, whyUnannotated(err, s.Object)
		}
		return a, nil
	}
	total := int64(0)
	for _, one := range a.list {
		total += one.Size
	}
	if total > maxAnnotationsHeld {
		return a, &Error{Op: "CopyObject", Key: key, Kind: TooLarge,
			Err: fmt.Errorf("its annotations have %d bytes, and at most %d can be kept",
				total, maxAnnotationsHeld)}
	}
	a.texts = map[string][]byte{}
	for _, one := range a.list {
		text, err := s.c.annotations.read(ctx, s.Object, one.Name)
		if err != nil {
			return a, whyUnannotated(err, s.Object)
		}
		a.texts[one.Name] = text
	}
	return a, nil
}

// copyTo gives the copy the annotations, one at a time.
func (a *annotations) copyTo(ctx context.Context, kept annotationsOf, copied Object) error {
	for _, one := range kept.list {
		text, ok := kept.texts[one.Name]
		if !ok {
			var err error
			text, err = a.read(ctx, kept.src, one.Name)
			if IsNoAnnotation(err) {
				continue // it was deleted meanwhile
			}
			if err != nil {
				return whyUnannotated(err, kept.src)
			}
		}
		if err := a.Annotate(ctx, copied, one.Name, text); err != nil {
			return whyUnannotated(err, kept.src)
		}
	}
	return nil
}

// whyUnannotated adds to a refusal that it is for the annotations of src.
func whyUnannotated(err error, src Object) error {
	if errors.Is(err, Denied) {
		return annotationsRefused(err, src)
	}
	return err
}
