package delivery

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/s3share/s3share/cache/transfer"
	"github.com/s3share/s3share/s3backend"
)

// Problem is a file of a delivery that is not as the manifest has it.
type Problem struct {
	Path string
	Err  error
}

// The problems that are of the file itself. Any other is of the way to it.
var (
	ErrMissing  = errors.New("it is missing in the bucket")
	ErrReplaced = errors.New("it is not the version that was sent: it was replaced since")
	ErrBytes    = errors.New("its bytes are not those that were sent: they have another SHA-256")
)

// OfSender reports whether the bucket has another file than was sent, which the sender alone can
// mend. Other problems are of the way to the file, or of the local disk.
func (p Problem) OfSender() bool {
	var size *sizeError
	return errors.Is(p.Err, ErrMissing) || errors.Is(p.Err, ErrReplaced) ||
		errors.Is(p.Err, ErrBytes) || errors.As(p.Err, &size)
}

// sizeError is the error for an object whose size is not that of the manifest.
type sizeError struct{ is, want int64 }

func (e *sizeError) Error() string {
	return fmt.Sprintf("it has %d bytes in the bucket, and %d were sent", e.is, e.want)
}

// verifiers is how many files are read at a time, each as a stream.
const verifiers = 16

// Verify compares all files of a delivery that was read with what S3 holds, and returns those
// that are not as the manifest has them, sorted. First the files are looked up: if one is
// missing or another version, none is read. Then the bytes of each are read and summed, on the
// condition that the ETag still is the manifest's. The error is one that is of no file in
// particular.
func Verify(ctx context.Context, b transfer.Bucket, r Route,
	m *Manifest, meter *transfer.Meter) ([]Problem, error) {
	_, problems, err := lookUp(ctx, b, r, m)
	if err != nil || len(problems) > 0 {
		return problems, err
	}
	meter.Files.Add(int64(len(m.Files)))
	meter.Bytes.Add(m.Bytes())
	var mu sync.Mutex // guards problems
	group, gctx := errgroup.WithContext(ctx)
	group.SetLimit(verifiers)
	for _, f := range m.Files {
		if gctx.Err() != nil {
			break
		}
		group.Go(func() error {
			err := verifyFile(gctx, b, r, f, meter)
			meter.Done.Add(1)
			if err == nil {
				return nil
			}
			if gctx.Err() != nil || s3backend.IsOfBucket(err) {
				return err
			}
			mu.Lock()
			defer mu.Unlock()
			problems = append(problems, Problem{f.Path, err})
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	sortProblems(problems)
	return problems, ctx.Err()
}

func sortProblems(all []Problem) {
	slices.SortFunc(all, func(a, b Problem) int { return strings.Compare(a.Path, b.Path) })
}

// lookUp compares the files of a manifest with a listing. found has what that shows, by the keys.
func lookUp(ctx context.Context, b transfer.Bucket, r Route,
	m *Manifest) (found map[string]s3backend.Object, problems []Problem, err error) {
	keys := make([]string, len(m.Files))
	for i, f := range m.Files {
		keys[i] = r.From + "/" + f.Path
	}
	found, unknown, err := transfer.Current(ctx, b, keys)
	if err != nil {
		return nil, nil, err
	}
	for i, f := range m.Files {
		obj, ok := found[keys[i]]
		switch {
		case !ok && unknown > 0: // reading it finds out
			continue
		case !ok:
			err = ErrMissing
		case obj.Size != f.Size:
			err = &sizeError{obj.Size, f.Size}
		case obj.ETag != f.ETag:
			err = ErrReplaced
		default:
			continue
		}
		problems = append(problems, Problem{f.Path, err})
	}
	sortProblems(problems)
	return found, problems, nil
}

// verifyFile reads a file and compares its checksum.
func verifyFile(ctx context.Context, b transfer.Bucket, r Route,
	f File, meter *transfer.Meter) error {
	h := sha256.New()
	if f.Size == 0 { // there is nothing to read
		obj, err := b.Head(ctx, r.From+"/"+f.Path)
		if err == nil && (obj.Size != 0 || obj.ETag != f.ETag) {
			err = ErrReplaced
		}
		if err != nil {
			return ofVersion(err)
		}
	} else {
		body, err := b.Get(ctx, r.Object(f), 0, f.Size)
		if err != nil {
			return ofVersion(err)
		}
		defer body.Close()
		if _, err := io.CopyBuffer(countingWriter{h, meter},
			body, make([]byte, 128<<10)); err != nil {
			return ofVersion(err)
		}
	}
	return compareSHA256(hex.EncodeToString(h.Sum(nil)), f)
}

// Object is the version that a manifest names.
func (r Route) Object(f File) s3backend.Object {
	return s3backend.Object{Key: r.From + "/" + f.Path, Size: f.Size, ETag: f.ETag}
}

// ofVersion puts into words what an If-Match tells of the version that was sent.
func ofVersion(err error) error {
	switch {
	case errors.Is(err, s3backend.Stale):
		return ErrReplaced
	case errors.Is(err, s3backend.NotExist):
		return ErrMissing
	}
	return err
}

func compareSHA256(is string, f File) error {
	if is != f.SHA256 {
		return ErrBytes
	}
	return nil
}

type countingWriter struct {
	io.Writer
	meter *transfer.Meter
}

func (w countingWriter) Write(p []byte) (int, error) {
	w.meter.Moved.Add(int64(len(p)))
	return w.Writer.Write(p)
}

// Fetch is [Verify] that keeps what it reads: each file is fetched into a directory, and gets
// its name there once its bytes are verified. cfg.Tell is called for each.
func Fetch(ctx context.Context, cfg transfer.Config, r Route,
	m *Manifest, dir string) ([]Problem, transfer.Total, error) {
	found, problems, err := lookUp(ctx, cfg.Bucket, r, m)
	if err != nil || len(problems) > 0 {
		return problems, transfer.Total{}, err
	}
	paths := map[string]string{}
	wanted := make([]transfer.Wanted, len(m.Files))
	for i, f := range m.Files {
		obj := r.Object(f)
		obj.Modified = found[obj.Key].Modified // zero if it may not be listed
		paths[obj.Key] = f.Path
		wanted[i] = transfer.Wanted{Object: obj, Path: f.Path,
			Check: func(ctx context.Context, file io.ReaderAt, size int64) error {
				h := sha256.New()
				if err := transfer.ReadAll(ctx, h, file, size); err != nil {
					return err
				}
				return compareSHA256(hex.EncodeToString(h.Sum(nil)), f)
			}}
	}
	tell := cfg.Tell
	cfg.Tell = func(res transfer.Result) {
		if res.Outcome == transfer.Failed {
			problems = append(problems, Problem{paths[res.Key], ofVersion(res.Err)})
		} else if tell != nil {
			tell(res)
		}
	}
	total, err := transfer.GetVersions(ctx, cfg, wanted, dir)
	sortProblems(problems)
	return problems, total, err
}
