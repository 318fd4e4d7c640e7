package transfer

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path"
	"strings"
	"sync"
	"unicode/utf8"

	"golang.org/x/sys/unix"

	"github.com/s3share/s3share/cache/outbox"
	"github.com/s3share/s3share/s3backend"
)

// VersionBucket is every request of [Restore]. *s3backend.Client implements it.
type VersionBucket interface {
	Bucket
	HeadVersion(ctx context.Context, obj s3backend.Object) (s3backend.Object, error)
	Copy(ctx context.Context, src s3backend.Object, key string, h *s3backend.Header,
		cond s3backend.Condition) (s3backend.Object, error)
	CopiesVersions(ctx context.Context) bool
	VersionTagging(ctx context.Context, obj s3backend.Object) (string, error)
}

var _ VersionBucket = (*s3backend.Client)(nil)

// ErrNotKnown is the error of a Restore of which it is not known whether S3 has carried it out.
var ErrNotKnown = errors.New("whether it was restored is not known: the answer of S3 was lost")

// Restore makes an earlier version the one that its key holds: a new version with the same bytes
// and metadata. now is what the key holds, the zero value for nothing: the error is s3backend.Stale
// if it holds something else by then. A server that is known to copy versions does so. For another,
// the version is fetched to a file without a name in dir, and sent as Put sends files.
func Restore(ctx context.Context, cfg Config, b VersionBucket, wanted, now s3backend.Object,
	dir string) (s3backend.Object, error) {
	old, err := b.HeadVersion(ctx, wanted)
	if err != nil {
		return s3backend.Object{}, err
	}
	h := outbox.Recommitted(old.Header)
	cond := s3backend.Replacing(now)
	cfg.Notes.sending(old.Key, h)
	var made s3backend.Object
	if b.CopiesVersions(ctx) {
		made, err = b.Copy(ctx, old, old.Key, h, cond)
	} else {
		made, err = resend(ctx, b, old, h, cond, dir)
	}
	if s3backend.Ambiguous(err) {
		made, err = settle(ctx, b, old.Key, h, now, err)
	}
	if err != nil {
		return s3backend.Object{}, err
	}
	made.Key, made.Size = old.Key, old.Size
	cfg.Notes.remember(old.Key, version{ETag: made.ETag})
	return made, nil
}

// resend fetches a version and puts it.
func resend(ctx context.Context, b VersionBucket, old s3backend.Object, h *s3backend.Header,
	cond s3backend.Condition, dir string) (s3backend.Object, error) {
	var none s3backend.Object
	if h.TagCount > 0 {
		var err error
		if h.Tagging, err = b.VersionTagging(ctx, old); err != nil {
			return none, err
		}
	}
	file, err := os.CreateTemp(dir, ".s3share-restore-")
	if err != nil {
		return none, plain(err)
	}
	defer file.Close()
	if err := os.Remove(file.Name()); err != nil {
		return none, plain(err)
	}
	to := &diskWriter{file: file}
	if err := s3backend.Download(ctx, b, old, 0, old.Size, to); err != nil {
		return none, cmp.Or(to.failed(), err)
	}
	var begun s3backend.Upload
	made, err := s3backend.WholeUpload{
		Key: old.Key, Body: file, Size: old.Size, Header: h, Cond: cond,
		Begin: func(up s3backend.Upload) error {
			begun = up
			return nil
		},
	}.Upload(ctx, b)
	if err != nil && begun.ID != "" {
		// An upload that S3 has completed is gone. If Abort fails, a lifecycle rule ends it.
		_ = b.Abort(context.WithoutCancel(ctx), begun)
	}
	return made, err
}

// diskWriter keeps the first error of a file, for which S3 is not to blame.
type diskWriter struct {
	file *os.File
	mu   sync.Mutex // guards err
	err  error
}

// WriteAt implements [io.WriterAt].
func (w *diskWriter) WriteAt(b []byte, off int64) (int, error) {
	n, err := w.file.WriteAt(b, off)
	if err != nil {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.err = cmp.Or(w.err, plain(err))
	}
	return n, err
}

func (w *diskWriter) failed() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.err
}

// settle finds out whether a request was carried out that had the header h and failed with err.
// That is known if the key holds its object, or still what was to be replaced.
func settle(ctx context.Context, b VersionBucket, key string, h *s3backend.Header,
	now s3backend.Object, err error) (s3backend.Object, error) {
	held, asked := s3backend.HeadOrList(context.WithoutCancel(ctx), b, key)
	switch {
	case asked == nil && outbox.SameCommit(held.Header, h):
		return held, nil
	case asked == nil && held.ETag == now.ETag,
		errors.Is(asked, s3backend.NotExist) && now.ETag == "":
		return s3backend.Object{}, err
	}
	return s3backend.Object{}, fmt.Errorf("%w: %w", ErrNotKnown, err)
}

// VersionFileName is the name of the file that an earlier version is fetched to, of a file of this
// name: "q3 (version 3sL4kqtJ).csv".
func VersionFileName(name, id string) string {
	suffix := path.Ext(name)
	if suffix == name || len(suffix) > maxSuffix {
		suffix = ""
	}
	stem, mark := strings.TrimSuffix(name, suffix), " (version "+id+")"
	for len(stem)+len(mark)+len(suffix) > unix.NAME_MAX && stem != "" {
		_, n := utf8.DecodeLastRuneInString(stem)
		stem = stem[:len(stem)-n]
	}
	return stem + mark + suffix
}

// maxSuffix is the length of a suffix that shows a file's type, in bytes.
const maxSuffix = 20
