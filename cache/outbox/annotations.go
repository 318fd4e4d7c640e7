package outbox

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"sync/atomic"

	"github.com/s3share/s3share/s3backend"
)

// Annotations are texts that S3 keeps with a version of an object beside its metadata, and that a
// version which replaces it does not have. Errors: NotExist if the key or the annotation does not
// exist, Stale if the key holds another version, Denied if the policy refuses it.
type Annotations interface {
	// Annotations lists those of what the key holds; none if the server does not know annotations.
	Annotations(ctx context.Context, key string) ([]s3backend.Annotation, error)
	Annotation(ctx context.Context, key, name string) ([]byte, error)
	Annotate(ctx context.Context, obj s3backend.Object, name string, text []byte) error
}

// The annotations of a version that an item is an edit of are saved on the disk before the version
// is replaced, in one file beside the staged one, and put to the new version once that is there.
// If this process ends in between, a later one puts them: the item is pending until then.
//
// The file has one JSON value a line: savedFrom, a savedAnnotation each, and savedEnd. One without
// the end is not complete, and does not count.

// annotationsSuffix ends the name of the file; the staged file's goes before it.
const annotationsSuffix = ".annotations"

type savedFrom struct {
	Key  string `json:"key"`
	ETag string `json:"etag"`
}

type savedAnnotation struct {
	Name string `json:"name,omitempty"`
	Text []byte `json:"text,omitempty"`
	End  bool   `json:"end,omitempty"` // there are no more
}

// savedAnnotations are the annotations of the version that one item is an edit of. The worker that
// delivers the item uses them, or who ends it.
type savedAnnotations struct {
	o        *Outbox
	path     string
	reserved atomic.Int64 // bytes on the disk
}

// save saves the annotations of the version from, which is about to be replaced. What the policy
// does not let us read is not kept, which is logged once.
func (s *savedAnnotations) save(ctx context.Context, from s3backend.Object) error {
	if s.o.cfg.Annotations == nil || from.ETag == "" {
		return nil
	}
	list, err := s.o.cfg.Annotations.Annotations(ctx, from.Key)
	switch {
	case isKind(err, s3backend.NotExist):
		return nil // S3 has the base no more, or not there
	case err != nil && isTransient(err):
		return err
	case err != nil:
		s.noteUnkept(slog.LevelInfo, "an edited file loses its annotations, if it has any: "+
			"they may not be listed (s3:ListObjectAnnotations)", from.Key, err)
		return nil
	}
	saved, err := s.version()
	if err != nil {
		return err
	}
	if saved != "" && saved != from.ETag {
		// those of the version before, which an earlier attempt could not put to this one
		return nil
	}
	if len(list) == 0 && saved == "" {
		return nil
	}
	now, err := s.o.bucket.Head(ctx, from.Key)
	switch {
	case err != nil && isTransient(err):
		return err
	case err != nil || now.ETag != from.ETag:
		return nil // these are another version's: what was saved before counts
	}
	s.forget()
	if len(list) == 0 {
		return nil
	}
	err = s.write(ctx, from, list)
	switch {
	case err == nil:
		return nil
	case isKind(err, s3backend.Denied):
		s.forget()
		s.noteUnkept(slog.LevelWarn, "an edited file loses its annotations: "+
			"they may not be read (s3:GetObjectAnnotation)", from.Key, err)
		return nil
	}
	s.forget()
	return err
}

// write reads the annotations of a version one at a time, and writes them to the disk.
func (s *savedAnnotations) write(ctx context.Context, from s3backend.Object,
	list []s3backend.Annotation) (err error) {
	f, err := os.OpenFile(s.path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	w := bufio.NewWriter(f)
	enc := json.NewEncoder(w)
	if err := enc.Encode(savedFrom{from.Key, from.ETag}); err != nil {
		return err
	}
	for _, a := range list {
		if err := s.reserve(a.Size*4/3 + int64(len(a.Name)) + 64); err != nil {
			return err
		}
		text, err := s.o.cfg.Annotations.Annotation(ctx, from.Key, a.Name)
		if isKind(err, s3backend.NotExist) {
			continue // it was deleted meanwhile
		}
		if err != nil {
			return err
		}
		if err := enc.Encode(savedAnnotation{Name: a.Name, Text: text}); err != nil {
			return err
		}
	}
	if err := enc.Encode(savedAnnotation{End: true}); err != nil {
		return err
	}
	if err := w.Flush(); err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return err
	}
	return syncDir(s.o.cfg.Dir)
}

// reserve reserves room on the disk until they are forgotten.
func (s *savedAnnotations) reserve(n int64) error {
	if err := s.o.quota.reserve(n); err != nil {
		return err
	}
	s.reserved.Add(n)
	return nil
}

// version returns the ETag of the version whose annotations are saved, "" for none.
func (s *savedAnnotations) version() (etag string, err error) {
	f, err := os.Open(s.path)
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	defer f.Close()
	if complete, err := isSavedWhole(f); err != nil || !complete {
		return "", err
	}
	var from savedFrom
	err = json.NewDecoder(f).Decode(&from)
	return from.ETag, err
}

// put gives obj, the new version, the annotations that were saved. Those that S3
// refuses are not kept, which is logged once. Any other error is that of a delivery which is not
// complete.
func (s *savedAnnotations) put(ctx context.Context, obj s3backend.Object) error {
	if s.o.cfg.Annotations == nil {
		return nil
	}
	f, err := os.Open(s.path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer f.Close()
	switch complete, err := isSavedWhole(f); {
	case err != nil:
		return err
	case !complete: // the process ended before the version was replaced
		s.forget()
		return nil
	}
	err = eachSaved(f, func(a savedAnnotation) error {
		return s.o.cfg.Annotations.Annotate(ctx, obj, a.Name, a.Text)
	})
	switch {
	case isKind(err, s3backend.Stale), isKind(err, s3backend.NotExist): // ours is replaced already
	case err != nil && isTransient(err):
		return fmt.Errorf("its annotations: %w", err)
	case err != nil:
		s.noteUnkept(slog.LevelWarn, "an edited file loses its annotations: "+
			"they may not be put (s3:PutObjectAnnotation)", obj.Key, err)
	}
	s.forget()
	return nil
}

// isSavedWhole reports whether the file is complete.
func isSavedWhole(f *os.File) (bool, error) {
	const end = `{"end":true}` + "\n"
	info, err := f.Stat()
	if err != nil {
		return false, err
	}
	tail := make([]byte, len(end))
	if info.Size() < int64(len(end)) {
		return false, nil
	}
	_, err = f.ReadAt(tail, info.Size()-int64(len(end)))
	return string(tail) == end, err
}

// eachSaved calls put with each annotation in a file that is complete.
func eachSaved(f io.Reader, put func(savedAnnotation) error) error {
	dec := json.NewDecoder(bufio.NewReader(f))
	var from savedFrom
	if err := dec.Decode(&from); err != nil {
		return err
	}
	for {
		var a savedAnnotation
		if err := dec.Decode(&a); err != nil {
			return err
		}
		if a.End {
			return nil
		}
		if err := put(a); err != nil {
			return err
		}
	}
}

// forget removes what was saved.
func (s *savedAnnotations) forget() {
	if err := os.Remove(s.path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		s.o.log.Warn("annotations that are not needed any more stay on the disk", "file", s.path,
			"err", err)
	}
	s.o.quota.staged.Add(-s.reserved.Swap(0))
}

// noteUnkept logs once what becomes of annotations that the policy does not let us keep.
func (s *savedAnnotations) noteUnkept(level slog.Level, why, key string, err error) {
	if _, told := s.o.unkept.LoadOrStore(why, true); !told {
		s.o.log.Log(s.o.ctx, level, why, "key", key, "err", err)
	}
}

// removeAnnotations removes those that were saved for items that are not pending any more.
func (r *recovery) removeAnnotations() {
	pending := map[string]bool{}
	for _, it := range r.items {
		pending[filepath.Base(it.path)] = true
	}
	for _, name := range r.inv.annotated {
		if !pending[name] {
			os.Remove(filepath.Join(r.o.cfg.Dir, name+annotationsSuffix))
		}
	}
}
